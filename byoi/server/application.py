"""Flask with less work for each request.

A request passes through Flask as usual: its rule is looked up in `url_map`, the hooks before,
after and at teardown run, and error handlers answer errors. Left out is work that no request here
needs, and that takes longer than the rest of this server:

* making a new URL adapter of all rules for each request;
* checking each function for being async;
* copying and searching the headers of a response;
* opening a session if no secret key is set;
* loops over blueprints and signals if there are none.

Several requests may be answered together: each passes through Flask in its own context until its
view function returns `Held`; then one call serves all of them, and each is finished by itself.

Sources: Flask 3.1, app.py, ctx.py, sessions.py; Werkzeug 3.1, routing/map.py, wrappers/.
"""

import contextvars
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import flask
from flask.ctx import RequestContext
from flask.globals import request_ctx
from flask.sessions import NullSession, SecureCookieSessionInterface
from werkzeug.datastructures import EnvironHeaders
from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter

# Key of the whole body in the WSGI environment, if the server has read it.
BODY = "byoi.body"
# Key that allows a view function to return `Held`: the request is answered with others.
TOGETHER = "byoi.together"
# Key of the function in the application's configuration that checks the model; None without one.
PING_FUNCTION = "byoi.ping"
# What nginx sends with a request: its id, and when it left nginx, in seconds since the epoch.
GIVEN_ID = "HTTP_X_REQUEST_ID"
SENT = "HTTP_X_BYOI_SENT"
# Headers that Werkzeug changes: it sends responses with one of them.
_LEFT_TO_WERKZEUG = {"location", "content-location"}
_WITHOUT_LENGTH = {204, 304}
_KNOWN_FUNCTIONS = 64


class Request(flask.Request):
    """A request whose WSGI environment this server made: complete and decoded already."""

    def __init__(
        self,
        environ: dict[str, Any],
        populate_request: bool = True,
        shallow: bool = False,
    ) -> None:
        if environ.get("SCRIPT_NAME") or not environ.get("PATH_INFO", "").isascii():
            super().__init__(environ, populate_request, shallow)
            return
        self.method = environ["REQUEST_METHOD"]
        self.scheme = environ["wsgi.url_scheme"]
        self.server = (environ["SERVER_NAME"], int(environ["SERVER_PORT"]))
        self.root_path = ""
        self.path = "/" + environ["PATH_INFO"].lstrip("/")
        self.query_string = environ.get("QUERY_STRING", "").encode("latin-1")
        self.headers = EnvironHeaders(environ)
        self.remote_addr = environ.get("REMOTE_ADDR")
        self.environ = environ
        self.shallow = shallow
        if populate_request and not shallow:
            environ["werkzeug.request"] = self


class Response(flask.Response):
    """A response whose headers are sent without Werkzeug's copy if it would not change them."""

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Send a body that is complete; leave any other to Werkzeug."""
        headers = self.headers.to_wsgi_list()
        names = {name.lower() for name, _ in headers}
        status = self.status_code
        if (
            not self.is_sequence
            or self._on_close
            or status < 200
            or status in _WITHOUT_LENGTH
            or not names.isdisjoint(_LEFT_TO_WERKZEUG)
        ):
            return super().__call__(environ, start_response)
        body = b"".join(self.iter_encoded())
        if "content-length" not in names:
            headers.append(("Content-Length", str(len(body))))
        start_response(self.status, headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


class Held:
    """The result of a view function for a request that is answered together with others."""

    def finish(self, result: Any) -> Response:
        """Return the response for this request's result; Flask's handlers answer its errors."""
        raise NotImplementedError


class _Sessions(SecureCookieSessionInterface):
    """Flask's sessions; without a secret key, one null session shared by all requests."""

    none = NullSession()

    def open_session(self, app: flask.Flask, request: flask.Request) -> Any:
        """Return the session of a request."""
        return super().open_session(app, request) if app.secret_key else self.none


class _Adapter(MapAdapter):
    """Finds the rule of a request, and keeps it for the same path and method."""

    found: dict[tuple[str, str], Any]

    def match(self, *arguments: Any, **options: Any) -> Any:
        """Return the rule and the values in the path, as `MapAdapter.match`."""
        if arguments or options != {"return_rule": True}:
            return super().match(*arguments, **options)
        key = (self.path_info, self.default_method)
        if (found := self.found.get(key)) is None:
            found = super().match(return_rule=True)
            if found[1] or found[0].websocket:
                return found
            self.found[key] = found  # without values in the path: one of a few fixed paths
        return found[0], {}


