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
    server = case.server()
    payload, before = comparing.usual(case)
    problem = ""
    for _ in range(_ATTEMPTS):
        try:
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
                if second.status:
                    _require_same(case, second, "the second request on a connection")
                    return _used_after_refusal(case, server, connection, payload)
                problem = second.shown
        except OSError as error:
            raise NotTested(f"fix RT-24 first: a connection fails: {error}") from error
    if not comparing.is_success(before):
        return f"a connection is closed after {before.status}, which does not say so"
    bodies.require_unchanged(case)
    raise Broken(
        f"a kept connection is closed a moment after its answer, which does not say `Connection: "
        f"close`: the next request on it gets {problem}",
        "keep the connection for the next request, or answer with Connection: close; the platform "
        "sends no POST again",
    )


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
    where = f"its Content-Length of {length} B" if length else "the last chunk"
    raise Broken(
        f"{len(rest.data)} bytes follow {where}: {rest.data[:_SHOWN_BYTES]!r}",
        "let Content-Length be the number of bytes of the body, not of its characters, and send "
        "nothing after it: the next answer on the connection begins there",
    )


def _require_same(case: Case, answer: Answer, named: str) -> None:
    _, before = comparing.usual(case)
    if answer.status == before.status:
        return
    bodies.require_unchanged(case)
    raise Broken(
        f"{named} gets {answer.shown} instead of {before.shown}: {answer.text[:120]}",
        "read each request to its end, as its Content-Length says, before the next one, also "
        "where it is refused",
    )


def _used_after_refusal(
    case: Case, server: Server, connection: Connection, payload: Payload
) -> str:
    """Send a request that most models refuse, then the payload again, over the same connection."""
    shown = f"a second request on a connection is answered with {comparing.usual(case)[1].status}"
    if not connection.is_kept or connection.rest().is_closed:
        return shown
    refused = _answer(connection, invocation(server, _REFUSED))
    if not refused.status or not connection.is_kept:
        return shown
    rest = connection.rest()
    if rest.data:
        bodies.require_unchanged(case)
        raise Broken(
            f"after a request that is refused with {refused.status}, its body is answered as a "
            f"request of its own: {rest.data[:_SHOWN_BYTES]!r}",
            "read the body of each request, also where it is refused, or close the connection "
            "with Connection: close",
        )
    if rest.is_closed:
        return shown
    third = _answer(connection, invocation(server, payload))
    if third.status:
        named = f"after a request that is refused with {refused.status}, the payload"
        _require_same(case, third, named)
    return shown
