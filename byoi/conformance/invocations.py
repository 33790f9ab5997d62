"""Contract 1D: invocations."""

import time
from dataclasses import dataclass
from http import HTTPStatus

from byoi import contract
from byoi.conformance import bodies, charsets, comparing, error_bodies, log_lines, malformed, slow
from byoi.conformance.case import Case, Payload
from byoi.conformance.rule import Kind, rule
from byoi.conformance.server import Answer, Server
from byoi.conformance.verdict import Broken, NotTested

_JSON = "application/json"
# More than the default of nginx's client_max_body_size, 1 MB.
_BEYOND_NGINX_BYTES = 2 * 1024 * 1024
# The default timeout of gunicorn's workers.
_COMMON_TIMEOUT_S = 30.0
# No model takes this long to refuse a request.
_JUNK_TIMEOUT_S = 30.0
# Longer than a second, the usual resolution of a time in an answer.
_TICK_S = 1.1
# With more than one kind of answer for each 4 answers, the model answers at random.
_MOST_KINDS_SHARE = 4


@rule(Kind.ANY, is_quick=True)
def rt_31(case: Case) -> str:
    """POST /invocations is handled; a success has a Content-Type, whichever worker answers.

    A payload is sent over many new connections. Answers that differ each time are those of a
    model that answers at random, and are not compared.

    Source: DG your-algorithms-inference-code.
    """
    answer = case.server().invoke(b"[]", _JSON, timeout_s=_JUNK_TIMEOUT_S)
    if answer.status in comparing.WITHOUT_ROUTE:
        raise Broken(
            f"POST /invocations answers {answer.shown}",
            f"add a route for POST {contract.INVOCATIONS_PATH}",
        )
    if not answer.status:
        raise Broken(
            f"POST /invocations with an empty list gets {answer.shown}{_told(case)}",
            "answer each request, with 4xx or 5xx where it fails, and let the body be as long as "
            "its Content-Length, or its chunks, say",
        )
    if location := answer.headers.get("location"):
        raise Broken(
            f"POST /invocations answers {answer.shown}, to {location}",
            "answer it there: the platform speaks HTTP, and follows no redirect",
        )
    if case.given.payload is None:
        return f"an empty list is answered with {answer.status}"
    _, answer = comparing.asked(case)
    if comparing.is_success(answer) and not answer.body:
        raise Broken(
            f"the payload is answered with {answer.status} and an empty body",
            "answer with the prediction: the caller, or the file of a transform, gets the body",
        )
    if not comparing.is_success(answer):
        shown = answer.text[:200]
        raise Broken(
            f"the payload is answered with {answer.shown}: {shown}{_told(case)}",
            "the answer or the log has the cause; check that the payload and its type are the "
            "model's",
        )
    if "content-type" not in answer.headers:
        raise Broken(
            f"{answer.status} without a Content-Type", "name the media type of the response"
        )
    alike = _alike(case, case.given.payload)
    shown = f"{answer.status}, {answer.headers['content-type']}, {answer.seconds * 1000:.0f} ms"
    return f"{shown}; {alike}"


def _told(case: Case) -> str:
    """Return the last error line of the log, "" without one."""
    line = log_lines.last_telling(case.log())
    return f"; its log: {line}" if line else ""


def _alike(case: Case, payload: Payload) -> str:
    """Return the observation that all workers give the same answer.

    Raises:
        Broken: Their answers differ.
    """
    answers = comparing.repeated(case.server(), payload)
    slowest_s = max(one.seconds for one in answers)
    name = f"slowest of {len(answers)} invocations"
    case.measured(name, "RT-31", slowest_s, contract.INVOCATION_TIMEOUT_S)
    kinds = comparing.kinds_of(answers)
    if len(kinds) == 1:
        return f"{len(answers)} answers are alike"
    failed = next((kind for kind in kinds if not comparing.is_success(kind[0])), None)
    if failed is None:
        # If no earlier answer comes again, the answers contain a time.
        time.sleep(_TICK_S)
        later = comparing.repeated(case.server(), payload)
        if not any(comparing.says_same(kind[0], one) for kind in kinds for one in later):
            return f"{len(kinds)} of {len(answers)} answers differ, as by a clock: not compared"
    if failed is None and len(kinds) > len(answers) // _MOST_KINDS_SHARE:
        return f"{len(kinds)} of {len(answers)} answers differ, as at random: not compared"
    counts = " and ".join(str(len(kind)) for kind in kinds[:4])
    shown = " | ".join(
        f"{kind[0].shown} {kind[0].body[:60].decode('utf-8', 'replace')}" for kind in kinds[:2]
    )
    raise Broken(
        f"one payload has answers that differ between workers: of {len(answers)}, {counts} are "
        f"alike: {shown}",
        "give each worker the same model and the same state: load it from the model data, and "
        "keep nothing from one request to the next",
    )


