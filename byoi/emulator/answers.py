"""Errors that the emulator itself answers, in the form of the protocol that was asked.

Among them the 403 of a request that is not let in.

Sources: API references, "Common Errors" (query and JSON protocols: InternalFailure, 500);
S3 API reference, ErrorResponses.html (InternalError).
"""

import json
import uuid
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
INTERNAL = 500


def error(status: int, code: str, message: str, **members: Any) -> Response:
    """Return an error that boto3 raises under the name `code`."""
    return Response(
        json.dumps({"__type": code, "Message": message, "message": message, **members}),
        status=status,
        content_type="application/json",
        headers={"x-amzn-errortype": code, "x-amzn-RequestId": str(uuid.uuid4())},
    )


def query_error(status: int, code: str, message: str) -> Response:
    """Return an error as services of the query protocol give it."""
    request_id = str(uuid.uuid4())
    fault = "Receiver" if status == INTERNAL else "Sender"
    body = (
        f"<ErrorResponse><Error><Type>{fault}</Type><Code>{code}</Code>"
        f"<Message>{escape(message)}</Message></Error>"
        f"<RequestId>{request_id}</RequestId></ErrorResponse>"
    )
    headers = {"x-amzn-RequestId": request_id}
    return Response(body, status=status, content_type="text/xml", headers=headers)


def s3_error(status: int, code: str, message: str) -> Response:
    """Return an error as S3 gives it."""
    request_id = str(uuid.uuid4())
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{code}</Code><Message>{escape(message)}</Message>"
        f"<RequestId>{request_id}</RequestId></Error>"
    )
    headers = {"x-amz-request-id": request_id}
    return Response(body, status=status, content_type="application/xml", headers=headers)


def failure(protocol: str, status: int, code: str, message: str) -> Response:
    """Return an error in the form of a protocol, as the service models name it."""
    if protocol == "query":
        return query_error(status, code, message)
    if protocol == "rest-xml":
        return s3_error(status, code, message)
    return error(status, code, message)


def unforeseen(protocol: str) -> Response:
    """Return the error for what nobody foresaw."""
    code = "InternalError" if protocol == "rest-xml" else "InternalFailure"
    message = (
        "Internal error of the emulator; its log has the cause. AWS would not return this error. "
        "Please report it."
    )
    return failure(protocol, INTERNAL, code, message)


def refused(what: str) -> Response:
    """Return the error for what is not emulated."""
    return error(refusals.STATUS, refusals.CODE, refusals.message(what))


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
    return s3_error(denied.status, s3, denied.message)


def _speaks_json(request: Request) -> bool:
    """Whether a request is for a service whose errors are JSON, whatever its signature says."""
    return (
        "X-Amz-Target" in request.headers
        or request.mimetype.startswith("application/x-amz-json")
        or request.path.startswith(("/endpoints/", "/restapis", "/apikeys", "/usageplans"))
    )
