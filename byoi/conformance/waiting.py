"""The wait until a server is healthy, which ends early where it can be seen that it will not be.

Source: DG your-algorithms-inference-code (/ping answers 200 within 2 s, 8 minutes after the start
at the latest; the server listens on 0.0.0.0:8080).
"""

import contextlib
import time
from collections.abc import Callable
from http import HTTPStatus

from byoi import contract
from byoi.conformance import causes
from byoi.conformance.rule import Broken, NotTested
from byoi.conformance.server import Answer, Listener, Server

_POLL_S = 0.1
# What stays so for this long is no step on the way to a server that listens where it should.
_SETTLED_S = 8.0
# What a slow /ping is given to tell how slow it is.
_PATIENCE_S = 15.0


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
            server.ready_s = waited_s
            return None
        if answer.seconds >= contract.PING_TIMEOUT_S and (slow := slow_ping(server)):
            return slow
        if settled.seconds(_state(answer)) > _SETTLED_S and (
            problem := _wrong_place(server, answer, port)
        ):
            return problem
        if waited_s > limit_s:
            return _gave_up(server, answer, limit_s)
        time.sleep(_POLL_S)


class _Settled:
    """How long something has stayed the same."""

    def __init__(self) -> None:
        self._state = ""
        self._since_s = time.monotonic()

    def seconds(self, state: str) -> float:
        if state != self._state:
            self._state, self._since_s = state, time.monotonic()
        return time.monotonic() - self._since_s


def _state(answer: Answer) -> str:
    return f"{answer.status} {answer.problem}"


def slow_ping(server: Server) -> Broken | None:
    """Return the cause where /ping answers, and too late."""
    patient = server.ping(timeout_s=_PATIENCE_S)
    if patient.status == HTTPStatus.OK and patient.seconds > contract.PING_TIMEOUT_S:
        return Broken(
            f"/ping takes {patient.seconds:.1f} s; the limit is {contract.PING_TIMEOUT_S} s",
            "answer /ping without running the model, from what a background check found last",
        )
    return None


def _wrong_place(server: Server, answer: Answer, port: int) -> Broken | None:
    """Return the cause where it listens elsewhere, or does not know /ping."""
    if answer.status in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}:
        return Broken(
            f"GET /ping answers {answer.status}", "add a route /ping that answers 200 when ready"
        )
    if answer.status:
        return None
    try:
        listeners = server.sight.listeners()
    except NotTested:
        return None
    return wrong_listeners(listeners, port)


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
            f"bind to 0.0.0.0:{port} instead of {here[0].address}",
        )
    # Docker's own resolver listens in each network of a user's.
    others = [one for one in listeners if one.address != "127.0.0.11"]
    if others:
        shown = ", ".join(sorted({str(one) for one in others}))
        return Broken(
            f"nothing listens on port {port}; it listens on {shown}",
            f"listen on 0.0.0.0:{port}",
        )
    return None


def _gave_up(server: Server, answer: Answer, limit_s: float) -> Broken:
    log = ""
    with contextlib.suppress(NotTested):
        log = server.sight.log()
    if problem := causes.problem_in_log(log):
        return problem
    last = causes.last_lines(log)
    return Broken(
        f"/ping did not answer 200 within {limit_s:g} s; last: {answer.shown}; its last log "
        f"lines: {last}",
        "the log has the cause, or the model takes longer to load than the check waits: --full "
        "waits 480 s, and the endpoint's start-up time-out can be raised to 3600 s",
    )
