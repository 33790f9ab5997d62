"""The WSGI application: GET and POST /ping, POST /invocations, JSON errors.

Source of the routes: SageMaker Developer Guide, your-algorithms-inference-code.
"""

import contextlib
import functools
import logging
import select
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import flask
from flask import Flask, request
from flask.globals import request_ctx
from werkzeug.datastructures import Headers
from werkzeug.exceptions import (
    HTTPException,
    MethodNotAllowed,
    NotFound,
    RequestEntityTooLarge,
)

from byoi import contract, errors
from byoi.formats import content_types
from byoi.server import inference_module, records, statuses, tracebacks
from byoi.server.application import (
    BODY,
    GIVEN_ID,
    PING_FUNCTION,
    SENT,
    TOGETHER,
    Application,
    Held,
    Response,
)
from byoi.server.context import Context
from byoi.server.handler import Answering, Handler, Output, Raised
from byoi.server.sessions import Sessions
from byoi.server.settings import BATCH_SIZE_VARIABLE, THREADS_VARIABLE, Settings
from byoi.server.streams import PROCESSING, Pieces, Stream

REQUEST_ID_HEADER = "X-Request-Id"
# Key of the request id in the WSGI environment: nginx's id, or one made here.
REQUEST_ID = "byoi.request_id"
# RFC 9110: such a response has no body.
_WITHOUT_BODY = {204, 205, 304}

# A module cannot set these: the server sets the length and framing of a body, and the connection.
# The same holds for headers that begin with X-Accel-, which are orders to nginx.
_OWN_HEADERS = {"content-length", "transfer-encoding", "connection", "keep-alive"}

_log = logging.getLogger(__name__)


def create_app(  # noqa: PLR0913 - keywords, most with a default
    settings: Settings,
    *,
    handler: Answering,
    model: Any,
    ready: Callable[[], bool],
    parameters: Callable[[], str | None] = lambda: None,
    behind_nginx: bool = False,
    sessions: Sessions | None = None,
) -> Flask:
    """Create the application around a loaded model.

    Args:
        settings: The whole configuration of the application.
        handler: Has the functions of the inference module.
        model: The result of `handler.load`.
        ready: Returns whether /ping answers 200.
        parameters: Returns the answer to /execution-parameters, None for 404.
        behind_nginx: Whether nginx sets the request id and the time in the headers.
        sessions: The sessions that the functions use by the context; None without sessions.
    """
    app = Application("byoi", run_held=_predict_together, static_folder=None)
    # Werkzeug silently cuts a chunked body at this size: one byte more lets `_body` notice it.
    limit_bytes = settings.body_limit_bytes
    app.config["MAX_CONTENT_LENGTH"] = limit_bytes + 1 if limit_bytes else None
    app.config[THREADS_VARIABLE] = settings.threads or handler.threads
    app.config[BATCH_SIZE_VARIABLE] = handler.batch_size
    app.config[PING_FUNCTION] = functools.partial(handler.ping, model) if handler.has_ping else None
    app.url_map.merge_slashes = False  # `//ping` is another path, not a redirect
    routes = _Routes(
        settings,
        handler,
        model,
        ready,
        parameters,
        behind_nginx,
        sessions,
        limit_bytes=limit_bytes or sys.maxsize,
        answer_timeout_s=settings.answer_timeout_s,
    )
    app.before_request(routes.name_request)
    app.after_request(routes.add_headers)
    app.register_error_handler(errors.ByoiError, routes.deliberate)
    app.register_error_handler(HTTPException, routes.http)
    app.register_error_handler(Exception, routes.unexpected)
    for path, answer in (
        (contract.PING_PATH, routes.ping),
        (contract.INVOCATIONS_PATH, routes.invocations),
    ):
        methods = statuses.ROUTES[path]
        app.add_url_rule(path, None, answer, methods=methods, provide_automatic_options=False)
    app.add_url_rule(
        contract.EXECUTION_PARAMETERS_PATH,
        None,
        routes.execution_parameters,
        methods=statuses.PARAMETERS_METHODS,
        provide_automatic_options=False,
    )
    return app


