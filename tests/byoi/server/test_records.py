"""The records of a batch transform: errors in their place, and how an answer ends."""

import json
import logging
from types import SimpleNamespace

import pytest
from werkzeug.datastructures import Headers

from byoi import errors
from byoi.formats import numbers
from byoi.server import inference_module, records
from byoi.server.context import Context
from byoi.server.handler import Handler, Output
from byoi.server.records import RecordHandler
from byoi.server.streams import Pieces


class Module:
    """The built-in formats of numbers around a model that refuses 13; counts what it is asked."""

    def __init__(self):
        self.asked = []

    def model_fn(self, _model_dir):
        return self

    def input_fn(self, body, content_type):
        self.asked.append(body)
        return numbers.decode(body, content_type)

    def predict_fn(self, data, _model):
        rows = data.reshape(-1)
        if 13 in rows or data.ndim > 1:
            raise errors.MalformedBody("13 brings bad luck")
        if 66 in rows:
            raise ValueError("a secret of the model")
        return rows * 2


def answer(body, content_type, accept, module=None):
    handler = RecordHandler(module or Module(), "m")
    model = handler.load("/m")
    return handler.answer(model, body, content_type, accept, Context(Headers(), request_id="id"))


def test_without_a_bad_record_the_functions_are_called_once():
    module = Module()
    output = answer(b"1\n2\n3\n", "text/csv", "text/csv", module)
    assert output == Output("2\n4\n6\n", "text/csv")
    assert len(module.asked) == 1


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"1\nx\n3", "2\nERROR\n6"),
        (b"13\n2\n13\n", "ERROR\n4\nERROR"),
        (b"1\n2,2\n3\n4", "2\nERROR\n6\n8"),
        (b"13\n13", "ERROR\nERROR"),
        (b"13\n", "ERROR"),
        (b"1\n\n13\n\n", "2\nERROR"),
        (b"1\n\xff\n3", "2\nERROR\n6"),
        (b"1\n66\n13\n4", "2\nERROR\nERROR\n8"),
    ],
)
def test_a_bad_line_of_csv_becomes_an_error_in_its_place(body, expected):
    output = answer(body, "text/csv; charset=utf-8", "text/csv")
    assert output == Output(expected, "text/csv")


def test_a_bad_line_of_json_lines_says_why():
    output = answer(b"1\n{}\n3", "application/jsonlines", "application/jsonlines")
    lines = [json.loads(line) for line in output.body.splitlines()]
    assert (lines[0], lines[2]) == (2, 6)
    assert set(lines[1]) == {"error", "message"}


def test_the_words_of_a_library_are_for_the_log(caplog):
    output = answer(b"1\n66", "application/jsonlines", "application/jsonlines")
    assert json.loads(output.body.splitlines()[1]) == {
        "error": "ValueError",
        "message": "the log has the cause",
    }
    (record,) = caplog.records
    assert str(record.exc_info[1]) == "a secret of the model"


def test_a_module_that_answers_none_is_not_asked_for_each():
    module = Module()
    with pytest.raises(ValueError, match="secret"):
        answer(b"66\n" * 1000, "text/csv", "text/csv", module)
    assert len(module.asked) < 50


def test_in_a_list_of_json_it_is_an_object():
    output = answer(b"1\n13\n3", "text/csv", "application/json")
    bad = {"error": "MalformedBody", "message": "13 brings bad luck"}
    assert (json.loads(output.body), output.content_type) == ([2, bad, 6], "application/json")


def test_in_an_object_with_one_list_too():
    class Wrapped(Module):
        def output_fn(self, prediction, _accept):
            return json.dumps({"predictions": prediction.tolist()}), "application/json"

    output = answer(b"1\n13\n3", "text/csv", "application/json", Wrapped())
    found = json.loads(output.body)["predictions"]
    assert (found[0], found[1]["error"], found[2]) == (2, "MalformedBody", 6)


def test_a_body_of_json_is_one_record():
    output = answer(b"[13]", "application/json", "application/json")
    assert json.loads(output.body) == {"error": "MalformedBody", "message": "13 brings bad luck"}


def test_a_row_is_never_alone_where_it_would_have_another_shape():
    class TwoColumns(Module):
        def predict_fn(self, data, model):
            if data.ndim != 2:
                raise ValueError("expected two axes")  # as scikit-learn does
            return super().predict_fn(data[:, 1], model)

    output = answer(b"0,1\n0,13\n0,3", "text/csv", "text/csv", TwoColumns())
    assert output.body == "2\nERROR\n6"


def test_few_of_many_cost_few_calls():
    module = Module()
    lines = [b"%d" % (number + 100) for number in range(1000)]
    lines[700] = b"13"
    output = answer(b"\n".join(lines), "text/csv", "text/csv", module)
    answers = output.body.split("\n")
    assert len(answers) == 1000
    assert answers[700] == "ERROR"
    assert answers[699:702:2] == [str(2 * 799), str(2 * 801)]
    assert len(module.asked) < 25


