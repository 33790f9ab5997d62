"""Errors that the emulator itself answers, in the form of the protocol that was asked.

Among them the 403 of a request that is not let in.

Sources: API references, "Common Errors" (query and JSON protocols); S3 API reference,
ErrorResponses.html.
"""

import json
from typing import Any
from xml.sax.saxutils import escape

from werkzeug.wrappers import Request, Response

from byoi.emulator import refusals

_FORM = "application/x-www-form-urlencoded"
# Reasons, and AWS's names for them: S3, query, JSON.
MISSING = ("AccessDenied", "MissingAuthenticationToken", "MissingAuthenticationTokenException")
UNSUPPORTED = ("AccessDenied", "IncompleteSignature", "IncompleteSignatureException")
UNKNOWN_KEY = ("InvalidAccessKeyId", "InvalidClientTokenId", "UnrecognizedClientException")
WRONG = ("SignatureDoesNotMatch", "SignatureDoesNotMatch", "InvalidSignatureException")
WRONG_TIME = ("RequestTimeTooSkewed", "SignatureDoesNotMatch", "InvalidSignatureException")
EXPIRED_URL = ("AccessDenied", "SignatureDoesNotMatch", "InvalidSignatureException")
EXPIRED_KEY = ("ExpiredToken", "ExpiredToken", "ExpiredTokenException")
WRONG_TOKEN = ("InvalidToken", "InvalidClientTokenId", "UnrecognizedClientException")
WRONG_BODY = ("XAmzContentSHA256Mismatch", "SignatureDoesNotMatch", "InvalidSignatureException")
FOREIGN = ("AccessDenied", "AccessDenied", "AccessDeniedException")
TOO_LARGE = ("EntityTooLarge", "413", "413")

FORBIDDEN = 403


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


class DeniedError(Exception):
    """A request is not let in.

    Attributes:
        codes: AWS's names for the error: of S3, of the query protocol and of JSON's.
        message: What was received and what was expected.
        status: Of the answer.
    """

    def __init__(
        self, codes: tuple[str, str, str], message: str, *, status: int = FORBIDDEN
    ) -> None:
        super().__init__(message)
        self.codes = codes
        self.message = message
        self.status = status


def response(request: Request, denied: DeniedError, service: str) -> Response:
    """Return the answer; the request's body is not read for it.

    Args:
        request: What was not let in.
        denied: Why not.
        service: The one that the signature names, "" where there is none.
    """
    s3, query, json = denied.codes
    # A body for an endpoint may have any type.
    if _speaks_json(request):
        return error(denied.status, json, denied.message)
    if request.mimetype == _FORM and service != "s3":
        return query_error(denied.status, query, denied.message)
    if service not in {"", "s3"}:
        return error(denied.status, json, denied.message)
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{s3}</Code><Message>{escape(denied.message)}</Message></Error>"
    )
    return Response(body, status=denied.status, content_type="application/xml")


def _speaks_json(request: Request) -> bool:
    """Whether a request is for a service whose errors are JSON, whatever its signature says."""
    return (
        "X-Amz-Target" in request.headers
        or request.mimetype.startswith("application/x-amz-json")
        or request.path.startswith(("/endpoints/", "/restapis", "/apikeys", "/usageplans"))
    )
