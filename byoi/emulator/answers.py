"""Errors the emulator answers by itself, in the form of the service that was asked."""

import json
from typing import Any
from xml.sax.saxutils import escape

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


def query_error(status: int, code: str, message: str) -> Response:
    """Return an error as services of the query protocol give it."""
    body = (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code>"
        f"<Message>{escape(message)}</Message></Error></ErrorResponse>"
    )
    return Response(body, status=status, content_type="text/xml")


def refused(what: str) -> Response:
    """Return the error for what is not emulated; boto3 never sends 501 again."""
    return error(501, refusals.CODE, refusals.message(what))
