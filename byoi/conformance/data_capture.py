"""Contract 8B: data capture."""

import json
import re

from byoi.conformance import comparing, connections, payload_formats
from byoi.conformance.case import Case, Payload
from byoi.conformance.comparing import usual
from byoi.conformance.rule import Kind, rule
from byoi.conformance.server import Answer, Server
from byoi.conformance.verdict import Broken

# With fewer requests, new files may have other reasons.
_TELLING_REQUESTS = 5
# How a body of JSON begins, and one of these media types never does.
_NEVER_BEGIN = {
    "text/html": (b"{", b"["),
    "application/xml": (b"{", b"["),
    "text/csv": (b"{",),
}
# Numbers that Python writes and JSON does not have, outside of texts.
_CONSTANT = re.compile(r"-?\b(?:NaN|Infinity)\b(?=\s*[,\]}]|\s*$)")


@rule(Kind.PAYLOAD)
def dc_01(case: Case) -> str:
    """The Content-Type of a response is that of its body: text is captured by its type.

    Source: BC CaptureContentTypeHeader.
    """
    payload = case.payload()
    answer = comparing.require_success(case)
    content_type = answer.headers.get("content-type", "")
    encoding = answer.headers.get("content-encoding", "identity").strip()
    if encoding.lower() != "identity":
        raise Broken(
            f"Content-Encoding: {encoding} without Accept-Encoding: {encoding} in the request",
            "compress a response only where the request's Accept-Encoding allows it: the capture "
            "and the caller get the body as it is",
        )
    media_type = answer.media_type
    if wrong := _first_not_json(answer, media_type):
        shown = wrong[:60]
        if following := _following(case.server(), payload):
            raise Broken(
                f"a response of {media_type} is cut: {following} bytes follow its Content-Length "
                f"of {len(answer.body)} B; it ends with {answer.body[-20:]!r}",
                "let Content-Length be the number of bytes of the body, not of its characters: "
                "len(text.encode())",
            )
        if constant := _CONSTANT.search(wrong):
            raise Broken(
                f"{constant[0]} is not JSON, and a response of {media_type} has it: "
                f"{wrong[max(0, constant.start() - 40) :][:60]}",
                "write null for it, or answer with an error: Python's json.dumps with "
                "allow_nan=False raises one",
            )
        raise Broken(
            f"a response of {media_type} is not JSON: {shown}",
            "name the media type that the body has",
        )
    if answer.body.lstrip()[:1] in _NEVER_BEGIN.get(media_type, ()) and _is_json(answer.body):
        raise Broken(
            f"a response of {media_type} is JSON: {answer.text[:60]}",
            "name the media type that the body has, application/json: in Flask, return a "
            "dictionary or jsonify(...) instead of a text",
        )
    return content_type


def _first_not_json(answer: Answer, media_type: str) -> str:
    """Return the text in a response of JSON or JSON Lines that is not JSON, "" without one."""
    if payload_formats.is_json(media_type):
        texts = [answer.body]
    elif media_type in payload_formats.JSON_LINES:
        texts = [one for one in answer.body.split(b"\n") if one.strip()]
    else:
        return ""
    wrong = next((one for one in texts if not _is_json(one)), None)
    return "" if wrong is None else wrong.decode("utf-8", "replace") or "an empty body"


def _refuse(name: str) -> None:
    raise ValueError(name)


def _is_json(text: bytes) -> bool:
    """Whether a text is JSON: unlike for Python, NaN and infinity are not."""
    try:
        json.loads(text, parse_constant=_refuse)
    except ValueError:
        return False
    return True


def _following(server: Server, payload: Payload) -> int:
    """Return how many bytes follow the end of an answer to a payload."""
    try:
        with connections.opened(server) as connection:
            connection.send(connections.invocation(server, payload))
            return len(connection.rest().data) if connection.answer().status else 0
    except OSError:
        return 0


@rule(Kind.PLATFORM)
def dc_02(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """What is captured is written into S3 as JSON Lines.

    Source: DG model-monitor-data-capture-endpoint.
    """
    return ""


@rule(Kind.ANY)
def dc_03(case: Case) -> str:
    """The container does not fill the disk: capture stops where 75 % are used.

    Seen from outside: requests leave no file each.

    Source: DG model-monitor-data-capture-endpoint.
    """
    payload, _ = usual(case)
    server = case.server()
    before = set(server.sight.changes())
    sent = len(comparing.repeated(server, payload))
    new = sorted(set(server.sight.changes()) - before)
    if sent >= _TELLING_REQUESTS and len(new) >= sent:
        raise Broken(
            f"{sent} requests left {len(new)} new files, such as {new[-1]}",
            "remove what a request has written when it is answered",
        )
    return f"{sent} requests left {len(new)} new files"


@rule(Kind.PLATFORM)
def dc_04(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """Capture works without Model Monitor, which new customers do not get.

    Source: DG model-monitor-availability-change.
    """
    return ""


@rule(Kind.PLATFORM)
def dc_05(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """There is no capture on serverless endpoints, nor in local mode.

    Source: DG serverless-endpoints.
    """
    return ""
