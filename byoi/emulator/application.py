"""WSGI application: admit each request, route it to an endpoint or to moto, and log it."""

import io
import re
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from werkzeug.wrappers import Request, Response

from byoi.emulator import answer_shapes, answers, operations, refusals, vouched
from byoi.emulator.answers import DeniedError
from byoi.emulator.api_gateway.rest_apis import RestApis
from byoi.emulator.aws import constraints
from byoi.emulator.calls import Call, Calls
from byoi.emulator.door import LIVENESS_PATH, Caller, Door
from byoi.emulator.endpoints.container_logs import ContainerLogs
from byoi.emulator.operations import MalformedError, Operation
from byoi.emulator.runtime.invocations import Invocations

# For the line in the log that says what was not let in: AWS Signature Version 4.
_SERVICE = re.compile(r"Credential=[^/, ]*/\d+/[\w-]+/([\w-]+)/aws4_request")
_ENDPOINTS = "/endpoints/"
# Polled while a client waits; a line for each would hide the others.
_QUIET = frozenset({"DescribeEndpoint", "DescribeLogStreams", "GetLogEvents", "FilterLogEvents"})

# moto's own API and its metadata of a machine, which are nobody's bucket here.
_MOTOS_OWN = ("/moto-api", "/favicon.ico", "/latest/meta-data/", "/latest/api/")

# AWS's, and S3's own.
_REQUEST_IDS = frozenset({"x-amzn-requestid", "x-amz-request-id"})
# What services call a parameter that their model does not allow; SageMaker's are checked in
# `aws.sagemaker`, which CloudFormation passes too.
_INVALID = {
    "cloudformation": "ValidationError",
    "ecr": "InvalidParameterException",
    "iam": "ValidationError",
    "logs": "InvalidParameterException",
}
# Of API Gateway's lists, whose tokens are numbers here.
_PAGE = frozenset({"limit", "position"})
# The web page with one of these is moto's word for a path that it lacks.
_NO_ROUTE = frozenset({404, 405})
# Of these the emulator itself is the source.
_OWN_ERRORS = frozenset({refusals.STATUS})


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
        # Of answers of the last resort.
        self._causes: set[str] = set()

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
                return self._call_api(request)(environ, start_response)
            if request.path == LIVENESS_PATH:
                self._door.require_own(request)
                return _alive(request)(environ, start_response)
            caller = self._door.admit(request)
        except DeniedError as denied:
            return self._deny(request, denied)(environ, start_response)
        except Exception as error:  # noqa: BLE001 - the last resort
            return self._unforeseen(error, "rest-json")(environ, start_response)
        response = self._answer(request, caller, started_s)
        return response(environ, start_response)

    def _call_api(self, request: Request) -> Response:
        """Answer a call of a REST API."""
        try:
            return self._apis.answer(request)
        except DeniedError:
            raise
        except Exception as error:  # noqa: BLE001 - the last resort
            return self._unforeseen(error, "rest-json")

    def _answer(self, request: Request, caller: Caller, started_s: float) -> Response:
        """Answer a request that was let in."""
        call = Call(caller, _action(request), vouched.service_of(caller.service, request.path))
        protocol = operations.protocol(call.service) or _protocol(request)
        try:
            response = self._produce(request, call)
        except Exception as error:  # noqa: BLE001 - the last resort
            response = self._unforeseen(error, protocol, call)
        if not call.unforeseen and (problem := _foreign_form(response)):
            response = self._unforeseen(problem, protocol, call)
        names = [name for name, _ in response.headers]
        for name in filter(_is_cors, names):
            del response.headers[name]
        if not _REQUEST_IDS & set(map(str.lower, names)):
            # The one that boto3's ResponseMetadata has its id from.
            response.headers["x-amzn-RequestId"] = str(uuid.uuid4())
        self._calls.write(request, call, response)
        if call.action not in _QUIET or response.status_code >= 400:
            ms = (time.perf_counter() - started_s) * 1000
            # Of a success the status is enough; the caller reads the text of an error.
            self._log(f"{caller.service} {call.action}: {response.status_code}, {ms:.0f} ms")
        return response

    def _produce(self, request: Request, call: Call) -> Response:
        """Return the answer of whoever has it: an endpoint, moto, or a refusal."""
        service, caller = call.service, call.caller
        protocol = operations.protocol(service)
        if protocol is None or request.path.startswith(_MOTOS_OWN):
            return _refuse(_protocol(request), f"{call.action} of {caller.service}")
        try:
            call.operation = operation = operations.read(request, service)
        except MalformedError as error:
            return answers.failure(protocol, 400, error.code, error.message)
        if service == "sagemaker-runtime":
            return self._invocations.answer(request, caller.region)
        if refusal := _refusal(protocol, operation):
            return refusal
        return self._ask_moto(request, call, operation)

    def _ask_moto(self, request: Request, call: Call, operation: Operation) -> Response:
        """Return moto's answer, as AWS would give it."""
        protocol = str(operations.protocol(call.service))
        with self._lock:
            self._before.pop(call.caller.service, lambda: None)()
        if call.service == "logs":
            self._logs.copy()
        try:
            response = Response.from_app(self._moto, request.environ, buffered=True)
        except NotImplementedError:  # moto's word for an action it lacks
            return _refuse(protocol, f"{operation.action} of {call.service}")
        if response.status_code in _NO_ROUTE and _is_page(response):
            return _refuse(protocol, f"{call.action} of {call.service}")
        return answer_shapes.mended(operation, response)

    def _unforeseen(
        self, cause: Exception | str, protocol: str, call: Call | None = None
    ) -> Response:
        """Return the last resort's answer, and leave the cause in the log, once."""
        text = cause if isinstance(cause, str) else "".join(traceback.format_exception(cause))
        response = answers.unforeseen(protocol)
        ids = [value for name, value in response.headers if name.lower() in _REQUEST_IDS]
        what = f"{call.caller.service} {call.action}" if call else "a request"
        with self._lock:
            is_known = text in self._causes
            self._causes.add(text)
        self._log(f"INTERNAL ERROR, {what}, request {ids[0]}{', as before' if is_known else ':'}")
        for line in () if is_known else text.splitlines():
            self._log(f"  {line}")
        if call:
            call.unforeseen = text
        return response

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


