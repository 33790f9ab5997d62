"""Contract 1C: the health check."""

import concurrent.futures
import os
import time
from http import HTTPStatus

from byoi import contract
from byoi.conformance import comparing, controls
from byoi.conformance.case import Case
from byoi.conformance.programs import BadProgram
from byoi.conformance.rule import Kind, rule
from byoi.conformance.server import Answer, Server
from byoi.conformance.verdict import Broken, NotTested

_PINGS = 20
# Separate starts until a first request that fails is no accident.
_STARTS = 2
_PAUSE_S = 0.1
# More than most servers have workers.
_BUSY_REQUESTS = max(8, 2 * (os.cpu_count() or 1))
_BUSY_S = 6.0
# Wait longer than the limit, to report how late an answer is.
_PATIENCE_S = 15.0
# Seconds for a server without its model to become healthy or to end.
_WITHOUT_MODEL_S = 12.0
# A Host of the platform, from GH aws/amazon-sagemaker-examples#2028, and others.
_HOSTS = ("169.254.255.131:8080", "localhost", "model.example.com:8080")


@rule(Kind.ANY, is_quick=True)
def rt_22(case: Case) -> str:
    """GET /ping answers 200 when the server is ready.

    The same page asks for POST in one place and for GET in all others: what POST gets is shown,
    and breaks nothing.

    Source: DG your-algorithms-inference-code.
    """
    if case.problem is not None:
        raise _as_told(case, case.problem)
    server = case.server()
    post = server.ask("POST", contract.PING_PATH, b"", timeout_s=_PATIENCE_S)
    shown = "200" if server.ready_s is None else f"200, {server.ready_s:.1f} s after the start"
    return f"{shown}; POST gets {post.shown}"


def _as_told(case: Case, problem: Broken) -> Exception:
    """Return why it is not healthy; `NotTested` if only this machine is the cause."""
    if isinstance(problem, BadProgram) and problem.is_foreign and case.given.architecture:
        made_for = case.subject.described().get("Architecture")
        if made_for == case.given.architecture:
            return NotTested(
                f"check it on a machine for linux/{made_for}, or with an emulation of its "
                f"processor (binfmt): {problem.seen}"
            )
    return problem


@rule(Kind.ANY)
def rt_23(case: Case) -> str:
    """While the server loads its model, or is broken, /ping does not answer 200.

    Seen from outside: what is sent right after the first 200 is answered.

    Source: DG your-algorithms-inference-code.
    """
    _, usual = comparing.usual(case)
    found = comparing.opening(case)
    if found.is_late:
        raise _loads_after(found, case.ready_s)
    if usual.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        named = controls.named(case)
        what = "fix RT-31 first" if case.given.payload else "give a request that it answers"
        raise NotTested(f"{what}: {named} gets {usual.shown}, as where no model is loaded")
    # Raises NotTested for a URL: the start of that server cannot be observed.
    case.server().sight.log()
    for _ in range(_STARTS):
        with case.launched() as server:
            found = comparing.opened(case, server)
            ready_s = server.ready_s or 0.0
        if found.is_late or found.last.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise _loads_after(found, ready_s)
        if found.first.status == found.last.status:
            break
    else:
        # The first request after each start fails.
        raise _loads_after(found, ready_s)
    return f"200 after {ready_s:.1f} s, and the next request is answered with {found.first.shown}"


def _loads_after(found: comparing.Opening, ready_s: float) -> Broken:
    when = f" {ready_s:.1f} s after the start" if ready_s else ""
    then = f"{found.last.shown} comes {found.late_s:.1f} s later"
    if found.first.status == found.last.status:
        then = f"so it does {found.late_s:.0f} s later"
    return Broken(
        f"/ping answers 200{when}, before the model answers: /invocations then answers "
        f"{found.first.shown}; {then}",
        "answer /ping with 503 until each worker has loaded the model",
    )


