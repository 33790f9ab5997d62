"""Arrays from bodies of numbers, as SageMaker's inference toolkit makes them."""

import json
import tracemalloc

import numpy as np
import pandas as pd
import pytest

from byoi import errors
from byoi.formats import numbers


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,2\n3,4\n", [[1, 2], [3, 4]]),
        ("1,2\r\n3,4", [[1, 2], [3, 4]]),
        ("\ufeff1,2", [1, 2]),
        ("1\n2\n", [1, 2]),
        ("7", 7),
        ("1,2.5\n3,4", [[1, 2.5], [3, 4]]),
        (" 1 , 2 ", [1, 2]),
        ("1e3,-inf", [1000, -np.inf]),
        ("a,1", ["a", "1"]),
        ('"a,b",c', ["a,b", "c"]),
        ("9223372036854775808,1", [9223372036854775808.0, 1]),
    ],
)
def test_csv_becomes_the_narrowest_kind_of_number(text, expected):
    read = numbers.decode(text, "text/csv")
    np.testing.assert_array_equal(read, expected)
    assert read.dtype.kind == np.asarray(expected).dtype.kind


def test_a_missing_number_is_not_a_number():
    read = numbers.decode("1,,3\n4,5,", "text/csv")
    np.testing.assert_array_equal(read, [[1, np.nan, 3], [4, 5, np.nan]])


@pytest.mark.parametrize("body", ["[1, 2]", b"[1, 2]"])
def test_a_body_may_be_text_or_bytes(body):
    assert numbers.decode(body, "").tolist() == [1, 2]


@pytest.mark.parametrize("content_type", ["application/json", "application/jsonlines"])
def test_what_python_calls_a_number_in_json_is_one_in_both_directions(content_type):
    read = numbers.decode(b"[1, NaN, -Infinity]", content_type)
    np.testing.assert_array_equal(read.reshape(-1), [1, np.nan, -np.inf])
    assert numbers.encode(read.reshape(1, 3), content_type)[0].strip("[]") == "1.0, NaN, -Infinity"


def test_what_has_a_list_inside_is_written_as_json():
    prediction = {"p": np.array([0.5, 1]), "label": np.int64(3), "name": "a"}
    body, content_type = numbers.encode(prediction, "")
    assert json.loads(body) == {"p": [0.5, 1], "label": 3, "name": "a"}
    assert content_type == "application/json"


@pytest.mark.parametrize("accept", ["application/json", "application/x-npy"])
def test_what_cannot_be_written_is_an_error_of_the_model(accept):
    with pytest.raises(TypeError, match="cannot be written"):
        numbers.encode([object()], accept)


def test_the_clients_fault_is_named():
    with pytest.raises(errors.MalformedBody, match="line 2 is not JSON"):
        numbers.decode("1\nx", "application/jsonlines")


@pytest.mark.parametrize(
    ("prediction", "lines"),
    [
        ({"a": 1, "b": 2}, '{"a": 1, "b": 2}'),
        ("text", '"text"'),
        ([1, {"a": np.int64(2)}], '1\n{"a": 2}'),
        (({"a": 1}, 2), '{"a": 1}\n2'),
        (np.array([[1, 2], [3, 4]]), "[1, 2]\n[3, 4]"),
        (pd.DataFrame({"a": [1, 2], "b": [3, 4]}), "[1, 3]\n[2, 4]"),
        (np.float64(0.5), "0.5"),
    ],
)
def test_a_line_holds_all_of_what_was_predicted(prediction, lines):
    assert numbers.encode(prediction, "application/jsonlines")[0] == lines


def test_a_table_of_pandas_is_written_as_its_rows():
    table = pd.DataFrame({"a": [1, 2], "b": [3, 4]})
    assert numbers.encode(table, "")[0] == "[[1, 3], [2, 4]]"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"x" * 20_000 + b"\n1" * 10_000, "text/csv"),
        (b'["' + b"x" * 20_000 + b'"' + b', "1"' * 10_000 + b"]", "application/json"),
        (b'["' + b"x" * 20_000 + b'"]' + b'\n["1"]' * 10_000, "application/jsonlines"),
    ],
)
def test_one_long_text_beside_many_short_ones_does_not_take_its_room_for_each(body, content_type):
    tracemalloc.start()
    try:
        with pytest.raises(errors.MalformedBody, match=r"longest with 20000 characters.* at most"):
            numbers.decode(body, content_type)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_long_texts_of_one_length_are_an_array():
    body = json.dumps(["x" * 10_000, "y" * 10_000] * 200).encode()
    assert numbers.decode(body, "").shape == (400,)


def test_a_long_number_among_many_in_csv_costs_its_own_room_only():
    tracemalloc.start()
    try:
        read = numbers.decode("1" * 4_000 + "\n1" * 100_000, "text/csv")
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()
    assert (read.dtype, read.shape, read[0], read[1]) == (np.float64, (100_001,), np.inf, 1)


def test_one_number_is_a_line_of_csv():
    body, media_type = numbers.encode(np.float64(2.5), "text/csv")
    assert (body, media_type) == ("2.5\n", "text/csv")
