"""Compare answers: of repeated requests, and of requests with changes that must have no effect."""

import concurrent.futures
import math
import re
import time
from collections.abc import Mapping
from http import HTTPStatus

from byoi.conformance.case import Case, Payload
from byoi.conformance.server import Answer, Server
from byoi.conformance.verdict import Broken, NotTested

EMPTY_LIST = Payload(b"[]", "application/json")

# Tolerance: sums of floating-point numbers in another order differ by less.
_RELATIVE, _ABSOLUTE = 1e-3, 1e-6
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_REQUESTS = 24
_AT_ONCE = 4
# Requests are sent only for this time, so that a slow model does not slow down the check.
_SECONDS = 6.0
_PAUSE_S = 0.1
# Statuses of a server that has no handler for a request.
WITHOUT_ROUTE = {
    HTTPStatus.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.NOT_IMPLEMENTED,
}
_NOT_READY = {
    0,
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
    payload = case.given.payload or EMPTY_LIST

    server = case.server()

    def ask() -> Answer:
        return settled(server, payload)[-1]

    return payload, case.remembered("usual", ask)


def require_success(case: Case) -> Answer:
    """Return the answer to the usual request if it is a success.

    Raises:
        NotTested: It is not a success; RT-31 reports the cause.
    """
    _, answer = asked(case)
    if not is_success(answer):
        raise NotTested(f"fix RT-31 first: the payload gets {answer.shown}")
    return answer


def settled(server: Server, payload: Payload) -> list[Answer]:
    """Send a payload repeatedly while the server seems not to be ready, for some seconds.

    Args:
        server: The server.
        payload: The payload.

    Returns:
        All answers; the last one is the valid one.
    """
    started_s = time.monotonic()
    answers = []
    while True:
        answers.append(server.invoke(payload.body, payload.content_type))
        if answers[-1].status not in _NOT_READY or time.monotonic() - started_s > _SECONDS:
            return answers
        time.sleep(_PAUSE_S)


def with_headers(case: Case, headers: Mapping[str, str], named: str) -> Answer:
    """Send the usual request with headers that must not change its status.

    Args:
        case: What the rule is tested on.
        headers: The added headers.
        named: Name of the headers for messages.

    Raises:
        Broken: The status differs from that without the headers.
    """
    payload, before = usual(case)
    answer = case.server().invoke(payload.body, payload.content_type, headers)
    if answer.status != before.status:
        shown = answer.text[:120]
        raise Broken(
            f"with {named} the answer is {answer.shown} instead of {before.shown}: {shown}",
            f"answer a request with {named} as one without: only the model's own code may depend "
            "on it",
        )
    return answer
