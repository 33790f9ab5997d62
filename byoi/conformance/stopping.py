"""Contract 1G: shutdown."""

import concurrent.futures
import contextlib
import signal
import time
from dataclasses import dataclass
from http import HTTPStatus

from byoi import contract
from byoi.conformance import causes, log_lines, probing, slow
from byoi.conformance.case import Case
from byoi.conformance.proc import Process
from byoi.conformance.rule import Kind, rule
from byoi.conformance.server import ANSWER_TIMEOUT_S, Answer, End, Server
from byoi.conformance.verdict import Broken, NotApplicable, NotTested

_KILLED = causes.SIGNALLED + signal.SIGKILL
# Accepted exit statuses: 0, or ended by SIGTERM as a shell reports it.
_ENDS = {0, causes.SIGNALLED + signal.SIGTERM}
# Seconds after sending the slow payload until SIGTERM, at least.
_UNDER_WAY_S = 1.0
# Seconds that a long request should still need at SIGTERM, well below the platform's 30 s.
_LEFT_S = 15.0
# Seconds for a server to notice that one of its processes died, and to replace it.
_RECOVERY_S = 10.0
_POLL_S = 0.2
# Maximum number of tested processes: each needs a start.
_PARTS = 3
_GATEWAY = {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}


@dataclass(frozen=True)
class Stopped:
    """An idle server that got SIGTERM.

    Attributes:
        end: How it ended.
        log_before: Its log before SIGTERM.
        log_after: Its whole log.
        has_handler: Whether process 1 has a handler for SIGTERM; None if that cannot be seen.
    """

    end: End
    log_before: str
    log_after: str
    has_handler: bool | None

    @property
    def is_killed(self) -> bool:
        """Whether SIGTERM did not end it."""
        return self.end.exit_code == _KILLED


def stopped(case: Case) -> Stopped:
    """Start a server, send it requests, and stop it; done only once.

    Raises:
        NotTested: The shared server is not healthy, or this subject cannot be stopped.
    """

    def stop() -> Stopped:
        with case.launched() as server:
            # With a timeout: RT-31 reports a server that hangs.
            probing.answers(case, server, timeout_s=_RECOVERY_S)
            probing.wait_for_log(server, bool)
            before = probing.log_of(server)
            has_handler = None
            with contextlib.suppress(NotTested):
                has_handler = server.sight.handles(signal.SIGTERM)
            end = server.stop()
            return Stopped(end, before, probing.log_of(server), has_handler)

    case.server()
    # Raises NotTested for a URL, whose server the check must not end.
    case.subject.described()
    return case.remembered("stopped", stop)


@rule(Kind.ANY, is_quick=True)
def rt_67(case: Case) -> str:
    """SIGTERM ends the server, before SIGKILL 30 s later.

    Source: DG your-algorithms-inference-code.
    """
    found = stopped(case)
    end = found.end
    case.measured("end after SIGTERM", "RT-67", end.seconds, contract.STOP_GRACE_S)
    if found.is_killed and found.has_handler:
        raise Broken(
            f"process 1 handles SIGTERM, and had not ended {end.seconds:.0f} s later: it was "
            f"killed (SIGKILL); its last lines: {log_lines.last(found.log_after)}",
            f"end within {contract.STOP_GRACE_S} s of SIGTERM, better within 25 s",
        )
    if found.is_killed:
        raise causes.of_ignored_sigterm(end.seconds)
    return f"ended {end.seconds:.1f} s after SIGTERM, with status {end.exit_code}"


@rule(Kind.PAYLOAD)
def rt_68(case: Case) -> str:
    """A request in flight at SIGTERM is answered, and the server then ends with status 0.

    The status of a program that SIGTERM itself ended is taken, too.

    Source: follows from RT-67.
    """
    payload = case.slow_payload()
    case.server()
    case.subject.described()
    # Send SIGTERM shortly before the end of a request that takes longer than the platform's 30 s.
    usual = slow.run(case)
    if problem := slow.killed(usual):
        raise NotTested(f"fix RT-32 first: {problem.seen}")
    usual_s = usual.answer.seconds
    under_way_s = max(_UNDER_WAY_S, usual_s - _LEFT_S)
    with case.launched() as server, concurrent.futures.ThreadPoolExecutor(1) as pool:
        request = pool.submit(
            server.invoke, payload.body, payload.content_type, timeout_s=ANSWER_TIMEOUT_S
        )
        done, _ = concurrent.futures.wait([request], under_way_s)
        if done:
            raise NotTested(
                f"the slow payload is answered within {request.result().seconds:.1f} s: give one "
                "that takes 5 to 55 s, the same each time"
            )
        end = server.stop()
        answer = request.result()
    return _judged(end, answer)


