"""The functions of a module: their arguments, their defaults, their context, their outputs."""

import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
from werkzeug.datastructures import Headers

from byoi import errors
from byoi.server.context import Context
from byoi.server.handler import Handler

JSON = "application/json"


def handler_of(**functions):
    return Handler(SimpleNamespace(**{"model_fn": lambda _: 2} | functions), "own.py")


def answer(handler, body=b"[1, 2]", content_type=JSON, accept=JSON, context=None):
    model = handler.load("/m")
    context = context or Context(Headers())
    return handler.answer(model, body, content_type, accept, context)


def identity(*arguments):
    return arguments[0]


@pytest.mark.parametrize(
    ("content_type", "body", "given"),
    [
        ("application/json", b"[1]", "[1]"),
        ("application/json; charset=utf-8", b"[1]", "[1]"),
        ("text/csv", "é,1".encode(), "é,1"),
        ("text/csv; charset=iso-8859-1", "é,1".encode("latin1"), "é,1"),
        ("text/plain", b"a", "a"),
        ("text/html", b"<p>", "<p>"),
        ("application/x-ndjson", b"1\n2", "1\n2"),
        ("application/jsonlines", b"\xef\xbb\xbf1\n2", "1\n2"),
        ("", b"[1]", "[1]"),
        ("application/json", b"\xef\xbb\xbf[1]", "[1]"),
        ("application/x-npy", b"\x93NUMPY", b"\x93NUMPY"),
        ("application/octet-stream", b"a", b"a"),
        ("image/png", b"\x89PNG", b"\x89PNG"),
    ],
)
def test_texts_arrive_as_text_and_all_else_as_bytes(content_type, body, given):
    seen = []
    handler = handler_of(
        input_fn=lambda data, kind: seen.append((data, kind)),
        predict_fn=identity,
        output_fn=lambda *_: "",
    )
    answer(handler, body, content_type)
    assert seen == [(given, content_type)]


def test_a_text_that_the_toolkit_gives_as_bytes_may_be_decoded():
    handler = handler_of(
        input_fn=lambda data, _: data.decode("utf-8").upper(),
        predict_fn=identity,
        output_fn=identity,
    )
    assert answer(handler, b"a", "text/plain").body == "A"


def test_a_text_in_another_charset_is_the_clients_fault():
    handler = handler_of(predict_fn=identity)
    with pytest.raises(errors.MalformedBody, match="not utf-8 at byte 0"):
        answer(handler, b"\xff", "text/csv")
    with pytest.raises(errors.UnsupportedContentType, match="charset 'klingon'"):
        answer(handler, b"a", "text/csv; charset=klingon")


@pytest.mark.parametrize(
    ("content_type", "body", "accept", "expected"),
    [
        (JSON, b"[1, 2]", JSON, ("[2, 4]", JSON)),
        (JSON, b"[[1, 2], [3, 4]]", JSON, ("[[2, 4], [6, 8]]", JSON)),
        (JSON, b"3", JSON, ("6", JSON)),
        (JSON, b"[0.5]", "text/csv", ("1.0\n", "text/csv")),
        ("text/csv", b"1,2\n3,4\n", "text/csv", ("2,4\n6,8\n", "text/csv")),
        ("text/csv", b"1.5,2", JSON, ("[3.0, 4.0]", JSON)),
        ("application/jsonlines", b"[1, 2]\n[3, 4]", "application/x-ndjson",
         ("[2, 4]\n[6, 8]", "application/x-ndjson")),
        (JSON, b"[1, 2]", "text/csv;q=0.1, application/json", ("[2, 4]", JSON)),
    ],
)  # fmt: skip
def test_two_functions_are_enough_for_numbers(content_type, body, accept, expected):
    handler = handler_of(predict_fn=lambda data, model: model * data)
    assert answer(handler, body, content_type, accept) == expected


