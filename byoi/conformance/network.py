"""Contract 1B: ports and network."""

import contextlib
import socket
import time

from byoi import contract
from byoi.conformance import causes, probing
from byoi.conformance.case import HEALTHY_FIRST, Case
from byoi.conformance.rule import Kind, rule
from byoi.conformance.verdict import Broken, NotApplicable, NotTested
from byoi.conformance.waiting import NotReady, wrong_listeners

# A port other than 8080 that needs no privileges.
_OTHER_PORT = 8443
_CONNECTIONS = 20
# Pause between two connections: in a burst, a short queue would delay them.
_PAUSE_S = 0.02
# Wait longer than the limit, to report how late a connection is.
_CONNECT_S = 5.0
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
    return f"the slowest of {_CONNECTIONS} within {slowest_s * 1000:.0f} ms"


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
