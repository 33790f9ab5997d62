"""Bodies to the named arrays of a signature: what is taken, and how each mistake is named."""

import io
import json

import numpy as np
import pytest

from byoi import errors, formats
from byoi.formats import Signature, Tensor

WIDE = Signature((Tensor("x", "float32", (None, 3)),), ())
TABLE = Signature(
    (
        Tensor("age", "int64", (None,)),
        Tensor("name", "str", (None,)),
        Tensor("weight", "float32", (None,)),
    ),
    (),
)
NAN = float("nan")
ONE = {"age": [3], "name": ["ann"], "weight": [0.5]}


def npy(values, dtype=None):
    stream = io.BytesIO()
    np.save(stream, np.asarray(values, dtype), allow_pickle=False)
    return stream.getvalue()


def of(dtype, *shape):
    return Signature((Tensor("x", dtype, shape or (None,)),), ())


def decode(body, content_type="application/json", signature=WIDE):
    body = body if isinstance(body, str | bytes) else json.dumps(body)
    return formats.decode_tensors(body, content_type, signature)


def lists(tensors):
    return {name: array.tolist() for name, array in tensors.arrays.items()}


def refusal(body, content_type="application/json", signature=WIDE):
    with pytest.raises(errors.MalformedBody) as caught:
        decode(body, content_type, signature)
    return str(caught.value)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ({"instances": [[1, 2, 3], [4, 5, 6]]}, "application/json"),
        ({"instances": [{"x": [1, 2, 3]}, {"x": [4, 5, 6]}]}, "application/json"),
        (
            {"instances": [[1, 2, 3], [4, 5, 6]], "signature_name": "serving_default"},
            "application/json",
        ),
        ({"inputs": [[1, 2, 3], [4, 5, 6]]}, ""),
        ({"inputs": {"x": [[1, 2, 3], [4, 5, 6]]}}, "application/json; charset=utf-8"),
        ([[1, 2, 3], [4.0, 5, 6]], "application/json"),
        ("[1, 2, 3]\n[4, 5, 6]\n", "application/jsonlines"),
        ('{"x": [1, 2, 3]}\n{"x": [4, 5, 6]}', "application/x-ndjson"),
        ("1,2,3\n4, 5.0 ,6\r\n", "text/csv"),
        ("\ufeff1,2,3\n4,5,6", "text/csv"),
        (npy([[1, 2, 3], [4, 5, 6]]), "application/x-npy"),
        (npy([[1, 2, 3], [4, 5, 6]], ">f8"), "application/x-npy"),
    ],
)
def test_one_wide_input_is_taken_in_every_form(body, content_type):
    tensors = decode(body, content_type)
    assert lists(tensors) == {"x": [[1, 2, 3], [4, 5, 6]]}
    assert tensors.arrays["x"].dtype == np.float32


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ({"instances": [{"weight": 0.5, "name": "ann", "age": 3}]}, "application/json"),
        ({"instances": [[3, "ann", 0.5]]}, "application/json"),
        ({"inputs": {"weight": [0.5], "name": ["ann"], "age": [3.0]}}, "application/json"),
        ([[3.0, "ann", 0.5]], "application/json"),
        ('{"age": 3, "name": "ann", "weight": 0.5}', "application/jsonlines"),
        ("3.0,ann,0.5\n", "text/csv"),
    ],
)
def test_several_inputs_are_taken_by_name_or_in_their_order(body, content_type):
    assert lists(decode(body, content_type, TABLE)) == ONE


@pytest.mark.parametrize(
    ("dtype", "values", "expected"),
    [
        ("int64", [1.0, -2, 2**53 + 1], [1, -2, 2**53 + 1]),
        ("int64", [1.0, -2.0], [1, -2]),
        ("int64", [1, -(2**63)], [1, -(2**63)]),
        ("uint8", [0, 255.0], [0, 255]),
        ("uint64", [2**64 - 1], [2**64 - 1]),
        ("float32", [1, 2.5, None], [1, 2.5, NAN]),
        ("float64", [2**53 + 2], [2**53 + 2]),
        ("bool", [True, False, 1, 0], [True, False, True, False]),
        ("str", ["", "ä", "1"], ["", "ä", "1"]),
        ("object", ["a", 1, 2.5, None], ["a", 1, 2.5, None]),
    ],
)
def test_elements_of_json_become_the_type_of_the_input(dtype, values, expected):
    array = decode({"inputs": values}, signature=of(dtype)).arrays["x"]
    assert array.dtype == (object if dtype in {"str", "object"} else dtype)
    np.testing.assert_array_equal(array, np.array(expected, array.dtype))