def test_arrays_go_in_and_out_in_numpys_format():
    stream = io.BytesIO()
    np.save(stream, np.array([[1.5, 2]]))
    handler = handler_of(predict_fn=lambda data, model: model * data)
    body, content_type = answer(
        handler, stream.getvalue(), "application/x-npy", "application/x-npy"
    )
    assert content_type == "application/x-npy"
    np.testing.assert_array_equal(np.load(io.BytesIO(body)), [[3, 4]])


@pytest.mark.parametrize(
    ("content_type", "body", "kind", "words"),
    [
        (JSON, b"[1,", errors.MalformedBody, "not JSON"),
        (JSON, b"[[1], [1, 2]]", errors.MalformedBody, "rows of the same length"),
        ("text/csv", b"", errors.MalformedBody, "no row"),
        ("text/csv", b"1,2\n3", errors.MalformedBody, "row 2 has 1 columns, expected 2"),
        ("application/x-npy", b"x", errors.MalformedBody, "numpy.save"),
        ("image/png", b"x", errors.UnsupportedContentType, "'image/png'; send one of"),
        ("text/plain", b"x", errors.UnsupportedContentType, "or define input_fn"),
    ],
)
def test_what_is_no_numbers_is_the_clients_fault(content_type, body, kind, words):
    with pytest.raises(kind, match=words):
        answer(handler_of(predict_fn=identity), body, content_type)


def test_an_unknown_accept_is_the_clients_fault():
    with pytest.raises(errors.NotAcceptable, match="image/png"):
        answer(handler_of(predict_fn=identity), accept="image/png")


def test_a_model_predicts_by_its_own_method_or_itself():
    own = SimpleNamespace(predict=lambda data: data + 1)
    assert answer(handler_of(model_fn=lambda _: own)).body == "[2, 3]"
    assert answer(handler_of(model_fn=lambda _: lambda data: data - 1)).body == "[0, 1]"
    with pytest.raises(errors.ConfigurationError, match="int, has no method predict"):
        handler_of().load("/m")


def test_ping_fn_gets_the_model_and_may_take_the_context():
    assert handler_of().has_ping is False
    assert handler_of().ping("a model") is True
    handler = handler_of(ping_fn=lambda model: f"{model} is well")
    assert handler.has_ping is True
    assert handler.ping("it") == "it is well"
    assert handler_of(ping_fn=lambda model, context: model).ping("it") == "it"
    with pytest.raises(errors.ConfigurationError, match=r"ping_fn of .* expected 1 argument, or"):
        handler_of(ping_fn=lambda: True)


def test_transform_fn_takes_the_place_of_the_three():
    def transform_fn(model, data, content_type, accept):
        return json.dumps([model, data, content_type]), accept

    made = answer(handler_of(transform_fn=transform_fn), b"x", "text/csv", "text/html")
    assert made == ('[2, "x", "text/csv"]', "text/html")


@pytest.mark.parametrize("beside", ["input_fn", "predict_fn", "output_fn"])
def test_transform_fn_beside_another_is_refused(beside):
    with pytest.raises(errors.ConfigurationError, match=f"defines transform_fn and {beside}"):
        handler_of(transform_fn=lambda *_: 0, **{beside: identity})


def test_a_function_may_take_the_context_last():
    def model_fn(model_dir, context):
        return context.system_properties["model_dir"], model_dir

    def input_fn(data, kind, context):
        return context.get_request_header(0, "x-mine")

    def predict_fn(data, model, *, context):
        return [data, *model, context.inference_id, context.custom_attributes]

    def output_fn(prediction, accept, context):
        context.set_response_content_type(0, "text/own")
        context.set_response_header(0, "X-Mine", "back")
        context.set_response_status(201)
        context.custom_attributes = "set"
        return json.dumps(prediction), accept

    headers = {
        "X-Mine": "there",
        "X-Amzn-SageMaker-Inference-Id": "id-1",
        "X-Amzn-SageMaker-Custom-Attributes": "a=1",
    }
    context = Context(Headers(headers), request_id="7")
    handler = handler_of(
        model_fn=model_fn, input_fn=input_fn, predict_fn=predict_fn, output_fn=output_fn
    )
    made = answer(handler, context=context)
    assert json.loads(made.body) == ["there", "/m", "/m", "id-1", "a=1"]
    assert context.status == 201
    assert dict(context.response_headers) == {
        "Content-Type": "text/own",
        "X-Mine": "back",
        "X-Amzn-SageMaker-Custom-Attributes": "set",
    }
    assert context.get_request_id() == "7"
    assert context.request_processor[0].get_request_properties()["X-Mine"] == "there"


