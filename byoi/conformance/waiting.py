"""The wait until a server is healthy, which ends early where it can be seen that it will not be.

Source: DG your-algorithms-inference-code (/ping answers 200 within 2 s, 8 minutes after the start
at the latest; the server listens on 0.0.0.0:8080).
"""

import contextlib
import time
from collections.abc import Callable
from http import HTTPStatus

from byoi import contract
from byoi.conformance import causes, log_lines
from byoi.conformance.server import Answer, Listener, Server
from byoi.conformance.verdict import Broken, NotTested

_POLL_S = 0.1
# What stays so for this share of the wait is no step on the way to a server that answers.
_SETTLED_SHARE = 0.1
# What a slow /ping is given to tell how slow it is.
_PATIENCE_S = 15.0
_SLOW_PINGS = 3
# Of a server that is about to answer otherwise.
_STARTING = {
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}
# What does not pass by waiting.
_REFUSED = {
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.MISDIRECTED_REQUEST,
}
_BODY_CHARACTERS = 120
_WITHOUT_ROUTE = {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}
_RESOLVER = "127.0.0.11"


def wait_until_healthy(
    server: Server,
    limit_s: float,
    *,
    explain_end: Callable[[Server], Broken],
    port: int = contract.PORT,
) -> Broken | None:
    """Wait until /ping answers 200 within its limit.

    Args:
        server: Was started just now; its `ready_s` is set when it is healthy.
        limit_s: Seconds to wait.
        explain_end: Returns why it ended; called where it has.
        port: Where it is to listen.

    Returns:
        None once it is healthy, else the cause why it is not.
    """
    started_s = time.monotonic()
    settled = _Settled()
    while True:
        if server.sight.exit_code() is not None:
            return explain_end(server)
        answer = server.ping(timeout_s=contract.PING_TIMEOUT_S)
        waited_s = time.monotonic() - started_s
        if answer.status == HTTPStatus.OK:
            server.ready_s = waited_s if server.sight.sees_start else None
            return None
        if answer.seconds >= contract.PING_TIMEOUT_S and (slow := slow_ping(server)):
            return slow
        if settled.seconds(_state(answer)) > _SETTLED_SHARE * limit_s:
            settled.restart()
            if problem := _wrong_ping(server, answer) or _wrong_place(server, answer, port):
                return problem
        if waited_s > limit_s:
            return _gave_up(server, answer, limit_s, port)
        time.sleep(_POLL_S)


class NotReady(Broken):
    """The server did not become healthy, and nothing tells why."""


class _Settled:
    """How long something has stayed the same."""

    def __init__(self) -> None:
        self._state = ""
        self._since_s = time.monotonic()

    def seconds(self, state: str) -> float:
        if state != self._state:
            self._state = state
            self.restart()
        return time.monotonic() - self._since_s

    def restart(self) -> None:
        self._since_s = time.monotonic()


def _state(answer: Answer) -> str:
    return f"{answer.status} {answer.problem}"


def slow_ping(server: Server) -> Broken | None:
    """Return the cause where /ping answers, and too late."""
    # gunicorn, for example, takes connections before its workers have loaded: they wait then, and
    # once they are answered the next one is, too.
    for _ in range(_SLOW_PINGS):
        patient = server.ping(timeout_s=_PATIENCE_S)
        if patient.status != HTTPStatus.OK or patient.seconds <= contract.PING_TIMEOUT_S:
            return None
    return Broken(
        f"/ping takes {patient.seconds:.1f} s; the limit is {contract.PING_TIMEOUT_S} s",
        "answer /ping without running the model, from what a background check found last",
    )


def _wrong_ping(server: Server, answer: Answer) -> Broken | None:
    """Return the cause where a server that serves answers /ping otherwise than with 200.

    While it loads, it may answer as it likes. But what says that it is well, or handles requests,
    has loaded.
    """
    if not answer.status or answer.status in _STARTING:
        return None
    if answer.status in _REFUSED:
        local = {"Host": f"localhost:{server.port}"}
        if server.ask("GET", contract.PING_PATH, headers=local).status == HTTPStatus.OK:
            return Broken(
                f"GET /ping answers {answer.status} with Host: {server.host}, and 200 with Host: "
                f"localhost{_body(answer)}",
                "answer whatever the Host header is: the platform's is an address",
            )
        return wrong_status(answer)
    # One that is not there may come with the model; a failure may pass.
    if answer.status >= HTTPStatus.BAD_REQUEST:
        invoked = server.invoke(b"[]", "application/json", timeout_s=_PATIENCE_S)
        if invoked.status in {0, answer.status, *_STARTING, *_WITHOUT_ROUTE}:
            return None
    return wrong_status(answer)