@pytest.mark.parametrize(
    ("dtype", "text", "expected"),
    [
        ("int64", "1.0\n-2\n", [1, -2]),
        ("int64", "9007199254740993\n 1 ", [2**53 + 1, 1]),
        ("float32", '1e3\nnan\n""\n', [1000, NAN, NAN]),
        ("bool", "true\nFalse\n1\n0", [True, False, True, False]),
        ("str", '"a,b"\n1.0\n" x"', ["a,b", "1.0", " x"]),
        ("object", 'a\n1\n""', ["a", "1", None]),
    ],
)
def test_fields_of_csv_become_the_type_of_the_input(dtype, text, expected):
    array = decode(text, "text/csv", of(dtype)).arrays["x"]
    np.testing.assert_array_equal(array, np.array(expected, array.dtype))


@pytest.mark.parametrize(
    ("dtype", "array", "expected"),
    [
        ("int32", npy([1.0, 2.0]), [1, 2]),
        ("int8", npy([-128, 127], "int64"), [-128, 127]),
        ("float32", npy([np.inf, NAN]), [np.inf, NAN]),
        ("bool", npy([0, 1]), [False, True]),
        ("str", npy(["a", "bc"]), ["a", "bc"]),
    ],
)
def test_elements_of_an_array_become_the_type_of_the_input(dtype, array, expected):
    got = decode(array, "application/x-npy", of(dtype)).arrays["x"]
    np.testing.assert_array_equal(got, np.array(expected, got.dtype))


@pytest.mark.parametrize(
    ("signature", "body", "content_type", "shape"),
    [
        (of("float32", None, 2, 2), "1,2,3,4\n5,6,7,8", "text/csv", (2, 2, 2)),
        (of("float32", None, None), "1,2,3,4,5", "text/csv", (1, 5)),
        (of("float32", 1, 4), [[1, 2, 3, 4]], "", (1, 4)),
        (of("float32", None, None, 1), [[[1], [2]]], "", (1, 2, 1)),
        (Signature((Tensor("x", "float32", ()),), ()), {"inputs": 2.5}, "", ()),
    ],
)
def test_shapes_with_open_fixed_and_no_axes_are_filled(signature, body, content_type, shape):
    assert decode(body, content_type, signature).arrays["x"].shape == shape


