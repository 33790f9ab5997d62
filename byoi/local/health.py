"""Health checks: send GET /ping as the platform does, and wait until it answers 200.

Source: DG your-algorithms-inference-code (/ping must answer 200 within 2 s).
"""

import http.client
import re
import time
from collections.abc import Callable

from byoi import contract, proxies

_POLL_S = 0.02
_HEALTHY = str(int(http.client.OK))
_TERMINAL_CODES = re.compile(r"\x1b\[[0-9;]*m")
# A health check in the access logs of this and other servers, in plain text and in JSON.
_HEALTH_CHECK = re.compile(r'GET /ping |"path": ?"/ping"')
# A line of an error log that names the request: nginx writes `[error]` and the whole first line.
_ERROR = re.compile(r"\[(?:warn|error|crit|alert|emerg)\]|\b(?:ERROR|CRITICAL)\b|Error\b")


def ping(url: str) -> str:
    """Return the status of GET /ping as text, or why there was none.

    Proxies of the environment are not used: the container is on this machine.

    Args:
        url: `http://host:port` of the container.
    """
    try:
        answer = proxies.exchange(
            "GET", url.rstrip("/") + contract.PING_PATH, timeout_s=contract.PING_TIMEOUT_S
        )
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or error or type(error).__name__
        return f"no answer ({reason})"
    return str(answer.status)


def is_healthy(url: str) -> bool:
    """Whether /ping answers 200 now."""
    return ping(url) == _HEALTHY


def wait_until_healthy(  # noqa: PLR0913 - keywords with a default
    url: str,
    *,
    cause_of_end: Callable[[], str | None],
    timeout_s: float,
    may_ping: Callable[[], bool] = lambda: True,
    pause: Callable[[float], object] = time.sleep,
    poll_s: float = _POLL_S,
) -> str | None:
    """Wait until /ping answers 200.

    Args:
        url: `http://host:port` of the container or process.
        cause_of_end: Returns why it ended, None while it runs; called before each health check, so
            that another server on the same port is not taken for it.
        timeout_s: Seconds until /ping must answer 200.
        may_ping: Returns whether it already owns its port.
        pause: Waits a number of seconds; `threading.Event.wait` can end the wait early.
        poll_s: Seconds between two health checks.

    Returns:
        None when it is healthy, else the reason why it is not.
    """
    end_s = time.monotonic() + timeout_s
    answer = "no answer"
    while (cause := cause_of_end()) is None:
        if may_ping():
            answer = ping(url)
            if answer == _HEALTHY:
                return None
        if time.monotonic() > end_s:
            return f"did not answer /ping with 200 within {timeout_s:g} s; last: {answer}"
        pause(poll_s)
    return cause


def is_health_check(line: str) -> bool:
    """Whether a log line is about a health check, and not about an error in one."""
    return _HEALTH_CHECK.search(line) is not None and _ERROR.search(line) is None


def plain_lines(text: str) -> list[str]:
    """Return the lines of a terminal's output without colours, and without blank lines."""
    lines = (_TERMINAL_CODES.sub("", line).rstrip() for line in text.splitlines())
    return [line for line in lines if line]


def tail(log: str, lines: int) -> list[str]:
    """Return the last lines of a log, without colours, blank lines and health checks."""
    return [line for line in plain_lines(log) if not is_health_check(line)][-lines:]
