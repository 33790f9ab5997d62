"""Compare answers: of repeated requests, and of a server that has just started."""

import concurrent.futures
import math
import re
import time
from dataclasses import dataclass
from http import HTTPStatus

from byoi.conformance.case import Case, Payload
from byoi.conformance.server import Answer, Server
from byoi.conformance.verdict import NotTested

EMPTY_LIST = Payload(b"[]", "application/json")

# Tolerance: sums of floating-point numbers in another order differ by less.
_RELATIVE, _ABSOLUTE = 1e-3, 1e-6
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_REQUESTS = 24
_AT_ONCE = 4
# Requests are sent only for this time, so that a slow model does not slow down the check.
_SECONDS = 6.0
_PAUSE_S, _LATE_PAUSE_S = 0.1, 0.4
# A model that was not loaded is told from errors at random: more failures than these come first,
# and so many successes follow.
_CERTAIN_FAILURES, _MORE = 3, 3
# Statuses of a server that has no handler for a request.
WITHOUT_ROUTE = {
    HTTPStatus.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.NOT_IMPLEMENTED,
}
_NOT_READY = {
    0,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}


def is_success(answer: Answer) -> bool:
    """Whether the status is 2xx."""
    return HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES


def are_alike(one: bytes, other: bytes) -> bool:
    """Whether two bodies are equal except for the last digits of their numbers."""
    if one == other:
        return True
    if _NUMBER.sub(b"0", one) != _NUMBER.sub(b"0", other):
        return False
    pairs = zip(_NUMBER.findall(one), _NUMBER.findall(other), strict=True)
    return all(
        math.isclose(float(first), float(second), rel_tol=_RELATIVE, abs_tol=_ABSOLUTE)
        for first, second in pairs
    )


def repeated(server: Server, payload: Payload) -> list[Answer]:
    """Send a payload over many new connections, some in parallel, so that each worker gets it."""
    started_s = time.monotonic()

    def ask(_: int) -> Answer | None:
        if time.monotonic() - started_s > _SECONDS:
            return None
        return server.invoke(payload.body, payload.content_type)

    with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as threads:
        return [one for one in threads.map(ask, range(_REQUESTS)) if one is not None]


def says_same(one: Answer, other: Answer) -> bool:
    """Whether two answers have the same status and bodies that are alike."""
    return one.status == other.status and are_alike(one.body, other.body)


def kinds_of(answers: list[Answer]) -> list[list[Answer]]:
    """Return groups of equal answers, the largest first."""
    groups: list[list[Answer]] = []
    for answer in answers:
        for group in groups:
            if says_same(group[0], answer):
                group.append(answer)
                break
        else:
            groups.append([answer])
    return sorted(groups, key=len, reverse=True)


def usual(case: Case) -> tuple[Payload, Answer]:
    """Return the user's payload, or an empty list without one, and its answer.

    Raises:
        NotTested: The server is not healthy, or the answer is not useful for comparison.
    """
    payload, answer = asked(case)
    is_redirect = HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST
    if not answer.status or answer.status in WITHOUT_ROUTE or is_redirect:
        raise NotTested(f"fix RT-31 first: /invocations answers {answer.shown}")
    return payload, answer


def asked(case: Case) -> tuple[Payload, Answer]:
    """Return the same as `usual`, but accept any answer.

    Raises:
        NotTested: The server is not healthy.
    """
    return case.given.payload or EMPTY_LIST, opening(case).last


@dataclass(frozen=True)
class Opening:
    """The first answers of a server to the usual request.

    Attributes:
        answers: All answers, until the first one that is valid.
        late_s: Seconds until the valid one.
        is_steady: Whether the answers after it were as good.
    """

    answers: list[Answer]
    late_s: float
    is_steady: bool

    @property
    def first(self) -> Answer:
        """The first answer."""
        return self.answers[0]

    @property
    def last(self) -> Answer:
        """The valid answer."""
        return self.answers[-1]

    @property
    def has_changed(self) -> bool:
        """Whether a failure was followed by a success."""
        return not is_success(self.first) and is_success(self.last)

    @property
    def is_late(self) -> bool:
        """Whether the model certainly was not loaded at first: failures, then only successes."""
        return self.has_changed and self.is_steady and len(self.answers) > _CERTAIN_FAILURES


def opening(case: Case) -> Opening:
    """Return the first answers of the shared server to the usual request, asked for only once.

    Raises:
        NotTested: The server is not healthy.
    """
    server = case.server()
    return case.remembered("usual", lambda: opened(case, server))


def opened(case: Case, server: Server) -> Opening:
    """Return the first answers of a server to the usual request.

    If the model was not loaded at first, later servers are given the time to load it.

    Args:
        case: Has the user's request.
        server: A server whose /ping has just answered 200.
    """
    payload = case.given.payload or EMPTY_LIST
    started_s = time.monotonic()
    # What a model answers to an empty list may be 5xx for ever.
    late_s = case.late_s if case.given.payload else 0.0
    answers = settled(server, payload, late_s)
    taken_s = time.monotonic() - started_s
    is_steady = True
    if len(answers) > 1 and is_success(answers[-1]):
        more = [server.invoke(payload.body, payload.content_type) for _ in range(_MORE)]
        is_steady = all(map(is_success, more))
    found = Opening(answers, taken_s, is_steady)
    if found.is_late:
        limit_s = 2 * taken_s + _SECONDS
        case.settle = lambda server: wait_for_model(server, payload, limit_s)
    return found


def wait_for_model(server: Server, payload: Payload, limit_s: float) -> None:
    """Wait until a server answers a payload with success, or a time limit is reached."""
    started_s = time.monotonic()
    while not is_success(server.invoke(payload.body, payload.content_type)):
        if time.monotonic() - started_s > limit_s:
            return
        time.sleep(_LATE_PAUSE_S)


def require_success(case: Case) -> Answer:
    """Return the answer to the usual request if it is a success.

    Raises:
        NotTested: It is not a success; RT-31 reports the cause.
    """
    _, answer = asked(case)
    if not is_success(answer):
        raise NotTested(f"fix RT-31 first: the payload gets {answer.shown}")
    return answer


def settled(server: Server, payload: Payload, late_s: float = 0.0) -> list[Answer]:
    """Send a payload repeatedly while the server seems not to be ready, for some seconds.

    Args:
        server: The server.
        payload: The payload.
        late_s: Seconds to repeat it while the answer is any 5xx.

    Returns:
        All answers; the last one is the valid one.
    """
    started_s = time.monotonic()
    answers = []
    while True:
        answers.append(server.invoke(payload.body, payload.content_type))
        status, taken_s = answers[-1].status, time.monotonic() - started_s
        is_late = status >= HTTPStatus.INTERNAL_SERVER_ERROR and taken_s < late_s
        is_early = status in _NOT_READY and taken_s < _SECONDS
        if not is_late and not is_early:
            return answers
        time.sleep(_PAUSE_S if taken_s < 1 else _LATE_PAUSE_S)