@rule(Kind.PAYLOAD)
def rt_32(case: Case) -> str:
    """A response is complete within 60 s.

    Source: DG your-algorithms-inference-code; API InvokeEndpoint.
    """
    payload = case.payload() if case.given.slow_payload is None else case.slow_payload()
    if payload is case.given.payload:
        _, answer = comparing.asked(case)
        if answer.seconds <= contract.INVOCATION_TIMEOUT_S:
            comparing.require_success(case)
    else:
        found = slow.run(case)
        if problem := slow.killed(found):
            raise problem
        answer = found.answer
        case.measured("the slow payload", "RT-32", answer.seconds, contract.INVOCATION_TIMEOUT_S)
    if not answer.status or answer.seconds > contract.INVOCATION_TIMEOUT_S:
        raise Broken(
            f"{answer.shown} after {answer.seconds:.1f} s; the limit is "
            f"{contract.INVOCATION_TIMEOUT_S} s",
            "make the model faster, or deploy an asynchronous endpoint, which waits up to 3600 s",
        )
    if not comparing.is_success(answer):
        shown = answer.text[:200]
        raise Broken(
            f"the payload is answered with {answer.shown} after {answer.seconds:.1f} s: {shown}",
            "the answer or the log has the cause",
        )
    return f"{answer.status} after {answer.seconds:.1f} s; the limit is 60 s"


@rule(Kind.PAYLOAD)
def rt_33(case: Case) -> str:
    """No time-out of the server's own ends a request before 60 s.

    Source: gunicorn's --timeout is 30 s by default, as in the serve.py of AWS's TensorFlow
    container.
    """
    found = slow.run(case)
    if problem := slow.killed(found):
        raise problem
    seconds = found.answer.seconds
    if not comparing.is_success(found.answer):
        raise NotTested(
            f"give a slow payload that the model answers: this one gets {found.answer.shown}"
        )
    if seconds < _COMMON_TIMEOUT_S:
        raise NotTested(
            f"give a slow payload that takes 31 to 59 s: after {seconds:.1f} s a time-out of 30 s "
            "has not been reached"
        )
    return f"{found.answer.status} after {seconds:.1f} s"


@rule(Kind.ANY, is_quick=True)
def rt_34(case: Case) -> str:
    """A body of 25 MB is taken.

    A payload of JSON is sent with white space within, and is answered as without; another one is
    sent in two pieces, and records of CSV repeatedly.

    Source: DG deploy-model-options; API InvokeEndpoint says 6,291,456 bytes.
    """
    shown = bodies.taken(case, contract.REQUEST_BODY_BYTES)
    bodies.require_pieces_read(case)
    bodies.require_records_kept(case)
    return f"{shown}{bodies.size_remark(case)}"


@rule(Kind.ANY)
def rt_35(case: Case) -> str:
    """No proxy in front refuses a body of 2 MB.

    Source: nginx's client_max_body_size is 1 MB by default; AWS's TensorFlow container sets 0.
    """
    return bodies.taken(case, _BEYOND_NGINX_BYTES)


