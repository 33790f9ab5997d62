"""Problems in what a server answers to GET /ping, that waiting does not mend.

Source: DG your-algorithms-inference-code (/ping answers 200 within 2 s).
"""

import contextlib
import re
from http import HTTPStatus

from byoi import contract
from byoi.conformance import nginx
from byoi.conformance.server import Answer, Server
from byoi.conformance.verdict import Broken, NotTested

# Wait longer than the limit, to report how slow /ping is.
_PATIENCE_S = 15.0
_SLOW_PINGS = 3
# Statuses of a server that may still be starting.
STARTING = {
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}
# Statuses that do not change by waiting.
_REFUSED = {
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.MISDIRECTED_REQUEST,
}
_CLOSED = re.compile(r"Remote end closed|Connection (?:reset|aborted)", re.IGNORECASE)
_HOST_TIMEOUT_S = 5.0
_BODY_CHARACTERS = 120
_WITHOUT_ROUTE = {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}


def slow(server: Server) -> Broken | None:
    """Return the problem if /ping is answered, but too late."""
    # Repeated, because some servers, such as gunicorn, accept connections before their workers have
    # loaded the model: the first /ping waits for that, the next ones do not.
    for _ in range(_SLOW_PINGS):
        patient = server.ping(timeout_s=_PATIENCE_S)
        if patient.begun == HTTPStatus.OK:
            return _unfinished(patient)
        if patient.status != HTTPStatus.OK or patient.seconds <= contract.PING_TIMEOUT_S:
            return None
    return Broken(
        f"/ping takes {patient.seconds:.1f} s; the limit is {contract.PING_TIMEOUT_S} s",
        "answer /ping without running the model, from what a background check found last",
    )


def endless(server: Server, answer: Answer) -> Broken | None:
    """Return the problem if an answer with 200 is not complete in time, twice."""
    if answer.begun != HTTPStatus.OK:
        return None
    again = server.ping(timeout_s=contract.PING_TIMEOUT_S)
    # A server with one thread is still busy with the first.
    return None if again.status else _unfinished(again if again.begun else answer)


def _unfinished(answer: Answer) -> Broken:
    """Return the problem that an answer with 200 does not end as it says."""
    return Broken(
        f"GET /ping: {answer.problem}; the limit is {contract.PING_TIMEOUT_S} s",
        "end the body of /ping: a Content-Length of as many bytes as it has, or chunks with the "
        "last one of size 0; an empty body is enough",
    )


def closed(server: Server, answer: Answer) -> Broken | None:
    """Return the problem if connections are accepted and closed, or if an answer is cut.

    A program that passes connections on to a server that still loads closes them, too: so it is
    one that answers another Host, or that says that it does so.
    """
    if answer.begun == HTTPStatus.OK:
        return _unfinished(answer)
    if not is_closed(answer):
        return None
    problem = _wrong_host(server, f"closes the connection without an answer ({answer.problem})")
    if problem is not None:
        return problem
    with contextlib.suppress(NotTested):
        if nginx.closes_without_answer(server.sight.log()):
            return Broken(
                f"nginx closes the connection of /ping without an answer (444): {answer.problem}",
                "answer /ping whatever the Host header and the client are: no `return 444` for "
                "them, server_name _",
            )
    return None


def is_closed(answer: Answer) -> bool:
    """Whether the connection was accepted, and closed without an answer."""
    return not answer.status and not answer.begun and _CLOSED.search(answer.problem) is not None


def _wrong_host(server: Server, seen: str, body: str = "") -> Broken | None:
    """Return the problem if /ping answers 200 with another Host, None if not.

    Args:
        server: The server.
        seen: What /ping does with this Host, as a verb and its object.
        body: The body, as it is shown.
    """
    for host in nginx.hosts(server):
        asked = server.ask(
            "GET", contract.PING_PATH, headers={"Host": host}, timeout_s=_HOST_TIMEOUT_S
        )
        # The server may have got ready meanwhile.
        if asked.status == HTTPStatus.OK and not _is_ready(server):
            shown = host.removesuffix(f":{server.port}")
            return Broken(
                f"GET /ping {seen} with Host: {server.host}, and answers 200 with Host: {shown}"
                f"{body}",
                "answer whatever the Host header is: the platform's is an address; nginx's "
                "server_name _, Django's ALLOWED_HOSTS = ['*']",
            )
    return None


def _is_ready(server: Server) -> bool:
    return server.ping(timeout_s=_HOST_TIMEOUT_S).status == HTTPStatus.OK


def wrong(server: Server, answer: Answer) -> Broken | None:
    """Return the problem if a server that has loaded does not answer /ping with 200.

    While a server loads, any status is allowed. It has loaded if the status of /ping is below 400,
    if waiting does not change that status, or if the server handles requests.
    """
    if not answer.status or answer.status in STARTING:
        return None
    if answer.status in _REFUSED:
        wrong_host = _wrong_host(server, f"answers {answer.status}", _body(answer))
        return wrong_host or wrong_status(answer)
    # A missing route may be added after loading; a failure may be temporary.
    if answer.status >= HTTPStatus.BAD_REQUEST:
        invoked = server.invoke(b"[]", "application/json", timeout_s=_PATIENCE_S)
        if invoked.status in {0, answer.status, *STARTING, *_WITHOUT_ROUTE}:
            return None
    return wrong_status(answer)


def wrong_status(answer: Answer) -> Broken:
    """Return the problem that /ping is not answered with 200."""
    if answer.status in _WITHOUT_ROUTE:
        remedy = "add a route GET /ping that answers 200 when ready"
    else:
        remedy = "answer GET /ping with 200 when ready: no redirect, no login, no other status"
    return Broken(f"GET /ping answers {answer.status}{_body(answer)}", remedy)


def _body(answer: Answer) -> str:
    return f": {answer.text[:_BODY_CHARACTERS]}" if answer.text else ""
