"""The one door: each request goes to an endpoint, to moto, or is refused, and leaves a log line."""

import io
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from xml.sax.saxutils import escape

from werkzeug.wrappers import Request, Response

from byoi.emulator import answers, refusals
from byoi.emulator.api_gateway.rest_apis import RestApis
from byoi.emulator.calls import Calls
from byoi.emulator.endpoints.container_logs import ContainerLogs
from byoi.emulator.runtime.invocations import Invocations

# AWS Signature Version 4: Credential=KEY/DATE/REGION/SERVICE/aws4_request.
_SCOPE = re.compile(r"Credential=[^/]*/\d+/([^/]+)/([^/]+)/aws4_request")
_ENDPOINTS = "/endpoints/"
# Polled while something else is waited for; a line for each would hide the others.
_QUIET = frozenset({"DescribeEndpoint", "DescribeLogStreams", "GetLogEvents", "FilterLogEvents"})

# AWS's, and S3's own.
_REQUEST_IDS = {"x-amzn-requestid", "x-amz-request-id"}


class Front:
    """A WSGI application.

    Args:
        moto: moto's own, for everything that it is enough for.
        invocations: Answers for the endpoints.
        apis: Answers calls of REST APIs.
        before: Service to what is done once, before its first request reaches moto.
        logs: Brought up to date before CloudWatch Logs are read.
        region: For requests that name none.
        log: Takes one line for each call.
        calls: Keeps them.
    """

    def __init__(  # noqa: PLR0913 - one caller, keywords
        self,
        moto: Callable[..., Iterable[bytes]],
        invocations: Invocations,
        apis: RestApis,
        *,
        before: Mapping[str, Callable[[], object]],
        logs: ContainerLogs,
        region: str,
        log: Callable[[str], None],
        calls: Calls,
    ) -> None:
        self._moto = moto
        self._invocations = invocations
        self._apis = apis
        self._before = dict(before)
        self._lock = threading.Lock()
        self._logs = logs
        self._region = region
        self._log = log
        self._calls = calls

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer one request."""
        started_s = time.perf_counter()
        request = Request(environ)
        if self._apis.is_call(request.path):
            return self._apis.answer(request)(environ, start_response)
        region, service = self._scope(request)
        action = _action(request)
        parameters = self._calls.parameters(request)

        def start(status: str, headers: Any, exc_info: Any = None) -> Any:
            number = status.split(maxsplit=1)[0]
            self._calls.write(request, service, action, parameters, int(number))
            if action not in _QUIET or not status.startswith("2"):
                ms = (time.perf_counter() - started_s) * 1000
                # A status says little where it was right; an error is the caller's to read.
                self._log(f"{service} {action}: {number}, {ms:.0f} ms")
            return start_response(status, _with_request_id(headers), exc_info)

        if request.path.startswith(_ENDPOINTS) and service == "sagemaker":
            return self._invocations.answer(request, region)(environ, start)
        if not refusals.is_emulated(service, action) or request.path.startswith("/moto-api"):
            return _refuse(request, service, action)(environ, start)
        with self._lock:
            self._before.pop(service, lambda: None)()
        if service == "logs":
            self._logs.copy()
        try:
            return self._moto(environ, start)
        except NotImplementedError:  # moto's word for an action it lacks
            return _refuse(request, service, action)(environ, start)

    def _scope(self, request: Request) -> tuple[str, str]:
        """Return region and service; unsigned requests can only be for objects in S3."""
        match = _SCOPE.search(request.headers.get("Authorization", ""))
        return (match[1], match[2]) if match else (self._region, "s3")


def _with_request_id(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return a response's headers, with the one that boto3's ResponseMetadata has its id from."""
    if any(name.lower() in _REQUEST_IDS for name, _ in headers):
        return headers
    return [*headers, ("x-amzn-RequestId", str(uuid.uuid4()))]


def _action(request: Request) -> str:
    """Return what a request asks for: an action's name, or method and path."""
    if target := request.headers.get("X-Amz-Target"):
        return target.rpartition(".")[2]
    # A body for an endpoint may have any type, and may be too long to be read here.
    is_form = request.mimetype == "application/x-www-form-urlencoded"
    if is_form and not request.path.startswith(_ENDPOINTS):
        body = request.get_data()
        # For moto, which reads it again.
        request.environ["wsgi.input"] = io.BytesIO(body)
        match = re.search(rb"(?:^|&)Action=(\w+)", body)
        if match:
            return match[1].decode()
    return f"{request.method} {request.path}"


def _refuse(request: Request, service: str, action: str) -> Response:
    message = refusals.message(f"{action} of {service}")
    if request.mimetype == "application/x-www-form-urlencoded":
        body = (
            f"<ErrorResponse><Error><Type>Sender</Type><Code>{refusals.CODE}</Code>"
            f"<Message>{escape(message)}</Message></Error></ErrorResponse>"
        )
        return Response(body, status=501, content_type="text/xml")
    return answers.error(501, refusals.CODE, message)