def test_columns_of_an_array_are_the_inputs_of_one_value():
    numbers = Signature((Tensor("a", "int64", (None,)), Tensor("b", "float32", (None,))), ())
    tensors = decode(npy([[1, 0.5], [2, 1.5]]), "application/x-npy", numbers)
    assert lists(tensors) == {"a": [1, 2], "b": [0.5, 1.5]}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ([[1, 2, 3], [1, 2]], "input 'x', row 2: received 2 values, expected 3 in the shape (rows"),
        ([[1, 2, "a"]], "input 'x', row 1, column 3: received 'a', a text, expected a number (f"),
        ([[1, 2, True]], "row 1, column 3: received true, a boolean, expected a number"),
        ([[1, 2, [3]]], "row 1, column 3: received a list of 1, expected a number"),
        ([[1, 2, {"a": 3}]], "row 1, column 3: received an object with 'a', expected a number"),
        ([[1, 2, 1e39]], "received 1e+39, a number, expected a number (float32) up to 3.4e+38"),
        ([[1, 2, 10**400]], "row 1, column 3: received 1000"),
        ("[[1, 2, 1e999]]", "row 1, column 3: received inf"),
        ([1, 2, 3], "row 1: received 1, a number, expected a list in the shape (rows, 3)"),
        ([[1, 2, 3], None], "row 2: received null, expected a list"),
        ([], "the body holds no row, expected at least one with 'x' (float32 (rows, 3))"),
        ({"instances": []}, "the body holds no row"),
        ({"instances": 3}, '"instances": received 3, a number, expected a list of rows'),
        ({"inputs": []}, "input 'x': received 0 rows, expected at least 1"),
        ({"inputs": {"y": [[1, 2, 3]]}}, "\"inputs\": received no 'x', expected 'x' (float32"),
        ([{"x": [1, 2, 3], "y": 1}], "row 1: received 'y', which the model does not take"),
        ([{"x": [1, 2, 3]}, [1, 2, 3]], "row 2: received a list of 3, expected an object with 'x'"),
        ({"x": [1, 2, 3]}, "received an object with 'x', expected {\"instances\": [row, ...]}"),
        ({"instances": [], "inputs": []}, "received both, instances and inputs,"),
        ({"instances": [[1, 2, 3]], "a": 1}, "received 'a' beside \"instances\""),
        ({"inputs": 1, "signature_name": "b"}, "received 'b' beside \"inputs\", expected nothing"),
        ("", "the body is not JSON"),
        ("null", "received null, expected"),
        ('{"instances": [{"x": 1, "x": 2}]}', "an object has a key twice"),
        ("[[NaN, 1, 2]]", "NaN is not a JSON value"),
    ],
)
def test_a_wrong_json_body_is_named(body, words):
    assert words in refusal(body)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ([["3", "ann", 1]], "input 'age', row 1: received '3', a text, expected a whole number"),
        ([[1.5, "ann", 1]], "input 'age', row 1: received 1.5, a number, expected a whole number"),
        ([[2**63, "ann", 1]], "input 'age', row 1: received 9223372036854775808"),
        ([[1e300, "ann", 1]], "input 'age', row 1: received 1e+300"),
        ([[None, "ann", 1]], "input 'age', row 1: received null, expected a whole number"),
        (
            [[-1, "ann", 1], [2**63, "ann", 1]],
            "input 'age', row 2: received 9223372036854775808, a number",
        ),
        ([[-(10**30), "ann", 1]], "input 'age', row 1: received -1000000000"),
        ([[1, 7, 1]], "input 'name', row 1: received 7, a number, expected a text"),
        ([[1, None, 1]], "input 'name', row 1: received null, expected a text"),
        (
            [[1, "ann"]],
            "row 1: received a list of 2, expected an object with 'age' (int64)",
        ),
        ([1, "ann", 1], "row 1: received 1, a number, expected an object with"),
        ([{"age": 1, "name": "b"}], "row 1: received no 'weight', expected 'age' (int64)"),
        ({"inputs": [[1]]}, '"inputs": received a list of 1, expected an object with'),
        (
            {"inputs": {"age": [1, 2], "name": ["a"], "weight": [1]}},
            "received 2 of 'age', 1 of 'name', 1 of 'weight', expected as many of each",
        ),
    ],
)
def test_a_wrong_body_for_several_inputs_is_named(body, words):
    assert words in refusal(body, signature=TABLE)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1,2,3\n4,5", "row 2: received 2 columns, expected 3: 'x' (float32 (rows, 3))"),
        ("1,2,a", "input 'x', row 1, column 3: received 'a', a text, expected a number"),
        ("1,2,1_000", "received '1_000', a text"),
        ("1,2,inf", "received inf"),
        ("a,b,c\n1,2,3", "row 1: received 'a', 'b', 'c', expected values; send the rows without"),
        ("", "the body holds no row"),
        ('1,2,"3', "line 1 is not CSV"),
    ],
)
def test_a_wrong_csv_body_is_named(text, words):
    assert words in refusal(text, "text/csv")


def test_a_row_with_the_names_of_the_inputs_is_no_row():
    assert "without a row of names" in refusal("age,name,weight\n1,a,2", "text/csv", TABLE)


