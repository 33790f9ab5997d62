"""Contract 1B: ports and network."""

import socket
import time

from byoi import contract
from byoi.conformance import causes
from byoi.conformance.case import Case
from byoi.conformance.rule import Broken, Kind, NotApplicable, NotTested, rule
from byoi.conformance.waiting import wrong_listeners

# Any other than 8080, of those that a program without rights may take.
_OTHER_PORT = 8443
_CONNECTIONS = 20
# Between two connections: so that they are no burst, which a short queue would make wait.
_PAUSE_S = 0.02


@rule(Kind.ANY, is_quick=True)
def rt_15(case: Case) -> str:
    """The server listens on all interfaces, at port 8080.

    Source: DG your-algorithms-inference-code.
    """
    listeners = case.any_server().sight.listeners()
    if problem := wrong_listeners(listeners, contract.PORT):
        raise problem
    here = [str(one) for one in listeners if one.port == contract.PORT and not one.is_loopback]
    if not here:
        raise NotTested("first mend what RT-22 names: nothing listens")
    return f"listens on {here[0]}"


@rule(Kind.ANY)
def rt_16(case: Case) -> str:
    """Where SAGEMAKER_BIND_TO_PORT is set, the server listens there instead of at 8080.

    Source: DG inference-pipeline-real-time, DG multi-container-troubleshooting.
    """
    case.server()
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
def rt_19(case: Case) -> str:
    """A connection is accepted within 250 ms.

    Source: DG your-algorithms-inference-code.
    """
    server = case.server()
    slowest_s = 0.0
    for _ in range(_CONNECTIONS):
        started_s = time.monotonic()
        with socket.create_connection((server.host, server.port), timeout=5):
            slowest_s = max(slowest_s, time.monotonic() - started_s)
        time.sleep(_PAUSE_S)
    if slowest_s > contract.CONNECT_TIMEOUT_S:
        raise Broken(
            f"a connection was accepted after {slowest_s * 1000:.0f} ms; the limit is 250 ms",
            "accept connections while the model computes: let nginx, or a thread, accept them",
        )
    return f"the slowest of {_CONNECTIONS} within {slowest_s * 1000:.0f} ms"


@rule(Kind.OURS)
def rt_17(_case: Case) -> str:
    """A second port lies inside SAGEMAKER_SAFE_PORT_RANGE.

    Proved by tests/container/test_serve.py: this project's image listens on one port only.

    Source: DG inference-pipeline-real-time.
    """
    return ""


@rule(Kind.ANY)
def rt_18(case: Case) -> str:
    """An image that obeys SAGEMAKER_BIND_TO_PORT has the label that says so.

    Source: DG multi-container-troubleshooting.
    """
    name, _, value = contract.BIND_TO_PORT_LABEL.partition("=")
    labels = (case.subject.described().get("Config") or {}).get("Labels") or {}
    if labels.get(name) != value:
        raise NotApplicable(f"no label {name}={value}: it is for no pipeline")
    return f"{name}={value}"


@rule(Kind.ANY)
def rt_20(case: Case) -> str:
    """The server works without a network and without credentials.

    Source: DG mkt-algo-model-internet-free.
    """
    case.subject.described()
    case.server()
    return "healthy in a network that leads nowhere, without credentials"


@rule(Kind.ANY)
def rt_21(case: Case) -> str:
    """Nothing is downloaded at start.

    Source: DG mkt-algo-model-internet-free.
    """
    case.subject.described()
    log = case.server().sight.log()
    if problem := causes.problem_in_log(log):
        raise problem
    return "the log tells of no call that failed"
