"""The application is Flask: what a user adds to it works, and answers are those of Flask."""

from types import SimpleNamespace

import flask
import pytest
from flask import after_this_request, g, request, session, url_for
from werkzeug.exceptions import NotFound

from byoi.server import application
from byoi.server.app import create_app
from byoi.server.application import Application
from byoi.server.handler import Handler
from byoi.server.requests import RequestReader, base_environ
from byoi.server.settings import Settings


@pytest.fixture(params=[Application, flask.Flask])
def app(request):
    """Return one of ours, and one of Flask's: every test holds for both."""
    return request.param("byoi", static_folder=None)


def of_a_user():
    module = SimpleNamespace(
        model_fn=lambda _dir: None,
        input_fn=lambda body, _type: body,
        predict_fn=lambda data, _model: (g.setdefault("seen", []).append("predict"), data)[1],
        output_fn=lambda data, _accept: (data, "text/plain"),
    )
    return create_app(
        Settings(), handler=Handler(module, "m"), model=None, ready=lambda: True, behind_nginx=False
    )


def test_hooks_of_a_user_run_in_flasks_order_around_an_invocation():
    app = of_a_user()
    calls = []

    @app.before_request
    def before():
        calls.append(f"before {request.path} {request.method}")
        g.seen = ["before"]

    @app.after_request
    def after(response):
        calls.append(f"after {response.status_code} {g.seen}")
        response.headers["X-MineError"] = "1"
        return response

    @app.teardown_request
    def teardown(error):
        calls.append(f"teardown {error}")

    @app.teardown_appcontext
    def teardown_app(error):
        calls.append("teardown of the context")

    answer = app.test_client().post("/invocations", data=b"x", content_type="text/plain")
    assert (answer.status_code, answer.data, answer.headers["X-MineError"]) == (200, b"x", "1")
    assert answer.headers["X-Request-Id"]
    assert calls == [
        "before /invocations POST",
        "after 200 ['before', 'predict']",
        "teardown None",
        "teardown of the context",
    ]


def test_a_hook_of_a_user_may_answer_in_the_place_of_the_model():
    app = of_a_user()
    app.before_request(lambda: ("not today", 418) if request.args.get("no") else None)
    client = app.test_client()
    assert client.post("/invocations?no=1", data=b"x").status_code == 418
    assert client.post("/invocations", data=b"x", content_type="text/plain").status_code == 200


def test_an_error_handler_of_a_user_answers_its_error_and_no_other():
    app = of_a_user()

    class MineError(Exception):
        pass

    raised = []
    app.register_error_handler(MineError, lambda error: (f"handled {error}", 422))

    @app.before_request
    def before():
        if raised:
            raise raised[0]

    client = app.test_client()
    raised[:] = [MineError("it")]
    answer = client.post("/invocations", data=b"x")
    assert (answer.status_code, answer.data) == (422, b"handled it")
    raised[:] = [ValueError("secret")]
    answer = client.post("/invocations", data=b"x")
    assert (answer.status_code, answer.json["error"]) == (500, "InternalError")


def test_the_routes_are_in_the_map_of_urls():
    app = of_a_user()
    rules = {rule.rule: rule.methods for rule in app.url_map.iter_rules()}
    assert rules == {
        "/ping": {"GET", "HEAD", "POST"},
        "/invocations": {"POST"},
        "/execution-parameters": {"GET", "HEAD"},
    }
    with app.test_request_context("/ping", base_url="http://example.com:8080"):
        assert url_for("invocations") == "/invocations"
        assert url_for("ping", _external=True) == "http://example.com:8080/ping"
        assert (request.endpoint, request.view_args) == ("ping", {})


def test_a_user_may_add_routes_also_with_values_in_the_path():
    app = of_a_user()
    app.add_url_rule("/models/<name>/<int:version>", "model", lambda name, version: [name, version])
    app.add_url_rule("/fixed", "fixed", lambda which: [which], defaults={"which": "default"})
    client = app.test_client()
    for version in (1, 2, 2):
        assert client.get(f"/models/a/{version}").json == ["a", version]
    assert [client.get("/fixed").json for _ in range(2)] == [["default"]] * 2
    assert client.get("/models/a/b").status_code == 404
    assert client.post("/models/a/1").status_code == 405


# From here on: what our class does faster must be what Flask does.


