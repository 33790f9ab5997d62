"""Requests over one kept connection, as the platform's client sends them.

Source: RFC 9112, sections 6.2 (not both Content-Length and Transfer-Encoding), 6.3 (where a body
ends) and 9.6 (`Connection: close`).
"""

from byoi.conformance import bodies, comparing
from byoi.conformance.case import Case, Payload
from byoi.conformance.connections import Connection, Rest, invocation, opened
from byoi.conformance.server import Answer, Server
from byoi.conformance.verdict import Broken, NotTested

# If it is chance that a connection ends, such as with a worker, another one does not.
_ATTEMPTS = 3
# Read as a request of its own, it is answered at once.
_REFUSED = Payload(b"byoi-check\r\n\r\n", "application/x-byoi-unknown")
_SHOWN_BYTES = 40


def used(case: Case) -> str:
    """Return how requests over one connection are answered.

    Raises:
        Broken: Otherwise than over several, or an answer does not end where its headers say.
        NotTested: The request is not answered.
    """
    _, before = comparing.usual(case)
    problem = ""
    for _ in range(_ATTEMPTS):
        try:
            found = _used_once(case)
        except OSError as error:
            raise NotTested(f"fix RT-24 first: a connection fails: {error}") from error
        except Broken:
            # The connection is closed by now: a server may have one at a time.
            bodies.require_unchanged(case)
            raise
        if isinstance(found, str):
            return found
        problem = found.shown
    if not comparing.is_success(before):
        return f"a connection is closed after {before.status}, which does not say so"
    bodies.require_unchanged(case)
    raise Broken(
        f"a kept connection is closed a moment after its answer, which does not say `Connection: "
        f"close`: the next request on it gets {problem}",
        "keep the connection for the next request, or answer with Connection: close; the platform "
        "sends no POST again",
    )


def _used_once(case: Case) -> str | Answer:
    """Return how requests over a connection are answered, or that the second has no answer.

    Raises:
        Broken: As of `used`.
        NotTested: The first request has no answer.
        OSError: The connection is not accepted.
    """
    server = case.server()
    payload, before = comparing.usual(case)
    with opened(server) as connection:
        first = _answer(connection, invocation(server, payload))
        if not first.status:
            raise NotTested(f"fix RT-31 first: the payload gets {first.shown}")
        _require_one_length(connection)
        rest = connection.rest()
        _require_end(first, rest)
        if not connection.is_kept:
            return "each connection is closed after its answer, which says so"
        if rest.is_closed:
            return "each connection is closed with its answer, which does not say so"
        second = _answer(connection, invocation(server, payload))
        if not second.status:
            return second
        _require_same(before, second, "the second request on a connection")
        _require_refused_read(server, connection, payload, before)
    return f"a second request on a connection is answered with {second.status}"


def _answer(connection: Connection, request: bytes) -> Answer:
    connection.send(request)
    return connection.answer()


def _require_one_length(connection: Connection) -> None:
    """Require one header with the length of a body.

    Raises:
        Broken: There are more, which may differ.
    """
    lengths = list(dict.fromkeys(connection.lengths))
    if len(lengths) > 1:
        names = " and ".join(dict.fromkeys(name for name, _ in lengths))
        shown = ", ".join(f"{name}: {value}" for name, value in lengths)
        raise Broken(
            f"an answer has {names} {'together' if ' and ' in names else 'twice'}: {shown}",
            "answer with one Content-Length, or with Transfer-Encoding: chunked alone: let the "
            "server's framework set them",
        )


def _require_end(answer: Answer, rest: Rest) -> None:
    if not rest.data:
        return
    length = answer.headers.get("content-length")
    where = f"its Content-Length of {length} B" if length else "the end of an answer"
    raise Broken(
        f"{len(rest.data)} bytes follow {where}: {rest.data[:_SHOWN_BYTES]!r}",
        "let Content-Length be the number of bytes of the body, not of its characters, and send "
        "nothing after it: the next answer on the connection begins there",
    )


def _require_same(before: Answer, answer: Answer, named: str) -> None:
    if answer.status == before.status:
        return
    raise Broken(
        f"{named} gets {answer.shown} instead of {before.shown}: {answer.text[:120]}",
        "read each request to its end, as its Content-Length says, before the next one, also "
        "where it is refused",
    )


def _require_refused_read(
    server: Server, connection: Connection, payload: Payload, before: Answer
) -> None:
    """Send a request that most models refuse, then the payload again, over the same connection.

    Raises:
        Broken: The body of the first one is taken for a request.
    """
    if not connection.is_kept or connection.rest().is_closed:
        return
    refused = _answer(connection, invocation(server, _REFUSED))
    if not refused.status or not connection.is_kept:
        return
    rest = connection.rest()
    if rest.data:
        raise Broken(
            f"after a request that is refused with {refused.status}, its body is answered as a "
            f"request of its own: {rest.data[:_SHOWN_BYTES]!r}",
            "read the body of each request, also where it is refused, or close the connection "
            "with Connection: close",
        )
    if rest.is_closed:
        return
    third = _answer(connection, invocation(server, payload))
    if third.status:
        named = f"after a request that is refused with {refused.status}, the payload"
        _require_same(before, third, named)
