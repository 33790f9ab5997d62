"""Responses the emulator gives by itself, in the form rest-json services give them."""

import json
from typing import Any

from werkzeug.wrappers import Response

from byoi.emulator import refusals


def error(status: int, code: str, message: str, **members: Any) -> Response:
    """Return an error that boto3 raises under the name `code`."""
    return Response(
        json.dumps({"__type": code, "Message": message, "message": message, **members}),
        status=status,
        content_type="application/json",
        headers={"x-amzn-errortype": code},
    )


def refused(what: str) -> Response:
    """Return the error for what is not emulated; boto3 never sends 501 again."""
    return error(501, refusals.CODE, refusals.message(what))