def seen(app, path="/seen", **options):
    """Return what a view sees of a request."""

    def view(**values):
        view_args = dict(request.view_args)
        request.view_args["changed"] = True
        return {
            "path": request.path,
            "full_path": request.full_path,
            "method": request.method,
            "url": request.url,
            "base_url": request.base_url,
            "root_path": request.root_path,
            "script_root": request.script_root,
            "host": request.host,
            "scheme": request.scheme,
            "args": request.args.to_dict(flat=False),
            "headers": sorted(request.headers.items()),
            "remote_addr": request.remote_addr,
            "content_type": request.content_type,
            "content_length": request.content_length,
            "endpoint": request.endpoint,
            "rule": request.url_rule.rule,
            "view_args": [view_args, values],
            "data": request.get_data(as_text=True),
            "url_for": url_for("view", a="b c"),
            "external": url_for("view", _external=True),
        }

    app.add_url_rule("/seen", "view", view, methods=["GET", "POST"])
    app.add_url_rule("/with/<path:value>", "with_value", view)
    app.url_map.merge_slashes = False
    found = [app.test_client().open(path, **options) for _ in range(3)]
    assert found[0].data == found[1].data == found[2].data, "a second request is as the first"
    return found[0].status_code, found[0].data


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("/seen", {}),
        ("/seen?a=1&b=%20&a=2", {"headers": {"X-A": "1"}}),
        ("/seen", {"method": "POST", "data": b"text", "content_type": "text/csv; x=y"}),
        ("/seen", {"method": "HEAD"}),
        ("/seen", {"base_url": "http://example.com:8080"}),
        ("/seen", {"base_url": "https://example.com"}),
        ("/seen", {"base_url": "http://example.com/below"}),
        ("/with/a/b%20c", {}),
        ("/with/%C3%A4", {}),
        ("/seen/", {}),
        ("/Seen", {}),
        ("/", {}),
        ("/seen", {"method": "PUT"}),
        ("/seen", {"method": "OPTIONS"}),
        ("/seen", {"environ_overrides": {"REMOTE_ADDR": "10.0.0.1"}}),
    ],
)
def test_a_view_sees_what_it_sees_in_flask(path, options):
    ours, flasks = (
        seen(kind("byoi", static_folder=None), path, **options)
        for kind in (Application, flask.Flask)
    )
    assert ours == flasks