def test_a_word_that_is_a_value_is_no_name():
    assert np.isnan(decode("nan,nan,NaN", "text/csv").arrays["x"]).all()
    text = Signature((Tensor("text", "str", (None,)),), ())
    assert lists(decode("text", "text/csv", text)) == {"text": ["text"]}


@pytest.mark.parametrize(
    ("dtype", "array", "words"),
    [
        (
            "int8",
            npy([1, 128]),
            "input 'x', row 2: received 128, a number, expected a",
        ),
        ("int64", npy([2**64 - 1], "uint64"), "received 18446744073709551615"),
        ("uint8", npy([-1]), "received -1, a number, expected a whole number from 0 to 255"),
        ("int64", npy([1.0, 1.5]), "input 'x', row 2: received 1.5"),
        ("int64", npy([NAN]), "received nan"),
        ("int64", npy([2.0**63]), "received 9.223372036854776e+18"),
        (
            "float16",
            npy([70000]),
            "received 70000, a number, expected a number (float16) up to 6.55e+04",
        ),
        ("bool", npy([2]), "received 2, a number, expected true or false"),
        ("float32", npy([True]), "received an array of bool of shape (1,), expected a number"),
        ("float32", npy(["a"]), "received an array of texts of shape (1,), expected a number"),
        ("str", npy([1]), "received an array of int64 of shape (1,), expected a text"),
        ("float32", npy([[1.0]]), "of shape (1, 1), expected a number (float32) in"),
        ("float32", npy([1j]), "received an array of complex128"),
    ],
)
def test_a_wrong_array_is_named(dtype, array, words):
    assert words in refusal(array, "application/x-npy", of(dtype))


def test_an_array_of_another_width_is_named():
    numbers = Signature((Tensor("a", "int64", (None,)), Tensor("b", "float32", (None,))), ())
    words = "received an array of shape (1, 3), expected (rows, 2): 'a' (int64), 'b' (float32)"
    assert words in refusal(npy([[1, 2, 3]]), "application/x-npy", numbers)


def test_an_element_deep_in_a_tensor_is_named_by_its_position():
    body = [[[1, 2], [3, "a"]]]
    assert "input 'x', row 1, position 2, 2: received 'a'" in refusal(
        body, signature=of("float32", None, 2, 2)
    )


def test_a_line_that_is_wrong_is_named():
    assert "row 2: received 1 values" in refusal("[1, 2, 3]\n[1]", "application/jsonlines")


def test_rows_that_the_model_has_no_room_for_are_refused():
    fixed = of("float32", 1, 2)
    assert "received 2 rows, expected 1 in the shape (1, 2)" in refusal([[1, 2]] * 2, "", fixed)
    assert "received 2 rows, expected 1" in refusal("1,2\n3,4", "text/csv", fixed)


def test_an_input_without_rows_is_wanted_as_a_tensor():
    scalar = Signature((Tensor("x", "float32", ()),), ())
    assert 'send {"inputs": ...}' in refusal([1], signature=scalar)


@pytest.mark.parametrize(
    ("content_type", "body", "signature", "words"),
    [
        ("text/plain", "1", WIDE, "text/plain holds no inputs of this model; send one of"),
        ("image/png", "1", WIDE, "no decoder for Content-Type 'image/png'"),
        (
            "text/csv",
            "1",
            of("float32", None, None, None),
            "how many values belong to each is",
        ),
        (
            "application/x-npy",
            npy([1]),
            Signature((*WIDE.inputs, Tensor("y", "str", (None,))), ()),
            "application/x-npy holds one array, and this model takes 'x' (float32 (rows, 3)), 'y'",
        ),
    ],
)
def test_a_type_that_cannot_hold_the_inputs_is_refused(content_type, body, signature, words):
    with pytest.raises(errors.UnsupportedContentType) as caught:
        decode(body, content_type, signature)
    assert words in str(caught.value)


