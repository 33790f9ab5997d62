"""The user's slow payload: sent once for all rules, to a separate server, which it may break."""

import re
from dataclasses import dataclass
from http import HTTPStatus

from byoi.conformance import log_lines, probing
from byoi.conformance.case import Case
from byoi.conformance.comparing import is_success
from byoi.conformance.server import Answer
from byoi.conformance.verdict import Broken

# Log lines of gunicorn, uWSGI, nginx and multi-model-server when a time-out ends a worker.
_KILLED = re.compile(
    r"WORKER TIMEOUT|HARAKIRI|upstream timed out|upstream prematurely closed|"
    r"Worker \(pid:\d+\) was sent SIG|workers? (?:was |were )?killed|worker timed out",
    re.IGNORECASE,
)
# The line of nginx when its own time-out ended the request, and the worker goes on.
_PROXY_TIMED_OUT = re.compile("upstream timed out", re.IGNORECASE)
# A model that refuses the payload answers sooner.
_AT_ONCE_S = 2.0
_OF_A_PROXY = {0, HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT}
_REMEDY = (
    "raise the time-out of the server to 60 s or more: gunicorn's --timeout, which is 30 s by "
    "default, and nginx's proxy_read_timeout"
)
_PROXY_REMEDY = "set proxy_read_timeout in nginx's configuration to 60 s or more"


@dataclass(frozen=True)
class SlowRun:
    """The run of the slow payload.

    Attributes:
        answer: The answer.
        log: The server's log until then, "" if it cannot be seen.
    """

    answer: Answer
    log: str


def run(case: Case) -> SlowRun:
    """Send the slow payload to a server without other requests; it is sent only once.

    Raises:
        NotTested: There is no slow payload, or the server is not healthy.
    """
    payload = case.slow_payload()
    case.server()

    def ask() -> SlowRun:
        with case.launched() as server:
            answer = server.invoke(payload.body, payload.content_type)
            return SlowRun(answer, probing.log_of(server))

    return case.remembered("slow", ask)


def killed(found: SlowRun) -> Broken | None:
    """Return the problem if a time-out of the server ended the request before the platform's.

    Args:
        found: A run of the slow payload.
    """
    answer = found.answer
    if is_success(answer) or answer.seconds < _AT_ONCE_S:
        return None
    line = log_lines.first(_KILLED, found.log)
    if not line and answer.status not in _OF_A_PROXY:
        return None
    shown = f"; its log: {line[:160]}" if line else ""
    if answer.status == HTTPStatus.GATEWAY_TIMEOUT and _PROXY_TIMED_OUT.search(line):
        return Broken(
            f"the slow payload gets {answer.shown} after {answer.seconds:.1f} s from nginx, which "
            f"waits no longer for the server behind it; the limit is 60 s{shown}",
            _PROXY_REMEDY,
        )
    return Broken(
        f"the slow payload gets {answer.shown} after {answer.seconds:.1f} s: its worker was "
        f"killed by its own server's timeout; the limit is 60 s{shown}",
        _REMEDY,
    )
