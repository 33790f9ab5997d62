"""The user's payload with another length: what a server answers to it depends on the length alone.

Source: RFC 8259, section 2: white space is allowed after the bracket that opens a value of JSON,
and before any value.
"""

import json

from byoi.conformance.case import Payload
from byoi.formats import content_types

JSON_LINES = {content_types.JSON_LINES, *content_types.OTHER_NAMES[content_types.JSON_LINES]}


def is_json(media_type: str) -> bool:
    """Whether a media type is that of one value of JSON."""
    return media_type == content_types.JSON or media_type.endswith("+json")


def padded(payload: Payload, size_bytes: int) -> Payload | None:
    """Return the same payload with a larger size, None if its format allows no white space.

    The white space is within the first value: a server that reads only a part of the body finds no
    complete value. More records would take a model more time and memory, so there are not more.

    Args:
        payload: A payload.
        size_bytes: The size of the result in bytes; a payload that is larger stays as it is.
    """
    body = payload.body
    is_lines = payload.media_type in JSON_LINES
    if not is_lines and not is_json(payload.media_type):
        return None
    first = body.lstrip().partition(b"\n")[0] if is_lines else body
    try:
        json.loads(first.decode())
    except ValueError:
        return None
    start = len(body) - len(body.lstrip())
    at = start + 1 if body[start : start + 1] in {b"{", b"["} else start
    spaces = b" " * (size_bytes - len(body))
    return Payload(body[:at] + spaces + body[at:], payload.content_type)