def test_rows_of_numbers_are_decoded_in_one_line():
    rows = formats.decode_rows("1,2\n3,4", "text/csv", columns=2)
    assert (rows.tolist(), rows.dtype) == ([[1, 2], [3, 4]], np.float64)
    named = formats.decode_rows('[{"b": 2, "a": 1}]', "", columns=["a", "b"], dtype="int64")
    assert (named.tolist(), named.dtype) == ([[1, 2]], np.int64)
    with pytest.raises(errors.MalformedBody, match="row 1: received 1 columns, expected 2"):
        formats.decode_rows("1", "text/csv", columns=2)


def test_a_row_keeps_its_whole_numbers_unless_a_narrower_type_is_said():
    assert formats.decode_rows("[[16777217]]", "", columns=1).tolist() == [[16777217]]
    narrow = formats.decode_rows("[[16777217]]", "", columns=1, dtype="float32")
    assert narrow.tolist() == [[16777216]]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [("[[1, null]]", ""), ("1,", "text/csv"), (npy([[1, NAN]]), "application/x-npy")],
)
def test_a_missing_number_is_refused_unless_the_script_takes_it(body, content_type):
    with pytest.raises(errors.MalformedBody, match="row 1, column 2: received no number"):
        formats.decode_rows(body, content_type, columns=2)
    with pytest.raises(errors.MalformedBody, match="row 1, column 'b': received no number"):
        formats.decode_rows(body, content_type, columns=["a", "b"])
    rows = formats.decode_rows(body, content_type, columns=2, missing=True)
    np.testing.assert_array_equal(rows, [[1, NAN]])


@pytest.mark.parametrize("dtype", ["int64", "uint8"])
@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("[1e400]", ""),
        ("[1, 1e400]", ""),
        ("inf", "text/csv"),
        (npy([np.inf]), "application/x-npy"),
    ],
)
def test_an_infinite_number_is_no_whole_one(dtype, body, content_type):
    assert "inf" in refusal(body, content_type, of(dtype))


@pytest.mark.parametrize("dtype", ["str", "object"])
@pytest.mark.parametrize(
    ("body", "content_type"),
    [(["a", "\ud800"], "application/json"), (npy(["a", "\ud800"]), "application/x-npy")],
)
def test_half_of_a_surrogate_pair_is_no_text(dtype, body, content_type):
    words = refusal(body, content_type, of(dtype))
    assert "row 2: received '\\ud800', a text with half of a surrogate pair" in words


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ('[{"age": 1, "city": "a"}, {"age": 2, "city": "b"}]', ""),
        ('[{"age": [1], "city": ["a"]}, {"age": [2], "city": ["b"]}]', ""),
        ('[[1, "a"], [2, "b"]]', ""),
        ('{"instances": [[[1], ["a"]], [[2], ["b"]]]}', ""),
        ('{"inputs": {"age": [1, 2], "city": ["a", "b"]}}', ""),
        ('{"inputs": {"age": [[1], [2]], "city": [["a"], ["b"]]}}', ""),
        ('[1, "a"]\n[2, "b"]', "application/jsonlines"),
        ("1,a\n2,b", "text/csv"),
    ],
)
def test_a_column_is_one_value_a_row(body, content_type):
    columns = (Tensor("age", "int64", (None, 1)), Tensor("city", "str", (None, 1)))
    read = lists(decode(body, content_type, Signature(columns, ())))
    assert read == {"age": [[1], [2]], "city": [["a"], ["b"]]}


def test_an_array_has_a_column_for_each_input():
    columns = (Tensor("a", "int64", (None, 1)), Tensor("b", "float32", (None,)))
    read = lists(decode(npy([[1, 2], [3, 4]]), "application/x-npy", Signature(columns, ())))
    assert read == {"a": [[1], [3]], "b": [2, 4]}


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"1" + b"0" * 400, "text/csv"),
        (b"1\n2.5\n-1" + b"0" * 400, "text/csv"),
        (b"[1" + b"0" * 400 + b"]", "application/json"),
        (b"[2.0, 1" + b"0" * 400 + b"]", "application/json"),
    ],
)
def test_a_whole_number_that_no_float_can_hold_is_the_clients_fault(body, content_type):
    assert "expected a whole number from -128 to 127 (int8)" in refusal(
        body, content_type, of("int8")
    )
