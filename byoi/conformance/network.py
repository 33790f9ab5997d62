"""Contract 1B: ports and network."""

import contextlib
import socket
import time
from collections.abc import Iterator

from byoi import contract
from byoi.conformance import causes, comparing, connections, probing
from byoi.conformance.case import HEALTHY_FIRST, Case
from byoi.conformance.rule import Kind, rule
from byoi.conformance.server import Server
from byoi.conformance.verdict import Broken, NotApplicable, NotTested
from byoi.conformance.waiting import NotReady, wrong_listeners

# A port other than 8080 that needs no privileges.
_OTHER_PORT = 8443
_CONNECTIONS = 20
# Pause between two connections: in a burst, a short queue would delay them.
_PAUSE_S = 0.02
# Wait longer than the limit, to report how late a connection is.
_CONNECT_S = 5.0
# Go's client keeps so many connections to a host.
_IDLE = 2
# No model takes this long to answer an empty list.
_EMPTY_LIST_S = 30.0
# Time until a /ping is answered that only waited for another connection to end.
_RELEASE_S = 1.0
_LABEL, _, _LABEL_VALUE = contract.BIND_TO_PORT_LABEL.partition("=")
_SAFE_RANGE_VARIABLE = "SAGEMAKER_SAFE_PORT_RANGE"
_SAFE_RANGE = (21000, 21999)
# Docker's own resolver listens here in each user-defined network.
_RESOLVER = "127.0.0.11"
_NO_LABEL = (
    "without its label it can be in no pipeline and in no multi-container endpoint: LABEL "
    f"{contract.BIND_TO_PORT_LABEL}"
)


@rule(Kind.ANY, is_quick=True)
def rt_15(case: Case) -> str:
    """The server listens on all interfaces, at port 8080.

    Source: DG your-algorithms-inference-code.
    """
    try:
        server = case.any_server()
    except Broken as broken:
        raise NotTested(HEALTHY_FIRST) from broken
    if server.sight.exit_code() is not None:
        raise NotTested(HEALTHY_FIRST)
    listeners = server.sight.listeners()
    if problem := wrong_listeners(listeners, contract.PORT):
        raise problem
    here = [str(one) for one in listeners if one.port == contract.PORT and not one.is_loopback]
    others = [one for one in listeners if one.address != _RESOLVER]
    if not here and not others and isinstance(case.problem, NotReady):
        raise case.problem
    if not here:
        raise NotTested("fix RT-22 first: nothing listens there")
    return f"listens on {here[0]}"


@rule(Kind.ANY)
def rt_16(case: Case) -> str:
    """Where SAGEMAKER_BIND_TO_PORT is set, the server listens there instead of at 8080.

    Source: DG inference-pipeline-real-time, DG multi-container-troubleshooting.
    """
    case.server()
    if not _is_for_pipelines(case):
        raise NotApplicable(_NO_LABEL)
    environment = {contract.BIND_TO_PORT_VARIABLE: str(_OTHER_PORT)}
    try:
        with case.launched(environment=environment, port=_OTHER_PORT):
            return f"answers at {_OTHER_PORT} with {contract.BIND_TO_PORT_VARIABLE}={_OTHER_PORT}"
    except Broken as broken:
        raise Broken(
            f"with {contract.BIND_TO_PORT_VARIABLE}={_OTHER_PORT}: {broken.seen}",
            f"listen on the port that {contract.BIND_TO_PORT_VARIABLE} names, and on "
            f"{contract.PORT} without it",
        ) from broken


@rule(Kind.ANY)
def rt_17(case: Case) -> str:
    """Any further port of the server is within SAGEMAKER_SAFE_PORT_RANGE, where that is set.

    Source: DG inference-pipeline-real-time; serve.py of AWS's TensorFlow container.
    """
    case.server()
    if not _is_for_pipelines(case):
        raise NotApplicable(_NO_LABEL)
    first, last = _SAFE_RANGE
    environment = {
        contract.BIND_TO_PORT_VARIABLE: str(_OTHER_PORT),
        _SAFE_RANGE_VARIABLE: f"{first}-{last}",
    }
    try:
        with case.launched(environment=environment, port=_OTHER_PORT) as server:
            listeners = server.sight.listeners()
            own = {_OTHER_PORT, server.port}
    except Broken as broken:
        raise NotTested(f"fix RT-16 first: {broken.seen}") from broken
    others = {one for one in listeners if one.port not in own and one.address != _RESOLVER}
    outside = sorted(str(one) for one in others if not first <= one.port <= last)
    if outside:
        raise Broken(
            f"with {_SAFE_RANGE_VARIABLE}={first}-{last} it also listens on {', '.join(outside)}",
            "use a Unix socket in /tmp between the processes of the container, or a port of that "
            "range",
        )
    return f"{len(others)} further ports, within {first}-{last}" if others else "no further port"


@rule(Kind.ANY)
def rt_18(case: Case) -> str:
    """An image of pipelines and multi-container endpoints has the label accept-bind-to-port=true.

    Source: DG multi-container-troubleshooting.
    """
    found = _labels(case).get(_LABEL)
    if not found:
        raise NotApplicable(_NO_LABEL)
    if found != _LABEL_VALUE:
        raise Broken(
            f"the label {_LABEL} is {found!r}",
            f"write in the Dockerfile: LABEL {contract.BIND_TO_PORT_LABEL}",
        )
    return contract.BIND_TO_PORT_LABEL


