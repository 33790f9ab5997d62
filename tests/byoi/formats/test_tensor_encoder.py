"""The outputs of a model to bodies, in the form of the request."""

import io
import json

import numpy as np
import pytest

from byoi import errors
from byoi.formats import tensor_encoder
from byoi.formats.tensors import Form, Tensors

SCORES = {"score": np.array([[0.1, 2], [1 / 3, 1e-9]], np.float32)}
SEVERAL = {
    "label": np.array(["a,b", "ä"], object),
    "score": np.array([0.5, 1], np.float32),
    "sure": np.array([True, False]),
}


def encode(arrays, accept="application/json", form=Form.INSTANCES):
    return tensor_encoder.encode(Tensors(arrays, form), accept)


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (Form.INSTANCES, '{"predictions": [[0.1, 2.0], [0.33333334, 1e-09]]}'),
        (Form.INPUTS, '{"outputs": [[0.1, 2.0], [0.33333334, 1e-09]]}'),
        (Form.LIST, "[[0.1, 2.0], [0.33333334, 1e-09]]"),
    ],
)
def test_an_answer_has_the_form_of_its_request(form, text):
    assert encode(SCORES, form=form) == (text, "application/json")


@pytest.mark.parametrize(
    ("form", "content"),
    [
        (
            Form.INSTANCES,
            {
                "predictions": [
                    {"label": "a,b", "score": 0.5, "sure": True},
                    {"label": "ä", "score": 1.0, "sure": False},
                ]
            },
        ),
        (
            Form.INPUTS,
            {"outputs": {"label": ["a,b", "ä"], "score": [0.5, 1.0], "sure": [True, False]}},
        ),
    ],
)
def test_several_outputs_have_their_names(form, content):
    assert json.loads(encode(SEVERAL, form=form)[0]) == content


def test_a_line_is_a_row():
    assert encode(SCORES, "application/x-ndjson") == (
        "[0.1, 2.0]\n[0.33333334, 1e-09]",
        "application/x-ndjson",
    )
    assert encode(SCORES, "text/csv")[0] == "0.1,2.0\n0.33333334,1e-09"
    assert encode(SEVERAL, "text/csv")[0] == '"a,b",0.5,true\nä,1.0,false'


@pytest.mark.parametrize("array", [SCORES["score"], np.array(["a", "bcd"], object), np.arange(3)])
def test_an_array_comes_back_as_it_is(array):
    body, _ = encode({"out": array}, "application/x-npy")
    read = np.load(io.BytesIO(body), allow_pickle=False)
    assert read.tolist() == array.tolist()


def test_what_is_not_finite_has_the_word_of_its_format():
    odd = {"score": np.array([np.nan, np.inf, 1], np.float32)}
    assert encode(odd)[0] == '{"predictions": [null, null, 1.0]}'
    assert encode(odd, "text/csv")[0] == "nan\ninf\n1.0"


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_number_is_written_as_the_shortest_text_that_gives_it_again(dtype):
    numbers = np.array([0.1, 1 / 3, 65504, 1e-7], dtype)
    written = json.loads(encode({"out": numbers})[0])["predictions"]
    np.testing.assert_array_equal(np.array(written, dtype), numbers)
    assert written[0] == 0.1


@pytest.mark.parametrize(
    ("arrays", "accept", "words"),
    [
        (SEVERAL, "application/x-npy", "holds one array, and the model gives label, score, sure"),
        (
            {"total": np.float32(1)},
            "text/csv",
            "the model gave total of shape (), which are",
        ),
        ({"a": np.ones(2), "b": np.ones(3)}, "application/json", 'send {"inputs": ...}'),
        (SCORES, "image/png", "no encoder for Accept 'image/png'"),
    ],
)
def test_what_cannot_be_written_so_is_not_acceptable(arrays, accept, words):
    with pytest.raises(errors.NotAcceptable) as caught:
        encode({name: np.asarray(array) for name, array in arrays.items()}, accept)
    assert words in str(caught.value)


def test_whole_tensors_need_no_rows():
    arrays = {"a": np.asarray(1.5), "b": np.arange(3)}
    assert encode(arrays, form=Form.INPUTS)[0] == '{"outputs": {"a": 1.5, "b": [0, 1, 2]}}'


def test_an_answer_without_rows_is_an_empty_text():
    assert encode({"out": np.empty((0, 4), np.float32)}, "text/csv")[0] == ""