@rule(Kind.ANY, is_quick=True)
def rt_24(case: Case) -> str:
    """Each /ping is answered within 2 s.

    Source: DG your-algorithms-inference-code.
    """
    server = case.server()
    answers = [server.ping() for _ in range(10)]
    slowest = max(answers, key=lambda one: one.seconds)
    name = f"slowest /ping of {len(answers)}"
    case.measured(name, "RT-24", slowest.seconds, contract.PING_TIMEOUT_S)
    wrong = [one for one in answers if one.status != HTTPStatus.OK]
    if wrong:
        seen = f"{len(wrong)} of {len(answers)} /ping answered {wrong[0].shown}"
        _note_pings(case, "fix RT-24 first", seen)
        raise Broken(seen, "let /ping stay 200 while it is ready")
    if slowest.seconds > contract.PING_TIMEOUT_S:
        raise _late(slowest, "answer /ping without running the model")
    return f"the slowest of {len(answers)} took {slowest.seconds * 1000:.0f} ms"


def _note_pings(case: Case, first: str, seen: str) -> None:
    """Keep that /ping fails now and then, for rules that judge it under other conditions."""
    controls.ping_troubles(case).append(controls.Trouble(first, seen, is_lasting=False))


def _late(answer: Answer, remedy: str, when: str = "") -> Broken:
    return Broken(
        f"/ping takes {answer.seconds:.1f} s{when}; the limit is {contract.PING_TIMEOUT_S} s",
        remedy,
    )


@rule(Kind.ANY)
def rt_25(case: Case) -> str:
    """The server is healthy within 8 minutes of its start, and stays so.

    Source: DG your-algorithms-inference-code; older pages say 4 minutes.
    """
    server = case.server()
    answers = []
    for _ in range(_PINGS):
        answers.append(server.ping())
        time.sleep(_PAUSE_S)
    wrong = [one for one in answers if one.status != HTTPStatus.OK]
    if wrong:
        seen = f"{len(wrong)} of {_PINGS} /ping answered {wrong[0].shown} after the first 200"
        _note_pings(case, "fix RT-25 first", seen)
        raise Broken(
            seen, "answer /ping with 200 consistently once the model is loaded, in each worker"
        )
    if server.ready_s is None:
        raise NotTested("give an image: of a server that runs already the start is not seen")
    case.measured("healthy after the start", "RT-25", server.ready_s, contract.START_TIMEOUT_S)
    return (
        f"{server.ready_s:.1f} s after the start, the limit is {contract.START_TIMEOUT_S} s; then "
        f"{_PINGS} of {_PINGS} are 200"
    )