@rule(Kind.ANY)
def rt_19(case: Case) -> str:
    """A connection is accepted within 250 ms.

    Also while another one is open: a /ping is answered beside a connection that is kept after its
    answer. Beside one whose request is not complete it should be, which is only a remark: the
    platform sends whole requests.

    Source: DG your-algorithms-inference-code.
    """
    server = case.server()
    slowest_s = 0.0
    for _ in range(_CONNECTIONS):
        started_s = time.monotonic()
        with (
            contextlib.suppress(OSError),
            socket.create_connection((server.host, server.port), timeout=_CONNECT_S),
        ):
            pass
        slowest_s = max(slowest_s, time.monotonic() - started_s)
        if slowest_s > contract.CONNECT_TIMEOUT_S:
            break
        time.sleep(_PAUSE_S)
    if slowest_s > contract.CONNECT_TIMEOUT_S:
        raise Broken(
            f"a connection was accepted after {slowest_s * 1000:.0f} ms; the limit is 250 ms",
            "accept connections while the model computes: let nginx, or a thread, accept them",
        )
    try:
        _require_beside_idle(server)
        is_blocked = _is_blocked_by_half(server)
    except OSError as error:
        raise NotTested(f"fix RT-24 first: a connection fails: {error}") from error
    remark = "; but half a request holds up /ping on another connection" if is_blocked else ""
    return (
        f"the slowest of {_CONNECTIONS} within {slowest_s * 1000:.0f} ms, and beside open ones"
        f"{remark}"
    )


def _require_beside_idle(server: Server) -> None:
    """Keep connections open after their answers, and send /ping over a new one.

    Raises:
        Broken: It is answered only when the others have ended.
        OSError: A connection is not accepted.
    """
    with contextlib.ExitStack() as held:
        for number in range(_IDLE + 1):
            with contextlib.ExitStack() as new:
                connection = new.enter_context(_pinged(server))
                if not connection.wait(contract.PING_TIMEOUT_S):
                    held.close()
                    if number:
                        raise _blocked(connection)
                    return
                connection.answer()
                if not connection.is_kept:
                    return
                held.push(new.pop_all())


def _is_blocked_by_half(server: Server) -> bool:
    """Whether /ping is not answered while a request on another connection is incomplete.

    Raises:
        OSError: A connection is not accepted.
    """
    data = connections.invocation(server, comparing.EMPTY_LIST)
    with contextlib.ExitStack() as held, contextlib.ExitStack() as new:
        half = held.enter_context(connections.opened(server, timeout_s=_EMPTY_LIST_S))
        half.send(data[:-1])
        connection = new.enter_context(_pinged(server))
        is_blocked = not connection.wait(contract.PING_TIMEOUT_S)
        # A request that is broken off would be an error in the log.
        half.send(data[-1:])
        half.answer()
        return is_blocked


@contextlib.contextmanager
def _pinged(server: Server) -> Iterator[connections.Connection]:
    with connections.opened(server, timeout_s=_RELEASE_S) as connection:
        connection.send(connections.ping(server))
        yield connection


def _blocked(connection: connections.Connection) -> Exception:
    """Return the problem that a /ping was not answered before another connection ended.

    It is answered then: if not, the other connection was not the cause.
    """
    answer = connection.answer()
    if not answer.status:
        return NotTested(f"fix RT-24 first: /ping gets {answer.shown}")
    return Broken(
        f"while a connection that is idle is open, /ping on another one is not answered; the limit "
        f"is {contract.PING_TIMEOUT_S} s: one thread serves one connection at a time",
        "serve connections side by side: by threads (ThreadingHTTPServer, gunicorn --threads), by "
        "an asynchronous server, or with nginx in front; the platform keeps its connections open",
    )


@rule(Kind.ANY)
def rt_20(case: Case) -> str:
    """The server answers requests without a network and without credentials.

    Source: DG mkt-algo-model-internet-free; BC CreateModelInput.EnableNetworkIsolation.
    """
    case.subject.described()
    if case.problem is not None:
        raise _starts_with_network(case) or NotTested(HEALTHY_FIRST)
    usual = probing.usual(case)
    if problem := _network_problem(usual.told):
        shown = (usual.failures or usual.answers)[0].shown
        raise Broken(f"a request is answered with {shown}: {problem.seen}", problem.remedy)
    return f"without a network, a request is answered with {usual.answers[0].shown}"


@rule(Kind.ANY)
def rt_21(case: Case) -> str:
    """The server starts without fetching anything: no package, no model, no licence.

    Source: DG mkt-algo-model-internet-free.
    """
    case.subject.described()
    if case.problem is None:
        return "healthy without a network"
    raise _starts_with_network(case) or NotTested(HEALTHY_FIRST)


def _starts_with_network(case: Case) -> Broken | None:
    """Return the problem if the shared server does not start without a network, else None."""
    seen = case.problem.seen if case.problem else ""
    return _network_problem(f"{case.log()}\n{seen}")


def _network_problem(text: str) -> Broken | None:
    found = causes.problem_in_log(text)
    return found if found is not None and found.seen.startswith(causes.NO_NETWORK) else None


def _labels(case: Case) -> dict[str, str]:
    return (case.subject.described().get("Config") or {}).get("Labels") or {}


def _is_for_pipelines(case: Case) -> bool:
    """Whether the image has the label; True for a subject that is not an image."""
    try:
        return bool(_labels(case).get(_LABEL))
    except NotTested:
        return True
