"""What gunicorn refuses by itself, answered as every other error is: in JSON.

Source: gunicorn 27, http/errors.py and workers/base.py (`handle_error`).
"""

from contextlib import suppress
from http import HTTPStatus
from typing import Any

from gunicorn.http import errors as http_errors

from byoi_lib.serving import statuses
from byoi_lib.serving.settings import Settings

# What gunicorn's parser raises for a client's fault; the rest are ours, 500.
CLIENT_FAULTS: dict[type[Exception], int] = {
    http_errors.LimitRequestHeaders: 431,
    http_errors.LimitRequestLine: 414,
    http_errors.ExpectationFailed: 417,
    http_errors.UnsupportedTransferCoding: 501,
    http_errors.InvalidHTTPVersion: 505,
    http_errors.InvalidResponseHeader: 500,
    http_errors.InvalidResponseHeaderName: 500,
    http_errors.ConfigurationProblem: 500,
    http_errors.ParseException: 400,
}


def status_of(error: Exception) -> int:
    """Return the status of what gunicorn's parser raised; 500 for anything else."""
    return next((CLIENT_FAULTS[kind] for kind in type(error).__mro__ if kind in CLIENT_FAULTS), 500)


def request_id_of(request: Any) -> str | None:
    """Return the request id nginx gave, None where there is none."""
    headers = getattr(request, "headers", None) or []
    return next((value for name, value in headers if name == "X-REQUEST-ID"), None)


def send_error(socket: Any, status: int, settings: Settings, request_id: str) -> None:
    """Write a whole error response to a connection that then closes."""
    name, message = statuses.ERRORS[status]
    body = statuses.body(name, message.format_map(vars(settings)), request_id)
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"X-Request-Id: {request_id}\r\n\r\n"
    )
    with suppress(OSError):  # the client may have left
        socket.settimeout(1.0)
        socket.sendall(head.encode("ascii") + body)