@rule(Kind.PLATFORM)
def rt_36(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """A caller's library does not hold the 6 MB limit, which only the platform does.

    Source: botocore, validate.py.
    """
    return ""


@dataclass(frozen=True)
class _Junk:
    """A request that most models refuse.

    Attributes:
        named: Description for messages.
        payload: The request.
        accept: The header Accept.
    """

    named: str
    payload: Payload
    accept: str = "*/*"


_JUNK = (
    _Junk("an empty body", Payload(b"", _JSON)),
    _Junk("an empty list", Payload(b"[]", _JSON)),
    _Junk("a body that is not JSON", Payload(b'{"instances": [1, 2', _JSON)),
    _Junk("bytes that are not text", Payload(b"\xff\xfe\x00\x80" * 8, _JSON)),
    _Junk("an unknown media type", Payload(b"\x00\x01\x02", "application/x-byoi-unknown")),
    _Junk("a Content-Type that is none", Payload(b"[]", "junk")),
    _Junk("an unknown Accept", Payload(b"[]", _JSON), "application/x-byoi-unknown"),
)


@rule(Kind.ANY, is_quick=True)
def rt_37(case: Case) -> str:
    """What the model cannot take is answered with 4xx or 5xx, never with 200 and an error.

    Which of them is the image's choice. The server is there afterwards.

    Source: BC ModelError.
    """
    found = _junk_answers(case)
    if case.given.payload is not None:
        payload, answer = comparing.asked(case)
        found = [*found, (_Junk("the payload", payload), answer)]
    for junk, answer in found:
        if not answer.status:
            raise Broken(
                f"{junk.named} gets {answer.shown}",
                "answer each request: catch what the model raises, and answer 400 or 500",
            )
        if comparing.is_success(answer) and (error := error_bodies.error_in(answer.body)):
            raise Broken(
                f"{junk.named} is answered with {answer.status} and an error: {error}",
                "answer an error with 4xx where the request is wrong, with 5xx where the model "
                "fails: the caller takes 200 for a prediction",
            )
        if problem := malformed.problem(case, junk.payload, junk.named, answer):
            raise problem
    charsets.require_taken(case)
    return ", ".join(
        f"{junk.named}: {malformed.shown(junk.payload, answer)}" for junk, answer in found
    )


def _junk_answers(case: Case) -> list[tuple[_Junk, Answer]]:
    """Return the answers to requests that most models refuse.

    Raises:
        Broken: The server is not healthy afterwards.
    """
    comparing.usual(case)

    def ask() -> list[tuple[_Junk, Answer]] | Broken:
        server = case.server()
        found = []
        for junk in _JUNK:
            answer = server.invoke(
                junk.payload.body,
                junk.payload.content_type,
                {"Accept": junk.accept},
                timeout_s=_JUNK_TIMEOUT_S,
            )
            found.append((junk, answer))
            if problem := _problem_after(server, junk, answer):
                # The next rule gets a new server.
                case.close()
                return problem
        return found

    found = case.remembered("junk", ask)
    if isinstance(found, Broken):
        raise found
    return found


def _problem_after(server: Server, junk: _Junk, answer: Answer) -> Broken | None:
    remedy = "let no request end the server: catch what the model raises, and answer 400 or 500"
    ping = server.ping()
    code = server.sight.exit_code() if ping.status else bodies.end_of(server)
    if code is not None:
        return Broken(
            f"{junk.named} is answered with {answer.shown}, and the server has ended with status "
            f"{code}",
            remedy,
        )
    if ping.status != HTTPStatus.OK:
        return Broken(f"after {junk.named} /ping answers {ping.shown}", remedy)
    return None


@rule(Kind.ANY)
def rt_38(case: Case) -> str:
    """The body of an error has 2048 characters at most: the caller sees no more.

    Source: BC Message.
    """
    try:
        answers = [answer for _, answer in _junk_answers(case)]
    except Broken as broken:
        raise NotTested("fix RT-37 first") from broken
    errors = [one for one in answers if one.status >= HTTPStatus.BAD_REQUEST]
    if not errors:
        return "no request was refused"
    longest = max(len(one.body.decode("utf-8", "replace")) for one in errors)
    if longest > contract.ERROR_MESSAGE_CHARACTERS:
        raise Broken(
            f"an error has {longest} characters; the limit is {contract.ERROR_MESSAGE_CHARACTERS}",
            "answer an error with one short sentence, and write the traceback into the log",
        )
    return f"the longest of {len(errors)} errors has {longest} characters"


@rule(Kind.PLATFORM)
def rt_39(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """Callers get 400, 429, 500, 503 and 530 from the platform itself, for reasons of its own.

    Source: BC ModelNotReadyException, InternalFailure, ServiceUnavailable and others.
    """
    return ""
