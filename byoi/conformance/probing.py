"""The requests that tell whether a server still works under conditions that are not its usual ones.

What a model does with a request that was not made for it is its own affair, also a 500. So what
counts is the difference to the shared server, which runs under the usual conditions.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from byoi import contract
from byoi.conformance import comparing
from byoi.conformance.case import Case, Payload
from byoi.conformance.server import ANSWER_TIMEOUT_S, Answer, Server
from byoi.conformance.verdict import NotTested

_JSON = "application/json"
_ANYTHING = (Payload(b"[]", _JSON), Payload(b"", _JSON), Payload(b"\x00", "application/x-junk"))
# A log comes a moment after what it tells of.
_LOG_WAIT_S = 2.0
_QUIET_S = 0.5
_POLL_S = 0.1


def payloads(case: Case) -> list[Payload]:
    """Return the user's request, where there is one, and some that fit no model."""
    return [*([case.given.payload] if case.given.payload else []), *_ANYTHING]


def answers(case: Case, server: Server, *, timeout_s: float = ANSWER_TIMEOUT_S) -> list[Answer]:
    """Return what a server answers to `payloads`.

    Args:
        case: Has the user's request.
        server: Is asked.
        timeout_s: Seconds for each step of an exchange.
    """
    return [
        server.invoke(one.body, one.content_type, timeout_s=timeout_s) for one in payloads(case)
    ]


@dataclass(frozen=True)
class Usual:
    """What the shared server made of `payloads`.

    Attributes:
        answers: One for each.
        told: What their bodies say and, where one is a failure, what the log says meanwhile:
            before, it may have told of things that it does without.
    """

    answers: list[Answer]
    told: str

    @property
    def failures(self) -> list[Answer]:
        """Those at which it failed."""
        return [one for one in self.answers if is_failure(one)]


def usual(case: Case) -> Usual:
    """Return what the shared server makes of `payloads`; it is asked once.

    Raises:
        NotTested: It is not healthy, or has no /invocations.
    """

    def ask() -> Usual:
        _, answer = comparing.asked(case)
        # What hangs is not waited for again.
        if answer.status in comparing.WITHOUT_ROUTE or answer.seconds >= ANSWER_TIMEOUT_S:
            raise NotTested(f"fix RT-31 first: /invocations answers {answer.shown}")
        server = case.server()
        length = len(log_of(server))
        found = answers(case, server)
        told = "\n".join(one.text for one in found)
        if any(map(is_failure, found)):
            told += f"\n{_settled_log(server)[length:]}"
        return Usual(found, told)

    return case.remembered("usual answers", ask)


def is_failure(answer: Answer) -> bool:
    """Whether a server failed at a request: it did not answer, or with 5xx."""
    return not answer.status or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR


def first_worse(case: Case, server: Server) -> Answer | None:
    """Return the first answer that is a failure where the shared server's is not, None for none.

    Raises:
        NotTested: The shared server is not healthy.
    """
    pairs = zip(usual(case).answers, answers(case, server), strict=True)
    return next((new for old, new in pairs if is_failure(new) and not is_failure(old)), None)


def wait_for_log(server: Server, find: Callable[[str], object]) -> bool:
    """Wait a moment until a log has what is looked for, and say whether it has.

    Args:
        server: Wrote the log.
        find: Takes the log; true once it is there.
    """
    deadline_s = time.monotonic() + _LOG_WAIT_S
    while True:
        if find(log_of(server)):
            return True
        if time.monotonic() > deadline_s:
            return False
        time.sleep(_POLL_S)


def _settled_log(server: Server) -> str:
    """Return a log once nothing has come for a moment."""
    deadline_s = time.monotonic() + _LOG_WAIT_S
    log, quiet_s = log_of(server), time.monotonic()
    while time.monotonic() < min(deadline_s, quiet_s + _QUIET_S):
        time.sleep(_POLL_S)
        if (newer := log_of(server)) != log:
            log, quiet_s = newer, time.monotonic()
    return log


def log_of(server: Server) -> str:
    """Return what a server wrote, "" where that cannot be seen."""
    try:
        return server.sight.log()
    except NotTested:
        return ""


def first_state(server: Server, limit_s: float) -> tuple[Answer, int | None]:
    """Wait until a server answers /ping in any way, or has ended.

    Args:
        server: Was started just now.
        limit_s: Seconds to wait.

    Returns:
        What /ping was answered last, and the exit status, None while it runs.
    """
    deadline_s = time.monotonic() + limit_s
    while True:
        answer = server.ping(timeout_s=contract.PING_TIMEOUT_S)
        code = server.sight.exit_code()
        if answer.status or code is not None or time.monotonic() > deadline_s:
            return answer, code
        time.sleep(_POLL_S)
