import csv
import io
import json

import numpy as np
import pytest

from byoi import errors
from byoi_lib.request import Predictions, encode

PAIRS = np.array([[0.1, 0.9], [1e-9, 1], [0.123456789, 0.87654321]], np.float32)
ANSWER = Predictions(PAIRS)


@pytest.mark.parametrize(
    ("accept", "has_key", "body", "media_type"),
    [
        ("", False, b"[[0.1, 0.9], [1e-09, 1.0], [0.12345679, 0.8765432]]", "application/json"),
        (
            "application/json",
            True,
            b'{"predictions": [[0.1, 0.9], [1e-09, 1.0], [0.12345679, 0.8765432]]}',
            "application/json",
        ),
        (
            "application/jsonlines",
            True,
            b"[0.1, 0.9]\n[1e-09, 1.0]\n[0.12345679, 0.8765432]",
            "application/jsonlines",
        ),
        ("text/csv", True, b"0.1,0.9\n1e-09,1.0\n0.12345679,0.8765432", "text/csv"),
        ("text/csv", False, b"0.1,0.9\n1e-09,1.0\n0.12345679,0.8765432", "text/csv"),
    ],
)
def test_numbers_are_written_shortly_and_no_newline_ends_a_body(accept, has_key, body, media_type):
    assert encode(Predictions(PAIRS, has_key), accept) == (body, media_type)


def test_an_npy_body_is_the_array():
    body, media_type = encode(ANSWER, "application/x-npy")
    array = np.load(io.BytesIO(body), allow_pickle=False)
    assert media_type == "application/x-npy"
    assert array.dtype == np.float32
    assert np.array_equal(array, PAIRS)


def test_every_float32_comes_back_from_text():
    rng = np.random.default_rng(0)
    small = 10.0 ** rng.uniform(-40, 0, (2000, 2))
    pairs = np.concatenate([rng.random((2000, 2)), small, [[0, 1]]]).astype(np.float32)
    json_body, _ = encode(Predictions(pairs), "application/json")
    lines_body, _ = encode(Predictions(pairs), "application/jsonlines")
    csv_body, _ = encode(Predictions(pairs), "text/csv")
    for values in (
        json.loads(json_body),
        [json.loads(line) for line in lines_body.split(b"\n")],
        [[float(field) for field in row] for row in csv.reader(io.StringIO(csv_body.decode()))],
    ):
        assert np.array_equal(np.array(values, np.float32), pairs)


def test_one_review_is_one_line():
    one = Predictions(PAIRS[:1])
    assert encode(one, "text/csv")[0] == b"0.1,0.9"
    assert encode(one, "application/jsonlines")[0] == b"[0.1, 0.9]"
    assert encode(one, "application/json")[0] == b"[[0.1, 0.9]]"


def test_a_number_without_a_key_is_the_default():
    assert encode(ANSWER, "") == encode(Predictions(PAIRS, has_key=False), "application/json")


def test_an_accept_that_nothing_satisfies_is_refused():
    with pytest.raises(errors.NotAcceptable, match="image/png"):
        encode(ANSWER, "image/png")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    "accept", ["application/json", "application/jsonlines", "text/csv", "application/x-npy"]
)
def test_what_is_no_finite_number_is_never_sent(value, accept):
    pairs = PAIRS.copy()
    pairs[2, 0] = value
    with pytest.raises(
        errors.ModelDataError, match=r"answer to instance 2 is not finite, .*; train"
    ):
        encode(Predictions(pairs), accept)
