"""Run one serving container on this machine, and remove it afterwards."""

import contextlib
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

from byoi import contract, errors
from byoi.local import health, orphans, processes
from byoi.local.docker import Engine

# Number of log lines to read: most of them may be health checks.
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
        engine: The engine that has the image; nothing is pulled.
        image: Name of the image.
        purpose: A part of the container's name.
        environment: Variables of the container.
        model_dir: Mounted read-only at /opt/ml/model; None for a model in the image.
        timeout_s: Seconds until /ping must answer 200.

    Yields:
        `http://host:port`, the address of the container for this machine.

    Raises:
        EndpointFailedError: The container ended or did not become healthy; the message has the
            last line of its log.
        HostingError: The container did not start.
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
        # None if it has already ended, which `wait_until_healthy` notices before it uses the port.
        host, port = engine.address(name, contract.PORT) or (processes.LOOPBACK, 0)
        url = f"http://{host}:{port}"
        cause = health.wait_until_healthy(url, cause_of_end=cause_of_end, timeout_s=timeout_s)
        if cause is not None:
            raise errors.EndpointFailedError(f"the container {cause}")
        yield url
    finally:
        engine.remove([name])
