"""Formats of payloads and responses: which are JSON, what may be added, and how many records.

Source: RFC 8259, section 2: white space is allowed after the bracket that opens a value of JSON,
and before any value.
"""

import json
from collections.abc import Set as AbstractSet
from typing import Any

from byoi.conformance.case import Payload
from byoi.conformance.server import Answer
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


def records_of(answer: Answer, of_lines: AbstractSet[str]) -> list[Any] | None:
    """Return the records of a response, None if its format is not known.

    Args:
        answer: The response; one that is not of lines is a JSON list, or an object with one list.
        of_lines: The media types with one record a line.
    """
    if answer.media_type in of_lines:
        return answer.body.strip(b"\r\n").splitlines()
    try:
        content = json.loads(answer.body)
    except ValueError:
        return None
    if isinstance(content, dict):
        lists = [value for value in content.values() if isinstance(value, list)]
        content = lists[0] if len(lists) == 1 else None
    return content if isinstance(content, list) else None