def _judged(end: End, answer: Answer) -> str:
    if answer.status != HTTPStatus.OK:
        if end.exit_code == _KILLED:
            raise NotTested(
                "the slow payload takes longer than what is left of 30 s, or SIGTERM is ignored: "
                "give one that takes 5 to 55 s, the same each time, and see RT-67"
            )
        raise Broken(
            f"a request in flight at SIGTERM gets {answer.shown}; the server ended after "
            f"{end.seconds:.1f} s",
            "at SIGTERM accept no new requests and answer those in flight; in gunicorn: "
            "graceful_timeout 25",
        )
    if end.exit_code not in _ENDS:
        raise Broken(
            f"after SIGTERM it ended with status {end.exit_code}",
            "end with status 0 once the last request is answered",
        )
    return f"answered {answer.seconds:.1f} s after it was sent, then status {end.exit_code}"


@rule(Kind.ANY)
def rt_69(case: Case) -> str:
    """Where a part of the server dies, it is replaced, /ping fails, or the container ends.

    Source: follows from RT-22; sagemaker-inference-toolkit, model_server.py (SIGCHLD).
    """
    with contextlib.suppress(NotTested):
        case.server()
    if case.ends:
        raise Broken(
            f"the server ended by itself while it was asked: {case.ends[0].seen}",
            case.ends[0].remedy,
        )
    usual = probing.usual(case).answers
    parts = list({one.name: one for one in case.server().sight.children()}.values())
    if not parts:
        raise NotApplicable("it is one process: if it dies, the container ends")
    seen = []
    for part in parts[:_PARTS]:
        with case.launched() as server:
            seen.append(f"{part.name}: {_without(case, server, part, usual)}")
    return "; ".join(seen)


def _without(case: Case, server: Server, part: Process, usual: list[Answer]) -> str:
    """Kill one process of a server, and return what happened then.

    Raises:
        Broken: /ping still answers 200, but requests fail.
    """
    found = [one for one in server.sight.children() if one.name == part.name]
    if not found:
        return "not there in another start"
    server.sight.kill(found[0])
    # Slow requests are also slow afterwards, so allow for that.
    slowest_s = max(one.seconds for one in usual)
    deadline_s = time.monotonic() + _RECOVERY_S + 2 * sum(one.seconds for one in usual)
    while time.monotonic() < deadline_s:
        if (code := server.sight.exit_code()) is not None:
            return f"the container ends with status {code}"
        ping = server.ping(timeout_s=contract.PING_TIMEOUT_S)
        worse = _lost(probing.answers(case, server, timeout_s=_RECOVERY_S + 2 * slowest_s), usual)
        if ping.status == HTTPStatus.OK and worse is None:
            return "replaced"
        time.sleep(_POLL_S)
    if ping.status != HTTPStatus.OK:
        return f"/ping answers {ping.shown}"
    raise Broken(
        f"where {part.name} is killed, /ping still answers 200, and a request gets "
        f"{worse.shown if worse else 'an answer'}",
        "end the container if a part of the server dies, or let /ping fail: process 1 gets SIGCHLD",
    )


def _lost(answers: list[Answer], usual: list[Answer]) -> Answer | None:
    """Return an answer that failed although it did not fail before, None without one."""
    pairs = zip(answers, usual, strict=True)
    return next(
        (
            new
            for new, old in pairs
            if (not new.status or new.status in _GATEWAY)
            and old.status
            and old.status not in _GATEWAY
        ),
        None,
    )


@rule(Kind.PLATFORM)
def rt_70(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """In an update both versions run at once, each on machines of its own.

    Source: DG your-algorithms-inference-code.
    """
    return ""
