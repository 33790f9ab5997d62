"""Wait until a server is healthy, and stop early if a problem shows that it will not be.

Source: DG your-algorithms-inference-code (/ping answers 200 within 2 s, 8 minutes after the start
at the latest; the server listens on 0.0.0.0:8080).
"""

import contextlib
import time
from collections.abc import Callable
from http import HTTPStatus

from byoi import contract
from byoi.conformance import causes, log_lines, missing, nginx, ping_answer
from byoi.conformance.restarts import Restarts
from byoi.conformance.server import Answer, Listener, Server
from byoi.conformance.verdict import Broken, NotTested

_POLL_S = 0.1
# A state that lasts for this share of the wait, or so many seconds, is not a short stage of the
# start.
_SETTLED_SHARE, _SETTLED_S = 0.1, 9.0
# After this share, or so many seconds, a program that another one needs has been started.
_LATE_SHARE, _LATE_S = 0.2, 18.0
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
        server: A server that was just started; its `ready_s` is set when it is healthy.
        limit_s: Seconds to wait.
        explain_end: Returns why the server ended; called if it has ended.
        port: The port on which it should listen.

    Returns:
        None when it is healthy, else the cause.
    """
    started_s = time.monotonic()
    settled = _Settled()
    unreachable = _Settled()
    restarts = Restarts(server)
    while True:
        if server.sight.exit_code() is not None:
            return explain_end(server)
        answer = server.ping(timeout_s=contract.PING_TIMEOUT_S)
        waited_s = time.monotonic() - started_s
        if answer.status == HTTPStatus.OK:
            server.ready_s = waited_s if server.sight.sees_start else None
            return None
        if answer.seconds >= contract.PING_TIMEOUT_S:
            slow = ping_answer.endless(server, answer) or ping_answer.slow(server)
            if slow:
                return slow
        unreachable_s = unreachable.seconds(_state(answer))
        if settled.seconds(_state(answer)) > min(_SETTLED_SHARE * limit_s, _SETTLED_S):
            settled.restart()
            is_late = unreachable_s > min(_LATE_SHARE * limit_s, _LATE_S)
            problem = (
                ping_answer.wrong(server, answer)
                or _wrong_place(server, answer, port)
                or ping_answer.closed(server, answer)
                or _wrong_upstream(server, answer, is_late=is_late)
            )
            if problem:
                return problem
        if answer.status in {0, *ping_answer.STARTING} and (problem := restarts.problem()):
            return problem
        if waited_s > limit_s:
            return _gave_up(server, answer, limit_s, port)
        time.sleep(_POLL_S)


class NotReady(Broken):
    """The server did not become healthy, for an unknown reason."""


class _Settled:
    """Measures how long a state has not changed."""

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


def _wrong_upstream(server: Server, answer: Answer, *, is_late: bool) -> Broken | None:
    """Return the problem if nginx passes /ping to an address where nothing will listen."""
    if answer.status != HTTPStatus.BAD_GATEWAY:
        return None
    with contextlib.suppress(NotTested):
        return nginx.wrong_upstream(server.sight.log(), is_late=is_late)
    return None


def _wrong_place(server: Server, answer: Answer, port: int) -> Broken | None:
    """Return the problem if the server listens on another port or address."""
    if answer.status:
        return None
    try:
        listeners = server.sight.listeners()
    except NotTested:
        return None
    here = [one for one in listeners if one.port == port]
    if here or any(_is_the_server(server, one) for one in listeners):
        return wrong_listeners(listeners, port) or _ipv6_only(here, answer)
    # Another program listens there, and the server is still loading.
    return None


def _is_the_server(server: Server, listener: Listener) -> bool:
    """Whether a socket belongs to the server: it answers /ping, or the log names its address."""
    if listener.address == _RESOLVER:
        return False
    with contextlib.suppress(NotTested):
        # The format of gunicorn, uvicorn, Flask and others.
        if f"http://{listener}" in server.sight.log():
            return True
    elsewhere = Server(server.host, listener.port, server.sight)
    return (
        not listener.is_loopback
        and elsewhere.ping(timeout_s=contract.PING_TIMEOUT_S).status == HTTPStatus.OK
    )


def _ipv6_only(here: list[Listener], answer: Answer) -> Broken | None:
    """Return the problem if an IPv6 socket does not accept IPv4 connections."""
    if not here or not all(one.is_ipv6 for one in here):
        return None
    return Broken(
        f"it listens on {here[0]} for IPv6 only: over IPv4 there is no answer ({answer.problem})",
        f"bind to 0.0.0.0:{here[0].port}, or let the socket accept IPv4, too: IPV6_V6ONLY is 0",
    )


def wrong_listeners(listeners: list[Listener], port: int) -> Broken | None:
    """Return the problem if sockets listen only on loopback, or only on other ports.

    Args:
        listeners: The listening sockets.
        port: The port on which the server should listen.
    """
    here = [one for one in listeners if one.port == port]
    if any(not one.is_loopback for one in here):
        return None
    if here:
        return Broken(
            f"it listens on {here[0]} only, which the platform cannot reach",
            f"bind to 0.0.0.0:{port} instead of {here[0]}",
        )
    # Docker's own resolver listens in each user-defined network.
    others = [one for one in listeners if one.address != _RESOLVER]
    if others:
        shown = ", ".join(sorted({str(one) for one in others}))
        return Broken(
            f"nothing listens on port {port}; it listens on {shown}",
            f"listen on 0.0.0.0:{port}",
        )
    return None


def _lost_upstream(
    server: Server, upstream: nginx.Upstream, listeners: list[Listener], limit_s: float
) -> Broken:
    sockets: list[str] = []
    with contextlib.suppress(NotTested):
        sockets = server.sight.unix_sockets()
    others = [one for one in listeners if one.address != _RESOLVER]
    found = nginx.nothing_at(upstream, nginx.listening(others, sockets))
    return NotReady(
        f"{found.seen}, {limit_s:g} s after the start",
        f"let the application start and listen there; or {found.remedy}; or, where it takes "
        "longer to load, --full waits 480 s",
    )


def _gave_up(server: Server, answer: Answer, limit_s: float, port: int) -> Broken:
    log, listeners = "", None
    with contextlib.suppress(NotTested):
        log = server.sight.log()
        if server.sight.is_out_of_memory():
            return causes.out_of_memory(log)
        listeners = server.sight.listeners()
    if problem := missing.driver(log_lines.last(log)) or causes.problem_in_log(log):
        return problem
    if answer.status == HTTPStatus.BAD_GATEWAY and (upstream := nginx.lost_upstream(log)):
        return _lost_upstream(server, upstream, listeners or [], limit_s)
    if not answer.status and (problem := wrong_listeners(listeners or [], port)):
        return problem
    return _not_ready(server, answer, limit_s, listeners, f"0.0.0.0:{port}")


def _not_ready(
    server: Server, answer: Answer, limit_s: float, listeners: list[Listener] | None, address: str
) -> Broken:
    """Return the problem without a known cause, with the last log lines.

    Args:
        server: The server.
        answer: The last answer to /ping.
        limit_s: Seconds since the start.
        listeners: The listening sockets, None if they cannot be seen.
        address: Where it should listen.
    """
    end = ""
    with contextlib.suppress(NotTested):
        end = log_lines.last(server.sight.log())
    if listeners is not None and all(one.address == _RESOLVER for one in listeners):
        return NotReady(
            f"{limit_s:g} s after the start nothing listens on any port; its last log lines: {end}",
            f"start the server for the argument `serve`, and listen on {address}; or, "
            "if the model takes longer to load, --full waits 480 s",
        )
    last = f"; its last log lines: {end}" if server.sight.sees_start else ""
    if answer.status and answer.status not in ping_answer.STARTING:
        wrong = ping_answer.wrong_status(answer)
        return Broken(f"{wrong.seen} for {limit_s:g} s{last}", wrong.remedy)
    seen = f"/ping did not answer 200 within {limit_s:g} s; last: {answer.shown}{last}"
    kind: type[Broken] = NotReady
    remedy = (
        "the log has the cause, or the model takes longer to load than the check waits: --full "
        "waits 480 s, and the endpoint's start-up time-out can be raised to 3600 s"
    )
    if ping_answer.is_closed(answer):
        remedy = (
            "something accepts the connections and closes them: answer whatever the Host header "
            "is; or, where a program passes them on, let the server behind it listen where that "
            f"looks; or {remedy}"
        )
    if not server.sight.sees_start:
        kind = Broken
        remedy = "the server's own log has the cause; check it again when it has loaded its model"
    return kind(seen, remedy)