@pytest.mark.parametrize(
    ("body", "content_type", "accept", "error"),
    [
        (b"66\n66\n13", "text/csv", "text/csv", ValueError),
        (b"66", "text/csv", "text/csv", ValueError),
        (b"1", "application/unknown", "text/csv", errors.UnsupportedContentType),
        (b"1", "text/csv", "image/png", errors.NotAcceptable),
        # No place in it for an error.
        (b"1\n13", "text/csv", "application/x-npy", errors.MalformedBody),
        (b"13", "text/csv", "application/x-npy", errors.MalformedBody),
    ],
)
def test_what_is_no_bad_record_stays_an_error_of_the_whole(body, content_type, accept, error):
    with pytest.raises(error):
        answer(body, content_type, accept)


def test_a_module_that_answers_other_than_line_by_line_gets_its_error_and_a_reason(caplog):
    class Summing(Module):
        def predict_fn(self, data, model):
            return super().predict_fn(data, model).sum(keepdims=True)

    with caplog.at_level(logging.WARNING), pytest.raises(errors.MalformedBody):
        answer(b"1\n2\n3\n13", "text/csv", "text/csv", Summing())
    (record,) = caplog.records
    assert record.getMessage().startswith(
        "no record has an error in its place: the answer to 2 records must be 2 lines, received 1"
    )


def test_the_log_says_how_many_and_which_is_the_first(caplog):
    with caplog.at_level(logging.WARNING):
        answer(b"1\n13\n3\n13", "text/csv", "text/csv")
    (record,) = caplog.records
    assert record.request_id == "id"
    assert record.getMessage() == (
        "2 of 4 records have an error in their place; the first is record 2: MalformedBody: "
        "13 brings bad luck"
    )


def test_an_answer_in_pieces_is_put_together():
    class Streaming(Module):
        def output_fn(self, prediction, _accept):
            return (f"{one}\n" for one in prediction), "text/csv"

        predict_fn = Module.predict_fn

    # Handler looks at what an output function returns first; a tuple's first may be an iterator.
    output = answer(b"1\n13\n3", "text/csv", "text/csv", Streaming())
    assert output == Output("2\nERROR\n6", "text/csv")
    assert records.whole(Output(Pieces(iter(["a", "b"]), "m"), None)) == Output(b"ab", None)


@pytest.mark.parametrize(
    ("module", "is_batch", "has_record_errors", "kind"),
    [
        ("", True, False, Handler),
        ("", True, True, RecordHandler),
        ("BYOI_TRANSFORM_RECORD_ERRORS = True\n", True, False, RecordHandler),
        ("BYOI_TRANSFORM_RECORD_ERRORS = False\n", True, False, Handler),
        ("BYOI_TRANSFORM_RECORD_ERRORS = True\n", False, True, Handler),
    ],
)
def test_only_where_somebody_asks_for_it_and_in_a_transform(
    tmp_path, module, is_batch, has_record_errors, kind
):
    file = tmp_path / "asking.py"
    file.write_text(module + "def model_fn(model_dir): return str\n")
    found = inference_module.find(str(file), is_batch=is_batch, has_record_errors=has_record_errors)
    assert type(found) is kind


def test_an_unclear_wish_is_refused():
    with pytest.raises(errors.ConfigurationError, match="expected True or False"):
        records.are_errors_asked(SimpleNamespace(BYOI_TRANSFORM_RECORD_ERRORS="ERROR"), "m")


@pytest.mark.parametrize(
    ("body", "content_type", "without", "with_one"),
    [
        (b"1\n2", "text/csv", b"1\n2", b"1\n2\n"),
        (b"1\n2\n", "text/csv; charset=utf-8", b"1\n2", b"1\n2\n"),
        (b"1\r\n", "text/csv", b"1\r", b"1\r\n"),
        (b"1\n\n", "text/csv", b"1\n", b"1\n\n"),
        (b"{}", "application/jsonlines", b"{}", b"{}\n"),
        (b"{}", "application/json", b"{}", b"{}\n"),
        (b"a", "text/plain", b"a", b"a\n"),
        (b"", "text/csv", b"", b""),
        (b"\x93\n", "application/x-npy", b"\x93\n", b"\x93\n"),
        (b"\x93", "text/csv; charset=klingon", b"\x93", b"\x93"),
        (b"a\0", "text/csv; charset=utf-16", b"a\0", b"a\0"),
    ],
)
def test_the_end_of_a_text_is_the_settings(body, content_type, without, with_one):
    assert records.with_end(body, content_type, has_line_end=False) == without
    assert records.with_end(body, content_type, has_line_end=True) == with_one
