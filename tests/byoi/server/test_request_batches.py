"""Requests that are ready together, in one call of predict_fn: each keeps its own answer."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from contract_cases import TEXT, assert_error
from werkzeug.datastructures import Headers

from byoi import errors
from byoi.server.app import create_app
from byoi.server.context import Context
from byoi.server.handler import Handler, Raised
from byoi.server.settings import Settings

# Tells how many requests each call served, and waits while the first call runs.
MODULE = """
import json, time
BYOI_BATCH_SIZE = 4

def model_fn(model_dir): return []

def input_fn(body, content_type):
    if body == "bad input": raise ValueError("bad input")
    return body

def predict_fn(data, model):
    assert isinstance(data, list)
    if any(one == "first" for one in data): time.sleep(0.5)
    if any(one == "never" for one in data): time.sleep(60)
    if any(one == "bad" for one in data): raise ValueError("bad")
    return [{"text": one, "together": len(data)} for one in data]

def output_fn(prediction, accept):
    if prediction["text"] == "bad output": raise ValueError("bad output")
    if prediction["text"] == "stream": return iter(["a", "b"]), "text/plain"
    return json.dumps(prediction), "application/json"
"""


def sent_while_busy(stack, bodies):
    """Return the answers to requests that come while the only worker runs another one."""
    with ThreadPoolExecutor(len(bodies) + 1) as pool:
        first = pool.submit(stack.target.send, "POST", "/invocations", b"first", TEXT)
        time.sleep(0.2)
        others = [
            pool.submit(stack.target.send, "POST", "/invocations", body, TEXT) for body in bodies
        ]
        assert first.result().json == {"text": "first", "together": 1}
        return [other.result() for other in others]


@pytest.fixture(params=[pytest.param("auto", marks=pytest.mark.needs("nginx")), "off"])
def stack(request, start):
    return start(MODULE, BYOI_NGINX=request.param, SAGEMAKER_MODEL_SERVER_WORKERS="1")


def test_what_waits_goes_together_at_most_as_many_as_the_module_says(stack):
    answers = sent_while_busy(stack, [b"%d" % number for number in range(6)])
    assert [answer.json["text"] for answer in answers] == [str(number) for number in range(6)]
    assert sorted(answer.json["together"] for answer in answers)[-4:] == [4, 4, 4, 4]


def test_each_request_has_its_own_error_id_and_log_line(stack):
    bodies = [b"good", b"bad", b"bad input", b"bad output"]
    good, *bad = sent_while_busy(stack, bodies)
    assert good.json["text"] == "good"
    for answer in bad:
        assert_error(answer, 500, "InternalError")
    ids = {answer.headers["X-Request-Id"] for answer in (good, *bad)}
    assert len(ids) == 4
    for answer in (good, *bad):
        (line,) = stack.target.lines(answer.headers["X-Request-Id"])
        assert line["status"] == answer.status
    for answer, cause in zip(bad, ("bad", "bad input", "bad output"), strict=True):
        (entry,) = [
            entry
            for entry in stack.target.entries()
            if entry.get("request_id") == answer.json["request_id"] and "traceback" in entry
        ]
        assert entry["traceback"].endswith(f"ValueError: {cause}")


def test_a_stream_among_them_is_a_stream(stack):
    answers = sent_while_busy(stack, [b"one", b"stream", b"stream"])
    assert answers[0].json["text"] == "one"
    assert [answer.body for answer in answers[1:]] == [b"ab", b"ab"]


def test_those_that_go_with_one_that_never_ends_are_told_so(start):
    stack = start(
        MODULE,
        BYOI_NGINX="off",
        SAGEMAKER_MODEL_SERVER_WORKERS="1",
        BYOI_INVOCATION_TIMEOUT_S="2",
    )
    answers = sent_while_busy(stack, [b"never", b"beside"])
    assert [answer.status for answer in answers] == [504, 504]


@pytest.mark.needs("nginx")
def test_a_request_waits_for_others_only_where_the_setting_says_so(start):
    stack = start(MODULE, SAGEMAKER_MODEL_SERVER_WORKERS="1", BYOI_BATCH_WAIT_MS="1500")

    def ask(pause_s):
        time.sleep(pause_s)
        began_s = time.monotonic()
        answer = stack.target.send("POST", "/invocations", b"x", TEXT)
        return answer.json["together"], time.monotonic() - began_s

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(ask, [0.0, 0.2, 0.4, 0.6]))
    # The fourth makes it full, and nobody waits any longer.
    assert [together for together, _ in found] == [4] * 4
    assert found[0][1] < 1.4
    together, took_s = ask(0)
    assert (together, took_s > 1.4) == (1, True)


@pytest.mark.needs("nginx")
def test_the_operator_allows_one_at_a_time_and_the_module_still_gets_a_list(start):
    stack = start(MODULE, SAGEMAKER_MODEL_SERVER_WORKERS="1", BYOI_BATCH_SIZE="1")
    answers = sent_while_busy(stack, [b"a", b"b"])
    assert [answer.json["together"] for answer in answers] == [1, 1]


def handler_of(batch_size=0, **functions):
    names = {"model_fn": lambda _: None, "predict_fn": lambda data, _: data} | functions
    return Handler(SimpleNamespace(**names), "own.py", batch_size=batch_size)


def contexts(number):
    return [Context(Headers()) for _ in range(number)]


@pytest.mark.parametrize("size", [0, -1, 257, "8", 1.5, True])
def test_a_size_that_is_none_is_refused_by_name(size):
    with pytest.raises(errors.ConfigurationError, match="BYOI_BATCH_SIZE"):
        handler_of(BYOI_BATCH_SIZE=size)


def test_without_predict_fn_there_is_nothing_that_takes_a_list():
    module = SimpleNamespace(model_fn=lambda _: len, BYOI_BATCH_SIZE=2)
    with pytest.raises(errors.ConfigurationError, match="defines no predict_fn"):
        Handler(module, "own.py")
    handler_of(BYOI_BATCH_SIZE=1)
    with pytest.raises(errors.ConfigurationError, match="defines no predict_fn"):
        Handler(SimpleNamespace(model_fn=lambda _: len), "own.py", batch_size=2)


@pytest.mark.parametrize("returned", [[1], [1, 2, 3], None, 7])
def test_another_number_of_predictions_is_an_error_of_each(returned):
    handler = handler_of(2, predict_fn=lambda _data, _model: returned)
    found = handler.predict_together(["a", "b"], None, contexts(2))
    if returned == [1]:
        assert found == [1, 1]  # asked alone, each gets the one that it is owed
    else:
        assert all(isinstance(one, Raised) for one in found)
        assert "expected as many predictions as it got" in str(found[0].error)


def test_contexts_come_as_a_list_too():
    seen = []

    def predict_fn(data, model, context):
        seen.append(context)
        return data

    found = contexts(2)
    assert handler_of(2, predict_fn=predict_fn).predict_together([1, 2], None, found) == [1, 2]
    assert seen == [found]


def test_hooks_run_for_each_request_in_a_context_of_its_own():
    from flask import g, request

    handler = handler_of(4, input_fn=lambda body, _: body, output_fn=lambda p, _: (p, "text/plain"))
    app = create_app(Settings(), handler=handler, model=None, ready=lambda: True)
    order = []

    @app.before_request
    def before():
        g.body = request.get_data(as_text=True)
        order.append(f"before {g.body}")
        if g.body == "stop":
            return "stopped", 418
        return None

    @app.after_request
    def after(response):
        order.append(f"after {g.body}")
        response.headers["X-Body"] = g.body
        return response

    @app.teardown_request
    def teardown(error):
        order.append(f"teardown {request.get_data(as_text=True)} {error}")

    def environ(body):
        from werkzeug.test import EnvironBuilder

        return EnvironBuilder("/invocations", method="POST", data=body).get_environ()

    started = []
    calls = [
        (environ(body), lambda status, headers, *_: started.append((status, dict(headers))))
        for body in ("one", "stop", "two")
    ]
    bodies = [b"".join(body) for body in app.together(calls)]
    assert bodies == [b"one", b"stopped", b"two"]
    assert [status.split()[0] for status, _ in started] == ["200", "418", "200"]
    assert [headers["X-Body"] for _, headers in started] == ["one", "stop", "two"]
    assert [entry for entry in order if entry.startswith("before")] == [
        "before one",
        "before stop",
        "before two",
    ]
    assert [entry for entry in order if not entry.startswith("before")] == [
        f"{word} {body}{' None' * (word == 'teardown')}"
        for body in ("one", "stop", "two")
        for word in ("after", "teardown")
    ]


def test_threads_and_batches_go_together(start):
    source = MODULE.replace("BYOI_BATCH_SIZE = 4", "BYOI_BATCH_SIZE = 4\nBYOI_THREADS = 2")
    stack = start(source, BYOI_NGINX="off", SAGEMAKER_MODEL_SERVER_WORKERS="1")
    barrier = threading.Barrier(6)

    def ask(number):
        barrier.wait(10)
        return stack.target.send("POST", "/invocations", b"%d" % number, TEXT).json["text"]

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(ask, range(6))) == [str(number) for number in range(6)]
    assert json.loads(stack.target.send("POST", "/invocations", b"z", TEXT).body)["text"] == "z"
