"""Requests that show whether a server still works under unusual conditions.

A model may answer a request that does not fit it in any way, even with 500. So only a difference to
the shared server, which runs under the usual conditions, counts.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from byoi import contract
from byoi.conformance import comparing, controls
from byoi.conformance.case import Case, Payload
from byoi.conformance.server import ANSWER_TIMEOUT_S, Answer, Server
from byoi.conformance.verdict import NotTested

_JSON = "application/json"
_ANYTHING = (Payload(b"[]", _JSON), Payload(b"", _JSON), Payload(b"\x00", "application/x-junk"))
# A log line may come a moment after its event.
_LOG_WAIT_S = 2.0
_QUIET_S = 0.5
_HANGS_S = 10.0
_POLL_S = 0.1
# Time between the end of a connection and the end of the process.
_END_S, _END_POLL_S = 2.0, 0.05


def payloads(case: Case) -> list[Payload]:
    """Return the user's request, if there is one, and some that fit no model."""
    return [*([case.given.payload] if case.given.payload else []), *_ANYTHING]


def answers(case: Case, server: Server, *, timeout_s: float = ANSWER_TIMEOUT_S) -> list[Answer]:
    """Return a server's answers to `payloads`.

    Args:
        case: Has the user's request.
        server: The server.
        timeout_s: Seconds for each step of an exchange.
    """
    return [
        server.invoke(one.body, one.content_type, timeout_s=timeout_s) for one in payloads(case)
    ]


@dataclass(frozen=True)
class Usual:
    """The shared server's answers to `payloads`.

    Attributes:
        answers: One answer for each payload.
        told: Texts of the bodies and, if an answer is a failure, the log lines written meanwhile.
            Earlier lines may be about problems that the server can handle.
    """

    answers: list[Answer]
    told: str

    @property
    def failures(self) -> list[Answer]:
        """The answers that are failures."""
        return [one for one in self.answers if is_failure(one)]


def usual(case: Case) -> Usual:
    """Return the shared server's answers to `payloads`, which are sent only once.

    Raises:
        NotTested: The server is not healthy, or does not answer /invocations.
    """

    def ask() -> Usual:
        _, answer = comparing.asked(case)
        # Do not wait again for a server that hangs.
        if answer.status in comparing.WITHOUT_ROUTE or answer.seconds >= ANSWER_TIMEOUT_S:
            raise NotTested(f"fix RT-31 first: /invocations answers {answer.shown}")
        server = case.server()
        length = len(log_of(server))
        found = answers(case, server)
        told = "\n".join(one.text for one in found)
        if any(map(is_failure, found)):
            told += f"\n{_settled_log(server)[length:]}"
        controls.require_sound(case, "requests that fit no model")
        return Usual(found, told)

    return case.remembered("usual answers", ask)


def is_failure(answer: Answer) -> bool:
    """Whether a server failed at a request: no answer, or 5xx."""
    return not answer.status or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR


def first_worse(case: Case, server: Server) -> Answer | None:
    """Return the first failure where the shared server's answer is not a failure, else None.

    Raises:
        NotTested: The shared server is not healthy, or it fails now and then, too.
    """
    rows = zip(payloads(case), usual(case).answers, answers(case, server), strict=True)
    for payload, old, new in rows:
        if not is_failure(new) or is_failure(old):
            continue
        # A server that has ended, or that hangs, gives no other answer.
        if server.sight.exit_code() is not None or new.seconds >= _HANGS_S:
            return new
        again = server.invoke(payload.body, payload.content_type)
        if not is_failure(again):
            raise NotTested(f"fix RT-31 first: a request gets {new.shown}, and then {again.shown}")
        return again
    return None


def wait_for_log(server: Server, find: Callable[[str], object]) -> bool:
    """Wait for a short time until `find` is true for the log; return whether it is.

    Args:
        server: The server that writes the log.
        find: Gets the log; returns whether it has the expected content.
    """
    deadline_s = time.monotonic() + _LOG_WAIT_S
    while True:
        if find(log_of(server)):
            return True
        if time.monotonic() > deadline_s:
            return False
        time.sleep(_POLL_S)


def _settled_log(server: Server) -> str:
    """Return the log after it has not changed for a moment."""
    deadline_s = time.monotonic() + _LOG_WAIT_S
    log, quiet_s = log_of(server), time.monotonic()
    while time.monotonic() < min(deadline_s, quiet_s + _QUIET_S):
        time.sleep(_POLL_S)
        if (newer := log_of(server)) != log:
            log, quiet_s = newer, time.monotonic()
    return log


def log_of(server: Server) -> str:
    """Return a server's log, "" if it cannot be seen."""
    try:
        return server.sight.log()
    except NotTested:
        return ""


def first_state(server: Server, limit_s: float) -> tuple[Answer, int | None]:
    """Wait until a server answers /ping in any way, or has ended.

    Args:
        server: A server that was just started.
        limit_s: Seconds to wait.

    Returns:
        The last answer to /ping, and the exit status, None while it runs.
    """
    deadline_s = time.monotonic() + limit_s
    while True:
        answer = server.ping(timeout_s=contract.PING_TIMEOUT_S)
        code = server.sight.exit_code()
        if answer.status or code is not None or time.monotonic() > deadline_s:
            return answer, code
        time.sleep(_POLL_S)


def end_of(server: Server) -> int | None:
    """Return the exit status of a server that may be about to end, None if it still runs."""
    until_s = time.monotonic() + _END_S
    while (code := server.sight.exit_code()) is None and time.monotonic() < until_s:
        time.sleep(_END_POLL_S)
    return code
