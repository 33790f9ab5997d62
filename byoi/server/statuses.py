"""The HTTP status, stable name and message of each error.

The only module that knows both `byoi.errors` and HTTP. The error bodies of nginx, gunicorn and
Flask all come from here.
"""

import bisect
import json
from http import HTTPStatus

from byoi import contract, errors

STATUSES: dict[type[errors.ByoiError], HTTPStatus] = {
    errors.MalformedBody: HTTPStatus.BAD_REQUEST,
    errors.NotAcceptable: HTTPStatus.NOT_ACCEPTABLE,
    errors.UnsupportedContentEncoding: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.UnsupportedContentType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    # RFC 9110, 15.5.14: larger than the server is willing to process.
    errors.TooManyInstances: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.RequestError: HTTPStatus.BAD_REQUEST,
    errors.ModuleFailed: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""Errors of the client, and one temporary error (503); any other deliberate error is 500."""

ROUTES = {
    contract.PING_PATH: ("GET", "HEAD", "POST"),
    contract.INVOCATIONS_PATH: ("POST",),
}
# Methods of /execution-parameters, a path that exists only if the parameters are set.
PARAMETERS_METHODS = ("GET", "HEAD")
INTERNAL_ERROR = 500
BUSY_STATUS = 503
_EXISTING = "; ".join(f"{', '.join(methods)} {path}" for path, methods in ROUTES.items())

ERRORS: dict[int, tuple[str, str]] = {
    400: ("BadRequest", "received no well-formed HTTP request"),
    403: (
        "Forbidden",
        (
            "received a Host or Origin of another place; a server that shows a page answers only "
            "http://127.0.0.1:{port} and http://localhost:{port}: use one, or set BYOI_PAGE=off"
        ),
    ),
    404: ("NotFound", f"received a path that does not exist; there are {_EXISTING}"),
    405: ("MethodNotAllowed", f"received a method this path does not take; there are {_EXISTING}"),
    406: ("NotAcceptable", "no response format satisfies the Accept header"),
    408: (
        "RequestTimeout",
        "the request body stopped arriving, or came too slowly; send it again without a pause",
    ),
    412: ("PreconditionFailed", "nothing here has a version; leave out If-Match and the like"),
    413: (
        "PayloadTooLarge",
        "the request body is larger than the limit of {body_limit_bytes} bytes",
    ),
    414: ("UriTooLong", "the request line is too long; send data in the body"),
    415: ("UnsupportedContentType", "no request format matches the Content-Type header"),
    417: ("ExpectationFailed", "the only expectation this server knows is 100-continue"),
    431: ("HeadersTooLarge", "the request headers are too large; send data in the body"),
    500: ("InternalError", "the server failed; its log has the cause under this request id"),
    501: ("NotImplemented", "the only transfer coding this server takes is chunked"),
    502: ("BadGateway", "the worker ended before it answered; the request may be sent again"),
    503: ("NotReady", "no worker is ready to serve; wait until /ping answers 200"),
    504: (
        "DeadlineExceeded",
        "no answer within {invocation_timeout_s:g} s, the limit for one invocation",
    ),
    505: ("HttpVersionNotSupported", "this server speaks HTTP/1.0 and HTTP/1.1"),
}
"""By status: stable name and default message. Names in braces are fields of `Settings`."""

BUSY = (
    "Busy",
    (
        "all {workers} workers were busy for {invocation_timeout_s:g} s, and none took this "
        "request; more at once need a larger SAGEMAKER_MODEL_SERVER_WORKERS, or BYOI_THREADS if "
        "the inference module may be called from several threads"
    ),
)
"""Another 503: the server is ready, but all workers were busy for the whole time."""


def of(error: errors.ByoiError) -> tuple[int, str]:
    """Return the status and the stable name of a deliberate error."""
    for kind in type(error).__mro__:
        if kind in STATUSES:
            return int(STATUSES[kind]), kind.__name__
    return 500, ERRORS[500][0]


def chosen(error: BaseException) -> int | None:
    """Return the status that an error of AWS's inference toolkit sets, None for other errors.

    Recognised by its attributes, because a script may bring its own copy of the toolkit.
    """
    status = getattr(error, "status_code", None)
    if isinstance(status, int) and 400 <= status <= 599 and hasattr(error, "phrase"):
        return status
    # The toolkit's class has no status; this project's replacement is also answered with 415.
    names = {(kind.__module__, kind.__name__) for kind in type(error).__mro__}
    if ("sagemaker_inference.errors", "UnsupportedFormatError") in names:
        return int(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    return None


def is_bad_record(error: Exception) -> bool:
    """Whether an error means 400: wrong content of the body, not its type or size."""
    status = of(error)[0] if isinstance(error, errors.ByoiError) else chosen(error)
    return status == HTTPStatus.BAD_REQUEST


def is_unexpected(error: Exception) -> bool:
    """Whether an error has no status of its own, for example a ValueError of a library."""
    return not isinstance(error, errors.ByoiError) and chosen(error) is None


def body(name: str, message: str, request_id: str) -> bytes:
    """Return the JSON body of an error, short enough for SageMaker to pass all of it on.

    Args:
        name: Stable name, one word.
        message: The received and the expected value; cut if it is too long.
        request_id: The id of this request in the log.
    """
    limit = contract.ERROR_MESSAGE_CHARACTERS

    def dump(text: str) -> str:
        error = {"error": name, "message": text, "request_id": request_id}
        return json.dumps(error, ensure_ascii=False)

    if len(message) > limit or len(dump(message)) > limit:
        lengths = range(limit)
        cut = bisect.bisect_left(
            lengths, True, key=lambda length: len(dump(message[:length] + "…")) > limit
        )
        message = message[: cut - 1] + "…"
    return dump(message).encode("utf-8", errors="replace")