def test_a_header_of_two_lines_and_a_status_that_is_none_are_refused():
    context = Context(Headers())
    with pytest.raises(ValueError, match="expected one line"):
        context.set_response_header(0, "X-Mine", "a\r\nSet-Cookie: b")
    for status in (0, 99, 199, 600):
        with pytest.raises(ValueError, match=f"200 to 599, received {status}"):
            context.set_response_status(status)
    with pytest.raises(IndexError, match="received 1"):
        context.get_request_header(1, "a")


@pytest.mark.parametrize(
    "function",
    [lambda: 0, lambda one, two, three, four: 0, lambda one, *, flag: 0, 5],
)
def test_a_function_that_cannot_be_called_so_is_named_at_start(function):
    with pytest.raises(errors.ConfigurationError, match=r"predict_fn of own\.py"):
        handler_of(predict_fn=function)


def test_further_optional_arguments_keep_their_defaults():
    handler = handler_of(
        input_fn=lambda data, kind, first=1, second=2: [first, second],
        predict_fn=lambda *both: both[0],
    )
    assert answer(handler).body == "[1, 2]"


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("text", ("text", None)),
        (b"bytes", (b"bytes", None)),
        (bytearray(b"more"), (b"more", None)),
        ({"a": 1}, ('{\n  "a": 1\n}', None)),
        ([1], ("[\n  1\n]", None)),
        (("text", "a/b"), ("text", "a/b")),
        (("text", "a/b", 5), ("text", "a/b")),
        (("text",), ("text", None)),
    ],
)
def test_an_output_becomes_a_body(output, expected):
    handler = handler_of(predict_fn=identity, output_fn=lambda *_: output)
    assert answer(handler) == expected


def test_an_output_that_is_no_body_is_an_error():
    with pytest.raises(TypeError, match="the module returned object as a body"):
        answer(handler_of(predict_fn=identity, output_fn=lambda *_: object()))


def test_functions_before_and_after_loading_are_called():
    calls = []
    handler = handler_of(
        pre_model_fn=lambda model_dir: calls.append(("before", model_dir)),
        model_warmup_fn=lambda model_dir, model: calls.append(("after", model_dir, model)),
        predict_fn=identity,
    )
    assert handler.load("/m") == 2
    assert calls == [("before", "/m"), ("after", "/m", 2)]


@pytest.mark.parametrize("threads", [0, 257, "4", True, 1.0])
def test_threads_of_a_module_are_a_whole_number(threads):
    with pytest.raises(errors.ConfigurationError, match="BYOI_THREADS = "):
        handler_of(BYOI_THREADS=threads)


def test_a_module_is_asked_one_request_at_a_time_unless_it_says_otherwise():
    assert handler_of().threads == 1
    assert handler_of(BYOI_THREADS=8).threads == 8


@pytest.mark.parametrize(("of_model", "expected"), [({"BYOI_THREADS": 4}, 4), ({}, 8)])
def test_a_model_says_how_many_requests_it_takes_where_its_module_cannot_know(of_model, expected):
    model = SimpleNamespace(predict=identity, **of_model)
    handler = handler_of(BYOI_THREADS=8, model_fn=lambda _: model)
    handler.load("/m")
    assert handler.threads == expected


def test_a_model_that_answers_any_name_says_nothing_of_threads():
    class AnyName:
        def __getattr__(self, name):
            return name

        def predict(self, data):
            return data

    handler = Handler(SimpleNamespace(model_fn=lambda _: AnyName()), "mine")
    handler.load("/model")
    assert handler.threads == 1
