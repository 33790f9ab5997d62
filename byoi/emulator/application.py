"""WSGI application: admit each request, route it to an endpoint or to moto, and log it."""

import io
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from werkzeug.wrappers import Request, Response

from byoi.emulator import answers, refusals
from byoi.emulator.answers import DeniedError
from byoi.emulator.api_gateway.rest_apis import RestApis
from byoi.emulator.calls import Calls
from byoi.emulator.door import LIVENESS_PATH, Caller, Door
from byoi.emulator.endpoints.container_logs import ContainerLogs
from byoi.emulator.runtime.invocations import Invocations

# For the line in the log that says what was not let in: AWS Signature Version 4.
_SERVICE = re.compile(r"Credential=[^/, ]*/\d+/[\w-]+/([\w-]+)/aws4_request")
_ENDPOINTS = "/endpoints/"
# Polled while a client waits; a line for each would hide the others.
_QUIET = frozenset({"DescribeEndpoint", "DescribeLogStreams", "GetLogEvents", "FilterLogEvents"})

# moto's own API and its metadata of a machine, which are nobody's bucket here.
_MOTOS_OWN = ("/moto-api", "/favicon.ico", "/latest/meta-data/", "/latest/api/")

# AWS's, and S3's own.
_REQUEST_IDS = {"x-amzn-requestid", "x-amz-request-id"}


class Application:
    """A WSGI application.

    Args:
        moto: moto's own, for everything that it is enough for.
        invocations: Answers for the endpoints.
        apis: Answers calls of REST APIs.
        door: Lets requests in.
        before: Service to what is done once, before its first request reaches moto.
        logs: Brought up to date before CloudWatch Logs are read.
        log: Takes one line for each call.
        calls: Keeps them.
    """

    def __init__(  # noqa: PLR0913 - one caller, keywords
        self,
        moto: Callable[..., Iterable[bytes]],
        invocations: Invocations,
        apis: RestApis,
        *,
        door: Door,
        before: Mapping[str, Callable[[], object]],
        logs: ContainerLogs,
        log: Callable[[str], None],
        calls: Calls,
    ) -> None:
        self._moto = moto
        self._invocations = invocations
        self._apis = apis
        self._door = door
        self._before = dict(before)
        self._lock = threading.Lock()
        self._logs = logs
        self._log = log
        self._calls = calls

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer one request."""
        started_s = time.perf_counter()
        request = Request(environ)
        try:
            self._door.require_host(request)
            if self._apis.is_call(request.path):
                # Its method decides who may call it, and its answers what a page may read.
                return self._apis.answer(request)(environ, start_response)
            if request.path == LIVENESS_PATH:
                self._door.require_own(request)
                return _alive(request)(environ, start_response)
            caller = self._door.admit(request)
        except DeniedError as denied:
            return self._deny(request, denied)(environ, start_response)
        return self._answer(request, caller, start_response, started_s)

    def _answer(
        self,
        request: Request,
        caller: Caller,
        start_response: Callable[..., Any],
        started_s: float,
    ) -> Iterable[bytes]:
        """Answer a request that was let in."""
        environ, service = request.environ, caller.service
        action = _action(request)
        parameters = self._calls.parameters(request)

        def start(status: str, headers: Any, exc_info: Any = None) -> Any:
            number = status.split(maxsplit=1)[0]
            self._calls.write(request, caller, action, parameters, int(number))
            if action not in _QUIET or not status.startswith("2"):
                ms = (time.perf_counter() - started_s) * 1000
                # Of a success the status is enough; the caller reads the text of an error.
                self._log(f"{service} {action}: {number}, {ms:.0f} ms")
            return start_response(status, _with_request_id(_without_cors(headers)), exc_info)

        if request.path.startswith(_ENDPOINTS) and service == "sagemaker":
            return self._invocations.answer(request, caller.region)(environ, start)
        if not refusals.is_emulated(service, action) or request.path.startswith(_MOTOS_OWN):
            return _refuse(request, service, action)(environ, start)
        with self._lock:
            self._before.pop(service, lambda: None)()
        if service == "logs":
            self._logs.copy()
        try:
            return self._moto(environ, start)
        except NotImplementedError:  # moto's word for an action it lacks
            return _refuse(request, service, action)(environ, start)

    def _deny(self, request: Request, denied: DeniedError) -> Response:
        """Return the answer to a request that is not let in, and leave a line about it."""
        match = _SERVICE.search(request.headers.get("Authorization", ""))
        service = match[1] if match else ""
        # The path by itself, since a query may hold a signature; quoted, since anybody sent it.
        path = str(request.environ["REQUEST_URI"]).partition("?")[0][:200]
        self._log(
            f"{service or 'unsigned'} {request.method} {path!r}: {denied.status}, {denied.message}"
        )
        return answers.response(request, denied, service)


def _alive(request: Request) -> Response:
    """Say that the emulator runs, and nothing else."""
    if request.method in {"GET", "HEAD"}:
        return Response(status=204)
    return Response(status=405, headers={"Allow": "GET, HEAD"})


def _without_cors(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return a response's headers without those that let a web page read it; moto adds some."""
    return [one for one in headers if not one[0].lower().startswith("access-control-")]


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
    # A signed URL of the query protocol.
    if request.path == "/" and (action := request.args.get("Action")):
        return action
    return f"{request.method} {request.path}"


def _refuse(request: Request, service: str, action: str) -> Response:
    message = refusals.message(f"{action} of {service}")
    if request.mimetype == "application/x-www-form-urlencoded":
        return answers.query_error(501, refusals.CODE, message)
    return answers.error(501, refusals.CODE, message)
