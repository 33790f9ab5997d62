"""Contract 8B: data capture."""

import json

from byoi.conformance import comparing
from byoi.conformance.case import Case
from byoi.conformance.comparing import usual
from byoi.conformance.rule import Kind, rule
from byoi.conformance.verdict import Broken

# With fewer requests, new files may have other reasons.
_TELLING_REQUESTS = 5


@rule(Kind.PAYLOAD)
def dc_01(case: Case) -> str:
    """The Content-Type of a response is that of its body: text is captured by its type.

    Source: BC CaptureContentTypeHeader.
    """
    case.payload()
    answer = comparing.require_success(case)
    content_type = answer.headers.get("content-type", "")
    media_type = content_type.partition(";")[0].strip().lower()
    is_json = media_type == "application/json" or media_type.endswith("+json")
    try:
        json.loads(answer.body)
    except ValueError as error:
        if is_json:
            shown = answer.text[:60]
            raise Broken(
                f"a response of {media_type} is not JSON: {shown}",
                "name the media type that the body has",
            ) from error
    return content_type


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
