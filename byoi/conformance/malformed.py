"""Malformed bodies that are answered with a success.

A model may ignore its body, and a text may be a request. So only a body that is not JSON, sent as
JSON to a model whose payload is JSON, tells anything.
"""

import json

from byoi.conformance import comparing, error_bodies, padding
from byoi.conformance.case import Case, Payload
from byoi.conformance.server import Answer
from byoi.conformance.verdict import Broken


def problem(case: Case, sent: Payload, named: str, answer: Answer) -> Broken | None:
    """Return the problem that a malformed body has an empty success, None without one.

    Args:
        case: What the rule is tested on.
        sent: The request.
        named: Its name for messages.
        answer: Its answer.
    """
    given = case.given.payload
    if given is None or not comparing.is_success(answer) or not padding.is_json(given.media_type):
        return None
    _, usual = comparing.asked(case)
    is_told = comparing.is_success(usual) and not error_bodies.is_nothing(usual.body)
    if not is_told or not _is_malformed(sent) or not error_bodies.is_nothing(answer.body):
        return None
    return Broken(
        f"{named}, sent as {sent.content_type}, gets {shown(sent, answer)}",
        "answer a body that cannot be read with 400: the caller takes 200 for a prediction",
    )


def shown(sent: Payload, answer: Answer) -> str:
    """Return the status of an answer, with its body if a malformed request has a success."""
    if not comparing.is_success(answer) or not _is_malformed(sent):
        return str(answer.status)
    return f"{answer.status} with {answer.text[:40].strip() or 'an empty body'}"


def _is_malformed(sent: Payload) -> bool:
    """Whether a body of JSON is not empty and is not JSON."""
    if not sent.body.strip() or not padding.is_json(sent.media_type):
        return False
    try:
        json.loads(sent.body)
    except ValueError:
        return True
    return False