@pytest.mark.parametrize(
    "made",
    [
        lambda: "text",
        lambda: ("é", 201, {"X-A": "1"}),
        lambda: b"\0\1",
        lambda: {"json": [1]},
        lambda: ("", 204),
        lambda: ("dropped", 204),
        lambda: ("dropped", 304, {"ETag": '"1"'}),
        lambda: flask.Response(["a", "b"], headers=[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]),
        lambda: flask.Response(iter(["a", "b"])),
        lambda: flask.Response(["abc"], headers={"Content-Length": "3"}),
        lambda: flask.redirect("/elsewhere"),
        lambda: flask.redirect("/ä?b=ö", 308),
        lambda: ("x", 201, {"Content-Location": "/ä"}),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_response_is_sent_as_flask_sends_it(made, method):
    found = []
    for kind in (Application, flask.Flask):
        app = kind("byoi", static_folder=None)

        def view(app=app):
            made_ = made()
            return app.response_class.force_type(made_, request.environ) if isinstance(
                made_, flask.Response) else made_  # fmt: skip

        app.add_url_rule("/", "view", view)
        answer = app.test_client().open("/", method=method)
        found.append((answer.status, sorted(answer.headers), answer.data))
    assert found[0] == found[1]


def test_what_is_to_happen_when_a_response_is_closed_happens(app):
    closed = []

    @app.get("/")
    def view():
        response = app.response_class(["a"])
        response.call_on_close(lambda: closed.append(True))
        return response

    with app.test_client().get("/") as answer:
        assert answer.data == b"a"
    assert closed == [True]


def test_a_session_with_a_secret_key_is_kept_in_a_cookie(app):
    app.secret_key = "secret"

    @app.get("/")
    def view():
        session["count"] = session.get("count", 0) + 1
        return str(session["count"])

    client = app.test_client()
    answers = [client.get("/") for _ in range(3)]
    assert [answer.text for answer in answers] == ["1", "2", "3"]
    assert "session=" in answers[0].headers["Set-Cookie"]
    assert app.test_client().get("/").text == "1", "another client has its own"


def test_without_a_secret_key_a_session_is_empty_and_says_what_to_set(app):
    said = []

    @app.get("/")
    def view():
        assert session.get("a") is None
        assert not session
        for change in (lambda: session.update(a=1), lambda: session.__setitem__("a", 1)):
            with pytest.raises(RuntimeError, match="no secret key was set") as caught:
                change()
            said.append(str(caught.value))
        return "fine"

    answer = app.test_client().get("/")
    assert (answer.text, len(said), answer.headers.get("Set-Cookie")) == ("fine", 2, None)


def test_a_secret_key_may_come_after_the_first_request(app):
    app.add_url_rule("/", "view", lambda: str(session.setdefault("a", "new")) if app.secret_key
                     else "none")  # fmt: skip
    client = app.test_client()
    assert client.get("/").text == "none"
    app.secret_key = "secret"
    assert [client.get("/").text, "session=" in str(client.get("/").headers)] == ["new", False]


def test_g_is_new_for_each_request(app):
    @app.get("/")
    def view():
        g.count = g.get("count", 0) + 1
        return str(g.count)

    assert [app.test_client().get("/").text for _ in range(2)] == ["1", "1"]


def test_a_view_may_be_async_or_an_object_without_a_hash(app):
    class View:
        __hash__ = None
        __name__ = "view"

        def __call__(self):
            return "called"

    app.add_url_rule("/", "view", View())
    assert [app.test_client().get("/").text for _ in range(2)] == ["called"] * 2

    async def later():
        return "later"

    other = type(app)("byoi", static_folder=None)
    other.add_url_rule("/", "later", later)
    try:
        import asgiref  # noqa: F401 - Flask needs it for them
    except ImportError:
        other.testing = True
        with pytest.raises(RuntimeError, match="async"):
            other.test_client().get("/")
    else:
        assert other.test_client().get("/").text == "later"


def test_functions_of_one_request_are_not_kept():
    app = Application("byoi", static_folder=None)

    @app.get("/")
    def view():
        @after_this_request
        def after(response):
            response.headers["X-After"] = "1"
            return response

        return "fine"

    client = app.test_client()
    for _ in range(3 * application._KNOWN_FUNCTIONS):
        assert client.get("/").headers["X-After"] == "1"
    assert len(app._synchronous) <= application._KNOWN_FUNCTIONS


def test_paths_that_clients_invent_are_not_kept():
    app = Application("byoi", static_folder=None)
    app.add_url_rule("/", "root", lambda: "fine")
    app.add_url_rule("/x/<value>", "x", lambda value: value)
    client = app.test_client()
    for number in range(100):
        assert client.get(f"/x/{number}").text == str(number)
        assert client.get(f"/{number}").status_code == 404
        assert client.get(f"/?{number}").text == "fine"
    assert len(app._found) == 1


@pytest.mark.parametrize("name", ["SERVER_NAME", "TRUSTED_HOSTS"])
def test_hosts_count_where_flask_is_told_so(app, name):
    app.config[name] = "example.com" if name == "SERVER_NAME" else ["example.com"]
    app.add_url_rule("/", "root", lambda: url_for("root", _external=True))
    client = app.test_client()
    assert client.get("/", base_url="http://example.com").text == "http://example.com/"
    other = client.get("/", base_url="http://other.example")
    assert other.status_code == (400 if name == "TRUSTED_HOSTS" else 200)


def test_hooks_may_raise_errors_of_http(app):
    @app.before_request
    def before():
        raise NotFound

    app.register_error_handler(NotFound, lambda error: (f"handled {error.code}", 404))
    app.add_url_rule("/", "root", lambda: "never")
    assert app.test_client().get("/").text == "handled 404"


@pytest.mark.parametrize("host", [b"example.com:8080", b"[::1]:8080", b"a_b", b"", None])
def test_the_environment_of_our_server_is_enough(app, host):
    app.add_url_rule("/x", "x", lambda: {"path": request.path, "args": request.args.to_dict()})
    reader = RequestReader(base_environ("0.0.0.0", 8080, is_multithreaded=False),
                           body_limit_bytes=10)  # fmt: skip
    line = b"" if host is None else b"Host: %b\r\n" % host
    reader.feed(b"GET /x?a=b HTTP/1.1\r\n" + line + b"\r\n")
    said = []
    body = app(reader.ready[0].environ, lambda status, headers: said.append(status))
    with_close = b"".join(body)
    getattr(body, "close", lambda: None)()
    assert said == ["200 OK"]
    assert flask.json.loads(with_close) == {"path": "/x", "args": {"a": "b"}}
