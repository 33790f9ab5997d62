"""Waiting for a container to become healthy, and saying why it does not."""

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from byoi import contract, errors
from byoi.local.docker import ContainerState, Engine, plain_lines

_POLL_S = 0.1
# Shown at the end of an error; read, because servers log the pings of this wait.
_LOG_LINES = 15
_LOG_LINES_READ = 500


def ping(url: str) -> str:
    """Return the status of GET /ping as text, or why there was none."""
    try:
        with urllib.request.urlopen(  # noqa: S310 - always http to this machine
            url + contract.PING_PATH, timeout=contract.PING_TIMEOUT_S
        ) as response:
            return str(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return str(error.code)
    except (OSError, http.client.HTTPException) as error:
        return f"no answer ({getattr(error, 'reason', None) or error or type(error).__name__})"


def wait_until_healthy(  # noqa: PLR0913 - one caller, keywords
    container: str,
    url: str,
    *,
    engine: Engine,
    log: Path,
    compose_has_ended: Callable[[], bool],
    timeout_s: float,
) -> None:
    """Return once the running container answers /ping with 200.

    The container is looked at before its port, so that another one on that port can
    never pass for it.

    Args:
        container: Its name.
        url: `http://host:port` where it is published.
        engine: Answers how the container is.
        log: File compose writes to, read for the last lines where there is no container.
        compose_has_ended: Whether compose gave up, for example over a taken port.
        timeout_s: Seconds for /ping to turn 200.

    Raises:
        EndpointFailedError: The container ended, was never started, or did not become
            healthy in time; the message has the cause and the end of its log.
    """
    deadline = time.monotonic() + timeout_s
    answer = "no answer"
    while True:
        is_over = compose_has_ended()
        state = engine.state(container)
        if state.has_ended or is_over:
            cause = _cause(state)
            break
        if state.status == "running":
            answer = ping(url)
            if answer == "200":
                return
        if time.monotonic() > deadline:
            cause = f"did not answer /ping with 200 within {timeout_s:g} s; last: {answer}"
            break
        time.sleep(_POLL_S)
    lines = engine.last_lines(container, _LOG_LINES_READ)
    if not lines and log.exists():
        lines = plain_lines(log.read_text(errors="replace"))
    telling = [line for line in lines if contract.PING_PATH not in line][-_LOG_LINES:]
    ending = "\n".join(f"  {line}" for line in telling) or "  (nothing)"
    raise errors.EndpointFailedError(
        f"the container {cause}\nThe end of its log (all of it in {log}):\n{ending}"
    )


def _cause(state: ContainerState) -> str:
    if state.is_out_of_memory:
        return "was ended by the kernel for lack of memory; give it more, or load a smaller model"
    if state.has_ended:
        return f"ended with exit code {state.exit_code} before it was healthy"
    return f"was not started{': ' + state.error if state.error else ''}"
