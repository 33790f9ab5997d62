"""How long the containers may take to become healthy, from how long one takes here.

AWS waits 8 minutes unless told otherwise: too short for a model that needs ten, and for
all others as long as it takes until a failure is called one.

Source of the range: API ProductionVariant, ContainerStartupHealthCheckTimeoutInSeconds.
"""

import contextlib
import http.client
import math
import os
import secrets
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from byoi import contract, errors, model_data
from byoi.deployment import waiting
from byoi.deployment.plan import MAX_STARTUP_TIMEOUT_S, MIN_STARTUP_TIMEOUT_S
from byoi.local import docker, processes
from byoi.local.docker import Engine

# A choice, not a measurement: an instance has a cold disk and other processors, and waiting
# too long for a failure costs minutes, too short a deployment.
FACTOR = 10
_STEP_S = 60
# What has not loaded by then is measured no further.
LIMIT_S = 300.0
# Without an engine only the own image, whatever its registry and tag, has a stand-in.
_OWN_IMAGE = "byoi"


def to_timeout_s(load_s: float) -> int:
    """Return the start-up time-out for a measured load time.

    It is `FACTOR` times as long, in whole minutes and within what SageMaker takes.
    """
    wanted_s = math.ceil(load_s * FACTOR / _STEP_S) * _STEP_S
    return min(max(wanted_s, MIN_STARTUP_TIMEOUT_S), MAX_STARTUP_TIMEOUT_S)


def find_timeout_s(
    image_uri: str,
    archive: Path | None,
    environment: Mapping[str, str],
    *,
    progress: waiting.Progress = waiting.silent,
    environ: Mapping[str, str] = os.environ,
) -> int | None:
    """Start the container here once, and return the time-out that follows from it.

    Args:
        image_uri: The image.
        archive: Model data of this machine; None: what is baked into the image.
        environment: Variables of the container.
        progress: Takes the one line that says what was measured.
        environ: Leads to docker.

    Returns:
        Seconds; None where it cannot be measured here, which leaves the time-out to AWS.
    """
    try:
        load_s = measure(image_uri, archive, environment, environ=environ)
    except errors.ByoiError as error:
        cause = str(error).partition("\n")[0]
        progress(f"start-up: not healthy on this machine ({cause}); the time-out is AWS's own")
        return None
    if load_s is None:
        progress("start-up: not measured, the image is not on this machine; AWS's own time-out")
        return None
    timeout_s = to_timeout_s(load_s)
    progress(f"start-up: healthy after {load_s:.1f} s here, so the time-out is {timeout_s} s")
    return timeout_s


def measure(
    image_uri: str,
    archive: Path | None,
    environment: Mapping[str, str],
    *,
    environ: Mapping[str, str] = os.environ,
    limit_s: float = LIMIT_S,
) -> float | None:
    """Return the seconds until /ping answers 200 on this machine.

    The image is run where an engine has it; else this project's own one is stood for by
    its server as processes. None: neither is possible.

    Raises:
        ModelDataError: The archive cannot be unpacked.
        EndpointFailedError: It did not become healthy.
        HostingError: The container did not start.
    """
    engine = Engine(environ)
    has_image = engine.has_image(image_uri)
    is_own = image_uri.rpartition("/")[2].partition("@")[0].partition(":")[0] == _OWN_IMAGE
    if not has_image and not (is_own and archive is not None):
        return None
    with tempfile.TemporaryDirectory(prefix="byoi-startup-") as folder:
        model_dir = Path(folder)
        if archive is not None:
            model_data.unpack(archive, model_dir)
        started_s = time.monotonic()
        if has_image:
            options = [f"--volume={model_dir}:{contract.MODEL_DIR}:ro"] if archive else []
            options += [f"--env={name}={value}" for name, value in environment.items()]
            with _container(engine, image_uri, options, limit_s):
                return time.monotonic() - started_s
        inside = f"{contract.MODEL_DIR}/"
        variables = {
            name: value.replace(inside, f"{model_dir}/", 1) for name, value in environment.items()
        }
        with processes.ProcessStack(model_dir, environ=variables, start_timeout_s=limit_s):
            return time.monotonic() - started_s


@contextlib.contextmanager
def _container(engine: Engine, image: str, options: list[str], limit_s: float) -> Iterator[None]:
    """Start a container, wait until it is healthy, and remove it at the end."""
    name = f"byoi-startup-{secrets.token_hex(4)}"
    owner = f"--label={docker.OWNER_LABEL}={docker.owner()}"
    publish = f"--publish={processes.LOOPBACK}::{contract.PORT}"
    try:
        if reason := engine.run(image, "serve", [f"--name={name}", owner, publish, *options]):
            raise errors.HostingError(reason)
        address = engine.address(name, contract.PORT)
        end_s = time.monotonic() + limit_s
        while address is None or processes.ping(*address) != http.client.OK:
            if engine.state(name).has_ended:
                last = (engine.last_lines(name, 1) or ["it wrote nothing"])[0]
                raise errors.EndpointFailedError(f"the container ended: {last}")
            if time.monotonic() > end_s:
                raise errors.EndpointFailedError(f"/ping was not 200 within {limit_s:g} s")
            time.sleep(0.05)
        yield
    finally:
        engine.remove([name], [])