def _is_cors(header: str) -> bool:
    """Whether a header lets a web page read the answer; moto adds some."""
    return header.lower().startswith("access-control-")


def _is_page(response: Response) -> bool:
    body = response.get_data()
    return response.mimetype == "text/html" and body.lstrip().startswith(b"<")


def _foreign_form(response: Response) -> str:
    """Return why an answer is nothing that AWS would say, "" where it is."""
    status = response.status_code
    if (status >= 400 and _is_page(response)) or (status >= 500 and status not in _OWN_ERRORS):
        return f"an answer with status {status} and {response.mimetype}: {response.get_data()!r}"
    return ""


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


def _protocol(request: Request) -> str:
    """Return the protocol of a service that is not emulated, as far as its request shows it."""
    return "query" if request.mimetype == "application/x-www-form-urlencoded" else "json"


def _refusal(protocol: str, asked: Operation) -> Response | None:
    """Return the answer to what is not vouched for or not valid, None to all else."""
    if what := refusals.find(asked.service, asked.action, asked.parameters, asked.unknown):
        return _refuse(protocol, what)
    for name in _PAGE & asked.parameters.keys() if asked.service == "apigateway" else ():
        if not str(asked.parameters[name]).isdecimal():
            message = f"Invalid {name}: {str(asked.parameters[name])[:100]}, expected a number"
            return answers.failure(protocol, 400, "BadRequestException", message)
    if code := _INVALID.get(asked.service):
        problem = constraints.find(asked.service, asked.action, asked.parameters, requires=True)
        return answers.failure(protocol, 400, code, problem) if problem else None
    return None


def _refuse(protocol: str, what: str) -> Response:
    return answers.failure(protocol, refusals.STATUS, refusals.CODE, refusals.message(what))
