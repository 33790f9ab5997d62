"""Contract 1D: invocations."""

from http import HTTPStatus

from byoi import contract
from byoi.conformance import (
    bodies,
    comparing,
    controls,
    error_bodies,
    junk,
    log_lines,
    repetition,
    slow,
)
from byoi.conformance.case import Case
from byoi.conformance.rule import Kind, rule
from byoi.conformance.verdict import Broken, NotTested

_JSON = "application/json"
# More than the default of nginx's client_max_body_size, 1 MB.
_BEYOND_NGINX_BYTES = 2 * 1024 * 1024
# The default timeout of gunicorn's workers.
_COMMON_TIMEOUT_S = 30.0
# No model takes this long to refuse a request.
_JUNK_TIMEOUT_S = 30.0


@rule(Kind.ANY, is_quick=True)
def rt_31(case: Case) -> str:
    """POST /invocations is handled; a success has a Content-Type, whichever worker answers.

    A payload is sent over many new connections. Answers that differ each time are those of a
    model that answers at random, and are not compared.

    Source: DG your-algorithms-inference-code.
    """
    if case.given.payload is not None:
        comparing.asked(case)
    answer = case.server().invoke(b"[]", _JSON, timeout_s=_JUNK_TIMEOUT_S)
    if answer.status in comparing.WITHOUT_ROUTE:
        raise Broken(
            f"POST /invocations answers {answer.shown}",
            f"add a route for POST {contract.INVOCATIONS_PATH}",
        )
    if not answer.status:
        raise Broken(
            f"POST /invocations with an empty list gets {answer.shown}{_told(case)}",
            "answer each request, with 4xx or 5xx if it fails, and send as many bytes as its "
            "Content-Length, or its chunks, declare",
        )
    if location := answer.headers.get("location"):
        raise Broken(
            f"POST /invocations answers {answer.shown}, to {location}",
            "answer it there: the platform speaks HTTP, and follows no redirect",
        )
    if case.given.payload is None:
        return f"an empty list is answered with {answer.status}"
    controls.require_sound(case, "an empty list")
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
    alike = repetition.alike(case, case.given.payload)
    shown = f"{answer.status}, {answer.headers['content-type']}, {answer.seconds * 1000:.0f} ms"
    return f"{shown}; {alike}"


def _told(case: Case) -> str:
    """Return the last error line of the log, "" without one."""
    line = log_lines.last_telling(case.log())
    return f"; its log: {line}" if line else ""


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


@rule(Kind.ANY, is_quick=True)
def rt_37(case: Case) -> str:
    """What the model cannot take is answered with 4xx or 5xx, never with 200 and an error.

    Which of them is the image's choice. The server is there afterwards.

    Source: BC ModelError.
    """
    found = junk.answers(case)
    for named, sent, answer in found:
        if not answer.status:
            raise Broken(
                f"{named} gets {answer.shown}",
                "answer each request: catch what the model raises, and answer 400 or 500",
            )
        if comparing.is_success(answer) and (error := error_bodies.error_in(answer.body)):
            raise Broken(
                f"{named} is answered with {answer.status} and an error: {error}",
                "answer an error with 4xx if the request is wrong, with 5xx if the model fails: "
                "the caller takes 200 for a prediction",
            )
        if problem := junk.hidden_problem(case, sent, named, answer):
            raise problem
    bodies.require_charset_taken(case)
    return ", ".join(f"{named}: {junk.shown(sent, answer)}" for named, sent, answer in found)


@rule(Kind.ANY)
def rt_38(case: Case) -> str:
    """The body of an error has 2048 characters at most: the caller sees no more.

    Source: BC Message.
    """
    try:
        answers = [answer for _, _, answer in junk.answers(case)]
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