@dataclass(frozen=True)
class _Routes:
    """The handlers of requests and errors; the fields are the arguments of `create_app`.

    The last two are copied from the settings because each request reads them.
    """

    settings: Settings
    handler: Answering
    model: Any
    is_ready: Callable[[], bool]
    parameters: Callable[[], str | None]
    behind_nginx: bool
    sessions: Sessions | None
    limit_bytes: int
    answer_timeout_s: float

    def name_request(self) -> None:
        """Assign the request id that log, response and error body share."""
        environ = request.environ
        given = environ.get(GIVEN_ID) if self.behind_nginx else None
        environ[REQUEST_ID] = given or uuid.uuid4().hex
        if environ.get("PATH_INFO", "").startswith("//"):
            raise NotFound  # werkzeug drops the first slash, but //ping is not /ping

    def add_headers(self, response: Response) -> Response:
        """Put the id on every response."""
        response.headers[REQUEST_ID_HEADER] = request.environ[REQUEST_ID]
        return response

    def failure(self, status: int, name: str | None = None, message: str | None = None) -> Response:
        """Return an error response, by default with the name and message of its status."""
        known_name, known_message = statuses.ERRORS[status]
        text = known_message.format_map(vars(self.settings)) if message is None else message
        body = statuses.body(name or known_name, text, request.environ[REQUEST_ID])
        return Response(body, status, content_type="application/json")

    def deliberate(self, error: errors.ByoiError) -> Response:
        """Answer a deliberate error of the inference module."""
        status, name = statuses.of(error)
        if status == statuses.INTERNAL_ERROR:
            return self.unexpected(error)
        response = self.failure(status, name, str(error))
        if isinstance(error, errors.UnsupportedContentEncoding):
            # What to send instead: RFC 9110, section 15.5.16.
            response.headers["Accept-Encoding"] = "identity"
        return response

    def http(self, error: HTTPException) -> Response:
        """Answer an error of Flask or Werkzeug."""
        status = error.code if error.code in statuses.ERRORS else 400
        response = self.failure(status)
        if isinstance(error, MethodNotAllowed):
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
        return response

    def unexpected(self, error: BaseException) -> Response:
        """Answer 500, or the status that the error sets; the traceback goes to the log."""
        _log.error(
            "%s %s failed: %s",
            request.method,
            request.path,
            type(error).__name__,
            exc_info=error,
            extra={"request_id": request.environ[REQUEST_ID]},
        )
        kind = type(error).__name__
        if status := statuses.chosen(error):
            return self.failure(status, kind, str(getattr(error, "message", kind)))
        message = f"the server raised {kind}; its log has the cause under this request id"
        if self.settings.page == "on":  # only the model's author sees it
            cause = tracebacks.summary(error, inference_module.folders_of(self.settings))
            message = f"{cause}; the log has more under this request id"
        return self.failure(500, message=message)

    def ping(self) -> Response:
        """Answer 200 while the server is ready."""
        return Response(mimetype="application/json") if self.is_ready() else self.failure(503)

    def execution_parameters(self) -> Response:
        """Answer the parameters for a batch transform, if the operator or the module sets them."""
        if (text := self.parameters()) is None:
            raise NotFound
        return Response(text, mimetype="application/json")

    def invocations(self) -> Any:
        """Run one request through the inference module."""
        # Flask's `request` is a proxy, which looks up the request at each use.
        asked = request_ctx.request
        environ = asked.environ
        if self.behind_nginx and _is_late(environ.get(SENT), self.answer_timeout_s):
            return self.failure(504)  # nginx has already answered; do not run the model
        if self.settings.is_batch and _has_left(environ.get(PROCESSING)):
            return self.failure(504)  # the platform no longer waits, and will send it again
        if coding := environ.get("HTTP_CONTENT_ENCODING"):
            _require_no_encoding(coding)
        body = _body(asked, self.limit_bytes)
        accept = environ.get("HTTP_ACCEPT", "")
        if content_types.is_any(accept):
            accept = self.settings.default_accept
        context = Context(asked.headers, request_id=environ[REQUEST_ID], sessions=self.sessions)
        content_type = environ.get("CONTENT_TYPE", "")
        try:
            if TOGETHER in environ:
                data = cast(Handler, self.handler).decode(body, content_type, context)
                return _HeldInvocation(self, data, accept, context)
            output = self.handler.answer(self.model, body, content_type, accept, context)
        except Exception:
            raise  # Flask's handlers of errors answer
        except BaseException as error:  # noqa: BLE001 - sys.exit() or a panic in native code
            return self.unexpected(error)  # must not end the worker
        return self.answered(output, accept, context)

    def answered(self, output: Output, accept: str, context: Context) -> Response:
        """Return the response with the output of the functions."""
        if self.settings.is_batch:
            response = _response(records.whole(output), accept, context, self.settings)
            return self._with_end(response)
        response = _response(output, accept, context, self.settings)
        if isinstance(output.body, Pieces):
            self._send_in_pieces(response, output.body)
        return response

    def _with_end(self, response: Response) -> Response:
        """End the answer of a batch transform as `AssembleWith` needs it."""
        if response.status_code not in _WITHOUT_BODY:
            ended = records.with_end(
                response.get_data(),
                response.headers.get("Content-Type", ""),
                has_line_end=bool(self.settings.line_end),
            )
            response.set_data(ended)
        return response

    def _send_in_pieces(self, response: Response, pieces: Pieces) -> None:
        if response.status_code in _WITHOUT_BODY:
            with contextlib.suppress(BaseException):  # a generator's clean-up may raise anything
                pieces.close()
            response.response = []
            return
        # It is sent in chunks, even if the module has set a length.
        response.headers.pop("Content-Length", None)
        stream = Stream(
            pieces, request_id=request.environ[REQUEST_ID], timeout_s=self.settings.stream_timeout_s
        )
        response.response = stream
        if self.behind_nginx:
            response.headers["X-Accel-Buffering"] = "no"  # nginx does not pass it to the client
        if processing := request.environ.get(PROCESSING):
            processing.stream = stream  # from here on the deadline of streams applies


