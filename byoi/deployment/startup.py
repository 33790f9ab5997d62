"""The start-up time-out of an endpoint, from the time a container takes to start here.

AWS waits 8 minutes by default: too short for a model that takes ten to load, and for all others
the time that passes before a failure is reported.

Source of the range: API ProductionVariant, ContainerStartupHealthCheckTimeoutInSeconds.
"""

import contextlib
import math
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from byoi import errors, model_data
from byoi.deployment import waiting
from byoi.deployment.plan import MAX_STARTUP_TIMEOUT_S, MIN_STARTUP_TIMEOUT_S
from byoi.local import containers, processes
from byoi.local.docker import Engine

# A choice, not a measurement: an instance has a cold disk and other processors, and waiting
# too long for a failure costs minutes, too short a deployment.
FACTOR = 10
_STEP_S = 60
# The measurement is given up after this time.
LIMIT_S = 300.0


def to_timeout_s(load_s: float) -> int:
    """Return the start-up time-out for a measured load time, both in seconds.

    It is `FACTOR` times as long, in whole minutes and within SageMaker's range.
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
    """Start the container once on this machine, and return a time-out that suits it.

    Args:
        image_uri: The image.
        archive: Model data of this machine, packed or not; None: what is baked into the image.
        environment: Variables of the container.
        progress: Takes one line with the result.
        environ: Leads to the container engine.

    Returns:
        Seconds; None if the start cannot be measured here: AWS's default applies.
    """
    try:
        load_s = measure(image_uri, archive, environment, environ=environ)
    except errors.ByoiError as error:
        cause = str(error).partition("\n")[0]
        progress(f"start-up: not healthy on this machine ({cause}); using AWS's default time-out")
        return None
    if load_s is None:
        progress(
            "start-up: not measured, the image is not on this machine; using AWS's default time-out"
        )
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

    The image is run if a container engine has it; otherwise, if it is this project's image, the
    server runs as processes. None: neither is possible.

    Raises:
        ModelDataError: The archive cannot be unpacked.
        EndpointFailedError: It did not become healthy.
        HostingError: The container did not start.
    """
    engine = Engine(environ)
    has_image = engine.has_image(image_uri)
    if not has_image and not (processes.is_own_image(image_uri) and archive is not None):
        return None
    with _unpacked(archive) as model_dir:
        server: contextlib.AbstractContextManager[object] = (
            containers.serving(
                engine,
                image_uri,
                purpose="startup",
                environment=environment,
                model_dir=model_dir if archive else None,
                timeout_s=limit_s,
            )
            if has_image
            else processes.ProcessStack(model_dir, environ=environment, start_timeout_s=limit_s)
        )
        started_s = time.monotonic()
        with server:
            return time.monotonic() - started_s


@contextlib.contextmanager
def _unpacked(archive: Path | None) -> Iterator[Path]:
    """Supply the directory of model data; an empty one where there is none."""
    if archive is not None and archive.is_dir():
        yield archive
        return
    with tempfile.TemporaryDirectory(prefix="byoi-startup-") as folder:
        if archive is not None:
            model_data.unpack(archive, Path(folder))
        yield Path(folder)
