"""One serving container on this machine: started, waited for, and removed at the end."""

import contextlib
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

from byoi import contract, errors
from byoi.local import health, orphans, processes
from byoi.local.docker import Engine

# Read to find one line among those of health checks.
_LOG_LINES_READ = 100


@contextlib.contextmanager
def serving(  # noqa: PLR0913 - keywords with a default
    engine: Engine,
    image: str,
    *,
    purpose: str,
    environment: Mapping[str, str] | None = None,
    model_dir: Path | None = None,
    timeout_s: float,
) -> Iterator[str]:
    """Run an image with `serve`, wait until it is healthy, and remove the container at the end.

    Args:
        engine: Has the image; nothing is pulled.
        image: Its name.
        purpose: A part of the container's name.
        environment: Variables of the container.
        model_dir: Mounted read-only at /opt/ml/model; None: what is baked into the image.
        timeout_s: Seconds for /ping to turn 200.

    Yields:
        `http://host:port`, where this machine reaches it.

    Raises:
        EndpointFailedError: It ended, or did not become healthy; the message has its last line.
        HostingError: It did not start.
    """
    name = f"byoi-{purpose}-{secrets.token_hex(4)}"

    def cause_of_end() -> str | None:
        if not engine.state(name).has_ended:
            return None
        last = health.tail(engine.log(name, _LOG_LINES_READ), 1) or ["it wrote nothing"]
        return f"ended: {last[0]}"

    try:
        engine.start(
            image,
            "serve",
            name=name,
            environment=environment,
            labels={orphans.OWNER_LABEL: orphans.owner()},
            mounts={model_dir: contract.MODEL_DIR} if model_dir else {},
            published=contract.PORT,
        )
        # None: it has ended already, which is looked at before the port.
        host, port = engine.address(name, contract.PORT) or (processes.LOOPBACK, 0)
        url = f"http://{host}:{port}"
        cause = health.wait_until_healthy(url, cause_of_end=cause_of_end, timeout_s=timeout_s)
        if cause is not None:
            raise errors.EndpointFailedError(f"the container {cause}")
        yield url
    finally:
        engine.remove([name])
