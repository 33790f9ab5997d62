"""Rows of numbers in each response type."""

import csv
import io
import json

import numpy as np
import pytest

from byoi import errors
from byoi.formats.encoder import encode

ROWS = np.array([[0.1, 0.9], [1e-9, 1], [0.123456789, 0.87654321]], np.float32)
JSON, LINES, CSV = "application/json", "application/jsonlines", "text/csv"
NPY = "application/x-npy"


@pytest.mark.parametrize(
    ("accept", "key", "body", "media_type"),
    [
        ("", "", b"[[0.1, 0.9], [1e-09, 1.0], [0.12345679, 0.8765432]]", JSON),
        (JSON, "scores", b'{"scores": [[0.1, 0.9], [1e-09, 1.0], [0.12345679, 0.8765432]]}', JSON),
        (LINES, "scores", b"[0.1, 0.9]\n[1e-09, 1.0]\n[0.12345679, 0.8765432]", LINES),
        (CSV, "scores", b"0.1,0.9\n1e-09,1.0\n0.12345679,0.8765432", CSV),
        (CSV, "", b"0.1,0.9\n1e-09,1.0\n0.12345679,0.8765432", CSV),
    ],
)
def test_numbers_are_written_shortly_and_no_newline_ends_a_body(accept, key, body, media_type):
    assert encode(ROWS, accept, key=key) == (body, media_type)


def test_an_npy_body_is_the_array():
    body, media_type = encode(ROWS, NPY)
    array = np.load(io.BytesIO(body), allow_pickle=False)
    assert media_type == NPY
    assert array.dtype == np.float32
    assert np.array_equal(array, ROWS)


def test_every_float32_comes_back_from_text():
    rng = np.random.default_rng(0)
    small = 10.0 ** rng.uniform(-40, 0, (2000, 2))
    rows = np.concatenate([rng.random((2000, 2)), small, [[0, 1]]]).astype(np.float32)
    json_body, lines_body, csv_body = (encode(rows, accept)[0] for accept in (JSON, LINES, CSV))
    for values in (
        json.loads(json_body),
        [json.loads(line) for line in lines_body.split(b"\n")],
        [[float(field) for field in row] for row in csv.reader(io.StringIO(csv_body.decode()))],
    ):
        assert np.array_equal(np.array(values, np.float32), rows)


@pytest.mark.parametrize("width", [1, 2, 5])
def test_a_row_has_any_number_of_values(width):
    rows = np.arange(2 * width, dtype=np.float32).reshape(2, width)
    assert json.loads(encode(rows, JSON)[0]) == rows.tolist()
    assert len(encode(rows, CSV)[0].split(b"\n")) == 2


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("accept", [JSON, LINES, CSV, NPY])
def test_no_format_has_a_number_that_is_not_finite(number, accept):
    rows = ROWS.copy()
    rows[1, 1] = number
    with pytest.raises(errors.ModelDataError, match="answer to instance 1 is not finite"):
        encode(rows, accept)


def test_a_key_may_have_any_letters():
    assert encode(ROWS[:1], JSON, key="nan")[0] == b'{"nan": [[0.1, 0.9]]}'


def test_one_instance_is_one_line():
    assert encode(ROWS[:1], CSV)[0] == b"0.1,0.9"
    assert encode(ROWS[:1], LINES)[0] == b"[0.1, 0.9]"
    assert encode(ROWS[:1], JSON)[0] == b"[[0.1, 0.9]]"


def test_the_bare_list_in_json_is_the_default():
    assert encode(ROWS, "") == encode(ROWS, JSON, key="")


def test_an_accept_that_nothing_satisfies_is_refused():
    with pytest.raises(errors.NotAcceptable, match="image/png"):
        encode(ROWS, "image/png")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("accept", [JSON, LINES, CSV, NPY])
def test_what_is_no_finite_number_is_never_sent(value, accept):
    rows = ROWS.copy()
    rows[2, 0] = value
    with pytest.raises(
        errors.ModelDataError, match=r"answer to instance 2 is not finite, .*; train"
    ):
        encode(rows, accept)
