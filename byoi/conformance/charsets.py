"""A Content-Type with the parameter `charset`, which many clients add to a text.

Source: RFC 9110, section 8.3.2; RFC 8259, section 11: for JSON it means nothing.
"""

from byoi.conformance import bodies, comparing, padding
from byoi.conformance.case import Case
from byoi.conformance.verdict import Broken

_SPELLINGS = ("; charset=utf-8", ";charset=UTF-8")


def require_taken(case: Case) -> None:
    """Send the payload with a charset, if its type is text or JSON and has no parameter.

    Raises:
        Broken: It is refused, and without the charset it is not.
        NotTested: Without the charset it is refused as well, in the meantime.
    """
    payload = case.given.payload
    if payload is None or not comparing.is_success(comparing.asked(case)[1]):
        return
    media_type = payload.media_type
    is_text = media_type.startswith("text/") or padding.is_json(media_type)
    if ";" in payload.content_type or not (is_text or media_type in padding.JSON_LINES):
        return
    try:
        payload.body.decode()
    except ValueError:
        return
    for spelling in _SPELLINGS:
        content_type = payload.content_type + spelling
        answer = case.server().invoke(payload.body, content_type)
        if comparing.is_success(answer):
            continue
        usual = bodies.require_unchanged(case)
        raise Broken(
            f"{content_type} gets {answer.shown} where {payload.content_type} gets "
            f"{usual.status}: {answer.text[:120]}",
            "compare the media type alone: what follows its semicolon is a parameter, and letters "
            "are the same in both cases",
        )