@rule(Kind.PLATFORM)
def rt_26(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """The start-up deadline of an endpoint can be set to 60 to 3600 s.

    Source: BC ProductionVariant.
    """
    return ""


@rule(Kind.PAYLOAD)
def rt_27(case: Case) -> str:
    """Where the model cannot be used, /ping does not answer 200.

    Seen from outside: without model data the server ends, /ping is not 200, or the payload is
    answered all the same, as by an image that has its model inside.

    Source: DG your-algorithms-inference-code.
    """
    payload = case.payload()
    ready_s = case.server().ready_s or 0.0
    comparing.require_success(case)
    with case.subject.launched(case.conditions(has_model=False)) as server:
        found = _after_start(server, max(_WITHOUT_MODEL_S, 3 * ready_s))
        if found is None:
            return "without model data the server ends"
        if found.status != HTTPStatus.OK:
            return f"without model data /ping answers {found.shown}"
        if case.settle is not None:
            case.settle(server)
        answer = comparing.settled(server, payload)[-1]
    if comparing.is_success(answer):
        return f"without model data the payload is answered with {answer.status}"
    raise Broken(
        f"without model data /ping answers 200, and /invocations {answer.shown}",
        "let /ping answer 503 if the model is not loaded: an instance that fails each request is "
        "replaced only if its /ping fails, too",
    )


def _after_start(server: Server, limit_s: float) -> Answer | None:
    """Return the first 200 of /ping, else its last answer; None if the server ends."""
    started_s = time.monotonic()
    while True:
        if server.sight.exit_code() is not None:
            return None
        answer = server.ping(timeout_s=contract.PING_TIMEOUT_S)
        if answer.status == HTTPStatus.OK or time.monotonic() - started_s > limit_s:
            return answer
        time.sleep(_PAUSE_S)


@rule(Kind.PLATFORM)
def rt_28(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """The platform replaces an instance whose /ping is not 200, unless it has inference components.

    Source: DG your-algorithms-inference-code.
    """
    return ""


@rule(Kind.PAYLOAD)
def rt_29(case: Case) -> str:
    """/ping is answered within 2 s while each worker is busy with /invocations.

    Source: DG async-inference-troubleshooting, question 6.
    """
    return ping_while_busy(case)


def ping_while_busy(case: Case) -> str:
    """Return how /ping was answered during many slow requests, which are sent only once.

    Raises:
        Broken: It was not answered with 200, or not within 2 s.
        NotTested: There is no slow payload, or it is not slow.
    """
    case.slow_payload()
    case.server()
    pings, is_busy = case.remembered("pings while busy", lambda: _pings_while_busy(case))
    remedy = (
        "answer /ping from a process or thread that does not compute: nginx, a thread of each "
        "worker, or a worker more than requests at a time"
    )
    slowest = max(pings, key=lambda one: one.seconds)
    when = f" while {_BUSY_REQUESTS} slow requests are answered"
    if slowest.seconds > contract.PING_TIMEOUT_S:
        raise _late(slowest, remedy, when)
    if wrong := [one for one in pings if one.status != HTTPStatus.OK]:
        raise Broken(f"/ping answers {wrong[0].shown}{when}", remedy)
    if not is_busy:
        raise NotTested("give a slow payload that takes 5 to 55 s: this one was answered at once")
    return f"the slowest of {len(pings)} took {slowest.seconds * 1000:.0f} ms{when}"


def _pings_while_busy(case: Case) -> tuple[list[Answer], bool]:
    """Return the answers to /ping, and whether the server was busy for long enough."""
    payload = case.slow_payload()
    threads = concurrent.futures.ThreadPoolExecutor(_BUSY_REQUESTS)
    pings: list[Answer] = []
    with case.launched() as server:
        started_s = time.monotonic()
        requests = [
            threads.submit(server.invoke, payload.body, payload.content_type)
            for _ in range(_BUSY_REQUESTS)
        ]
        is_busy = True
        while is_busy and time.monotonic() - started_s < _BUSY_S:
            time.sleep(_PAUSE_S)
            pings.append(server.ping(timeout_s=_PATIENCE_S))
            is_busy = not all(one.done() for one in requests)
        is_busy = is_busy or time.monotonic() - started_s > contract.PING_TIMEOUT_S
    # The server has ended, and its requests with it; requests to a URL may continue.
    threads.shutdown(wait=False, cancel_futures=True)
    return pings, is_busy


@rule(Kind.ANY)
def rt_30(case: Case) -> str:
    """/ping answers 200 whatever the Host header, and several times within a second.

    The platform does not document how often it asks; seen are several within a second, from
    `Go-http-client/1.1`, with an address of the link for a host.

    Source: the log in GH aws/amazon-sagemaker-examples#2028.
    """
    server = case.server()

    def ask(host: str) -> tuple[str, Answer]:
        headers = {"Host": host, "User-Agent": "Go-http-client/1.1"}
        return host, server.ask("GET", contract.PING_PATH, headers=headers, timeout_s=_PATIENCE_S)

    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(ask, _HOSTS * 4))
    wrong = [(host, one) for host, one in answers if one.status != HTTPStatus.OK]
    if not wrong:
        return f"200 with each of {len(_HOSTS)} hosts, {len(answers)} requests within a second"
    if known := controls.ping_troubles(case):
        raise known[0].untested
    host, answer = wrong[0]
    found = controls.cause(
        lambda: ask(host)[1].status == HTTPStatus.OK, lambda: server.ping().status == HTTPStatus.OK
    )
    if found is controls.Cause.CHANGE:
        raise Broken(
            f"/ping answers {answer.shown} with Host: {host}",
            "answer whatever the Host header is: nginx's server_name _, Django's "
            "ALLOWED_HOSTS = ['*']",
        )
    seen = (
        f"{len(wrong)} of {len(answers)} /ping within a second get {answer.shown}, whatever the "
        "Host header"
    )
    _note_pings(case, "fix RT-30 first", seen)
    raise Broken(seen, "answer each /ping with 200: no limit of requests per second, no login")