class Application(flask.Flask):
    """The class of the application; used like Flask.

    Args:
        arguments: As Flask's.
        run_held: Returns the result for each `Held` request; None if no view returns `Held`.
        options: As Flask's.
    """

    request_class = Request
    response_class = Response
    session_interface = _Sessions()

    def __init__(
        self,
        *arguments: Any,
        run_held: Callable[[Sequence[Any]], list[Any]] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self._found: dict[tuple[str, str], Any] = {}
        self._run_held = run_held
        self._synchronous: dict[Any, Any] = {}

    def create_url_adapter(self, request: flask.Request | None) -> MapAdapter | None:
        """Return the adapter that finds the rule of a request."""
        config = self.config
        if (
            request is None
            or config["SERVER_NAME"] is not None
            or config["TRUSTED_HOSTS"] is not None
            or self.url_map.host_matching
            or request.root_path
        ):
            return super().create_url_adapter(request)
        environ = request.environ
        adapter = _Adapter(
            self.url_map,
            environ.get("HTTP_HOST") or environ["SERVER_NAME"],
            "",
            self.url_map.default_subdomain,
            request.scheme,
            # PEP 3333 has the path as Latin-1 of its bytes; rules match decoded text.
            environ["PATH_INFO"].encode("latin-1").decode(errors="replace"),
            request.method,
            environ.get("QUERY_STRING", ""),
        )
        adapter.found = self._found
        return adapter

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return a synchronous form of a function, and keep it."""
        try:
            known = self._synchronous.get(func)
        except TypeError:  # a callable object without a hash
            return super().ensure_sync(func)
        if known is None:
            known = super().ensure_sync(func)
            # Bounded: functions of `after_this_request` are new in each request.
            if len(self._synchronous) < _KNOWN_FUNCTIONS:
                self._synchronous[func] = known
        return known

    # The steps of Flask for the usual request, without blueprints and receivers of signals.

    def full_dispatch_request(self) -> flask.Response:
        """Return the response to the request of the context."""
        return self.finalize_request(self._value())

    def _value(self) -> Any:
        """Return the result of a before_request function, the view or an error handler."""
        self._got_first_request = True
        try:
            if flask.request_started.receivers:
                flask.request_started.send(self, _async_wrapper=self.ensure_sync)
            value = self.preprocess_request()
            return self.dispatch_request() if value is None else value
        except Exception as error:  # noqa: BLE001 - as Flask
            return self.handle_user_exception(error)

    def dispatch_request(self) -> Any:
        """Call the view function."""
        request = request_ctx.request
        rule = request.url_rule
        if rule is None or request.method == "OPTIONS":
            return super().dispatch_request()
        return self.ensure_sync(self.view_functions[rule.endpoint])(**request.view_args or {})

    def preprocess_request(self) -> Any:
        """Call the before_request functions."""
        if self.url_value_preprocessors or request_ctx.request.blueprints:
            return super().preprocess_request()
        for function in self.before_request_funcs.get(None, ()):
            if (value := self.ensure_sync(function)()) is not None:
                return value
        return None

    def finalize_request(self, rv: Any, from_error_handler: bool = False) -> flask.Response:
        """Make a response of a view function's result, and call the after_request functions."""
        if type(rv) is not Response or from_error_handler or flask.request_finished.receivers:
            return super().finalize_request(rv, from_error_handler)
        response: flask.Response = self.process_response(rv)
        return response

    def process_response(self, response: Any) -> Any:
        """Call the after_request functions."""
        context = request_ctx._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
        if context.request.blueprints or context._session is not _Sessions.none:  # noqa: SLF001
            return super().process_response(response)
        for function in context._after_request_functions:  # noqa: SLF001
            response = self.ensure_sync(function)(response)
        for function in reversed(self.after_request_funcs.get(None, ())):
            response = self.ensure_sync(function)(response)
        return response

    def do_teardown_request(self, *raised: Any) -> None:
        """Call the teardown functions of a request."""
        if self.teardown_request_funcs or flask.request_tearing_down.receivers:
            super().do_teardown_request(*raised)

    def do_teardown_appcontext(self, *raised: Any) -> None:
        """Call the teardown functions of the application context."""
        if self.teardown_appcontext_funcs or flask.appcontext_tearing_down.receivers:
            super().do_teardown_appcontext(*raised)

    def together(
        self, calls: Sequence[tuple[dict[str, Any], Callable[..., Any]]]
    ) -> list[Iterable[bytes]]:
        """Answer several requests with one call of `run_held`.

        Args:
            calls: For each request, the arguments of a WSGI application.

        Returns:
            The body of each response, in the order of the calls.
        """
        begun = []
        for environ, _ in calls:
            environ[TOGETHER] = True
            context, request_context = contextvars.copy_context(), self.request_context(environ)
            begun.append((context, request_context, context.run(self._begin, request_context)))
        held = [value for _, _, value in begun if isinstance(value, Held)]
        results = iter(self._run_held(held) if held and self._run_held else ())
        bodies = []
        for (environ, start_response), (context, request_context, value) in zip(
            calls, begun, strict=True
        ):
            result = next(results) if isinstance(value, Held) else None
            bodies.append(
                context.run(self._end, request_context, value, result, environ, start_response)
            )
        return bodies

    def _begin(self, request_context: RequestContext) -> Any:
        """Run Flask up to the view function; return its result, or the error."""
        try:
            request_context.push()
            return self._value()
        except Exception as error:  # noqa: BLE001 - answered by `_end`
            return error

    def _end(
        self,
        request_context: RequestContext,
        value: Any,
        result: Any,
        environ: dict[str, Any],
        start_response: Callable[..., Any],
    ) -> Iterable[bytes]:
        """Run the rest of Flask, and return the body of the response."""
        raised: BaseException | None = None
        try:
            try:
                if isinstance(value, Exception) and not isinstance(value, HTTPException):
                    raise value  # noqa: TRY301 - handled like what is raised below
                if isinstance(value, Held):
                    try:
                        value = value.finish(result)
                    except Exception as error:  # noqa: BLE001 - as Flask
                        value = self.handle_user_exception(error)
                response = self.finalize_request(value)
            except Exception as error:  # noqa: BLE001 - as Flask
                raised = error
                response = self.handle_exception(error)
            body: Iterable[bytes] = response(environ, start_response)
            return body
        finally:
            request_context.pop(raised)