@dataclass(frozen=True)
class _HeldInvocation(Held):
    """A decoded invocation whose prediction is made together with others."""

    routes: _Routes
    data: Any
    accept: str
    context: Context

    def finish(self, result: Any) -> Response:
        """Return the response with a prediction; handle the error if it is `Raised`."""
        try:
            if isinstance(result, Raised):
                raise result.error  # noqa: TRY301 - as if the module raised it here
            handler = cast(Handler, self.routes.handler)
            output = handler.encode(result, self.accept, self.context)
        except Exception:
            raise
        except BaseException as error:  # noqa: BLE001 - as in `_Routes.invocations`
            return self.routes.unexpected(error)
        return self.routes.answered(output, self.accept, self.context)


def _predict_together(held: Sequence[_HeldInvocation]) -> list[Any]:
    """Return the predictions of several requests, as `Handler.predict_together`."""
    routes = held[0].routes
    return cast(Handler, routes.handler).predict_together(
        [one.data for one in held], routes.model, [one.context for one in held]
    )


def _require_no_encoding(header: str) -> None:
    """Check that a body has no content coding.

    The functions of an inference module do not get this header, so they could not decode the body;
    and SageMaker's InvokeEndpoint has no parameter for it.

    Raises:
        UnsupportedContentEncoding: The body has a content coding (RFC 9110, section 8.4).
    """
    if {coding.strip().lower() for coding in header.split(",")} - {"", "identity"}:
        raise errors.UnsupportedContentEncoding(
            f"received a body with Content-Encoding {header[:100]!r}, expected one without; "
            "send the body uncompressed"
        )


def _body(asked: flask.Request, limit_bytes: int) -> bytes:
    """Return the whole request body.

    Raises:
        RequestEntityTooLarge: The body is larger than the limit.
    """
    body: bytes | None = asked.environ.get(BODY)
    if body is None:  # another WSGI server, which does not read the body in advance
        if (asked.content_length or 0) > limit_bytes:
            raise RequestEntityTooLarge
        body = asked.get_data(cache=False)
    if len(body) > limit_bytes:
        raise RequestEntityTooLarge
    return body


def _is_late(sent: str | None, timeout_s: float) -> bool:
    """Whether the request waited so long that nginx has already answered it."""
    return sent is not None and time.time() - float(sent) > timeout_s


def _has_left(processing: Any) -> bool:
    """Whether the sender of a request has closed its connection.

    Reliable for nginx's connections only: a client that closes one direction looks the same.
    """
    if processing is None:  # another WSGI server
        return False
    poll = select.poll()
    poll.register(processing.socket, 0)
    return any(event & select.POLLHUP for _, event in poll.poll(0))


def _response(output: Output, accept: str, context: Context, settings: Settings) -> Response:
    """Return the response with what the functions returned, and what they set in the context."""
    content_type = output.content_type
    if content_type is None:
        one_type = not any(character in accept for character in "*,;")
        content_type = accept if one_type else settings.default_accept
    body = output.body.encode() if isinstance(output.body, str) else output.body
    headers = Headers([("Content-Type", content_type)])
    whole = [body] if isinstance(body, bytes) else body
    response = Response(whole, context.status or 200, headers)
    for name, value in context.response_headers:
        if name.lower() not in _OWN_HEADERS and not name.lower().startswith("x-accel-"):
            response.headers.set(name, value)
    return response