def wrong_status(answer: Answer) -> Broken:
    """Return that /ping is not answered with 200."""
    if answer.status in _WITHOUT_ROUTE:
        remedy = "add a route GET /ping that answers 200 when ready"
    else:
        remedy = "answer GET /ping with 200 when ready: no redirect, no login, no other status"
    return Broken(f"GET /ping answers {answer.status}{_body(answer)}", remedy)


def _body(answer: Answer) -> str:
    return f": {answer.text[:_BODY_CHARACTERS]}" if answer.text else ""


def _wrong_place(server: Server, answer: Answer, port: int) -> Broken | None:
    """Return the cause where the server listens elsewhere."""
    if answer.status:
        return None
    try:
        listeners = server.sight.listeners()
    except NotTested:
        return None
    here = [one for one in listeners if one.port == port]
    if here or any(_is_the_server(server, one) for one in listeners):
        return wrong_listeners(listeners, port) or _ipv6_only(here, answer)
    # A helper, while the server still loads.
    return None


def _is_the_server(server: Server, listener: Listener) -> bool:
    """Whether it is the server that listens there: it answers /ping, or its log says so."""
    if listener.address == _RESOLVER:
        return False
    with contextlib.suppress(NotTested):
        # As gunicorn, uvicorn, Flask and others write it.
        if f"http://{listener}" in server.sight.log():
            return True
    elsewhere = Server(server.host, listener.port, server.sight)
    return (
        not listener.is_loopback
        and elsewhere.ping(timeout_s=contract.PING_TIMEOUT_S).status == HTTPStatus.OK
    )


def _ipv6_only(here: list[Listener], answer: Answer) -> Broken | None:
    """Return the cause where a socket of IPv6 refuses what comes over IPv4."""
    if not here or not all(one.is_ipv6 for one in here):
        return None
    return Broken(
        f"it listens on {here[0]} for IPv6 only: over IPv4 there is no answer ({answer.problem})",
        f"bind to 0.0.0.0:{here[0].port}, or let the socket take IPv4, too: IPV6_V6ONLY is 0",
    )


def wrong_listeners(listeners: list[Listener], port: int) -> Broken | None:
    """Return the cause where nothing listens on all interfaces at a port, but something elsewhere.

    Args:
        listeners: The sockets that take connections.
        port: Where the server is to listen.
    """
    here = [one for one in listeners if one.port == port]
    if any(not one.is_loopback for one in here):
        return None
    if here:
        return Broken(
            f"it listens on {here[0]} only, which the platform cannot reach",
            f"bind to 0.0.0.0:{port} instead of {here[0]}",
        )
    # Docker's own resolver listens in each network of a user's.
    others = [one for one in listeners if one.address != _RESOLVER]
    if others:
        shown = ", ".join(sorted({str(one) for one in others}))
        return Broken(
            f"nothing listens on port {port}; it listens on {shown}",
            f"listen on 0.0.0.0:{port}",
        )
    return None


def _gave_up(server: Server, answer: Answer, limit_s: float, port: int) -> Broken:
    log, listeners = "", None
    with contextlib.suppress(NotTested):
        log = server.sight.log()
        if server.sight.is_out_of_memory():
            return causes.out_of_memory(log)
        listeners = server.sight.listeners()
    if problem := causes.problem_in_log(log):
        return problem
    if not answer.status and (problem := wrong_listeners(listeners or [], port)):
        return problem
    if listeners is not None and all(one.address == _RESOLVER for one in listeners):
        return NotReady(
            f"{limit_s:g} s after the start nothing listens on any port; its last log lines: "
            f"{log_lines.last(log)}",
            f"start the server where the argument is `serve`, and listen on 0.0.0.0:{port}; or, "
            "where the model takes longer to load, --full waits 480 s",
        )
    last = f"; its last log lines: {log_lines.last(log)}" if server.sight.sees_start else ""
    if answer.status and answer.status not in _STARTING:
        wrong = wrong_status(answer)
        return Broken(f"{wrong.seen} for {limit_s:g} s{last}", wrong.remedy)
    seen = f"/ping did not answer 200 within {limit_s:g} s; last: {answer.shown}{last}"
    kind: type[Broken] = NotReady
    remedy = (
        "the log has the cause, or the model takes longer to load than the check waits: --full "
        "waits 480 s, and the endpoint's start-up time-out can be raised to 3600 s"
    )
    if not server.sight.sees_start:
        kind = Broken
        remedy = "the server's own log has the cause; check it again when it has loaded its model"
    return kind(seen, remedy)
