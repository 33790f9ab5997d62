"""Bodies of each request type, well-formed and not, without knowing what they mean."""

import csv
import io
import json

import numpy as np
import pytest
from npy_bodies import npy, raw_npy

from byoi import errors
from byoi.formats import content_types, decoder
from byoi.formats.decoder import read_npy


def refused(read, *arguments):
    with pytest.raises(errors.MalformedBody) as caught:
        read(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 500
    return message


@pytest.mark.parametrize(
    ("body", "charset", "text"),
    [
        (b"", "utf-8", ""),
        (b"caf\xc3\xa9", "utf-8", "caf\u00e9"),
        (b"caf\xe9", "iso8859-1", "caf\u00e9"),
        ("caf\u00e9".encode("utf-16"), "utf-16", "caf\u00e9"),
    ],
)
def test_a_text_is_read_in_its_charset(body, charset, text):
    assert content_types.read_text(body, charset) == text


@pytest.mark.parametrize(
    ("body", "charset", "words"),
    [
        (b"\xff", "utf-8", "the body is not utf-8 at byte 0; send utf-8, or say the charset"),
        (b"caf\xe9", "ascii", "the body is not ascii at byte 3"),
    ],
)
def test_a_byte_of_another_charset_is_named_by_its_position(body, charset, words):
    assert words in refused(content_types.read_text, body, charset)


def test_a_byte_order_mark_is_no_text():
    assert content_types.without_mark("\ufeffa") == "a"
    assert content_types.without_mark("a\ufeff") == "a\ufeff"


@pytest.mark.parametrize("ascii_only", [True, False])
def test_what_json_writes_is_read_back(ascii_only):
    value = {"a": ["", "\0", "\u2028", "\\", '"', "caf\u00e9 \U0001f600", 1.5, None, True], "b": {}}
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert decoder.read_json(text) == value
    assert decoder.read_json_lines(f"{text}\n{text}\r\n\n") == [value, value]


def test_a_byte_order_mark_is_no_part_of_a_json_text():
    assert decoder.read_json('\ufeff{"instances": []}') == {"instances": []}
    assert decoder.read_json_lines('\ufeff"a"\n"b"\n') == ["a", "b"]
    assert decoder.read_json_lines("\ufeff") == []
    assert decoder.read_json('"\ufeffa"') == "\ufeffa"


def test_files_with_marks_may_be_joined_to_one():
    assert decoder.read_json_lines('\ufeff"a"\n\ufeff"b"\n') == ["a", "b"]


def test_half_a_surrogate_pair_is_kept():
    assert decoder.read_json('"\\ud83d"') == "\ud83d"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the body is not JSON: Expecting value: line 1 column 1 (char 0)"),
        ("\ufeff\ufeff[]", "the body is not JSON: Unexpected UTF-8 BOM"),
        ("[\ufeff]", "the body is not JSON: Expecting value"),
        ('"a" "b"', "the body is not JSON: Extra data"),
        ("[NaN]", "the body is not JSON: NaN is not a JSON value"),
        ("[-Infinity]", "the body is not JSON: -Infinity is not a JSON value"),
        ('{"a": 1, "a": 2}', "the body is not JSON: an object has a key twice"),
        ("[" * 200_000, "the body is nested too deeply, send fewer levels"),
        ("9" * 5000, "the body is not JSON: Exceeds the limit"),
    ],
)
def test_what_is_not_json_is_refused(text, message):
    assert message in refused(decoder.read_json, text)


def test_a_line_is_named_by_its_number():
    assert "line 1 is not JSON: Extra data" in refused(decoder.read_json_lines, '"a"X')
    assert "line 2 is not JSON: Expecting" in refused(decoder.read_json_lines, '"a"\nb')
    assert "line 2 is not JSON: Expecting" in refused(decoder.read_json_lines, '"a"\n\n"b"')
    assert decoder.read_json_lines(" \n\n") == []


def test_only_a_newline_ends_a_line():
    assert decoder.read_json_lines('"a\u2028b\u0085c"\n"d"') == ["a\u2028b\u0085c", "d"]


@pytest.mark.parametrize(
    "options", [{}, {"quoting": csv.QUOTE_ALL}, {"lineterminator": "\n"}], ids=str
)
def test_what_csv_writers_write_is_read_back(options):
    texts = ["", "a", 'so, "so"', "two\nlines", "two\r\nlines", " \t", "42", "'", '"', "caf\u00e9"]
    rows = [[text, "x"] for text in texts]
    stream = io.StringIO(newline="")
    csv.writer(stream, **options).writerows(rows)
    assert decoder.read_csv(stream.getvalue()) == rows


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("", []),
        ("\n\n", []),
        ("a\n\nb\n\n", [["a"], [], ["b"]]),
        ("\ufeffa,b", [["a", "b"]]),
        ("a\rb\r", [["a"], ["b"]]),
        ("a\0b", [["a\0b"]]),
        ("x" * 200_000, [["x" * 200_000]]),
    ],
)
def test_rows_of_csv_are_read(text, rows):
    assert decoder.read_csv(text) == rows


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('"a', "line 1 is not CSV (unexpected end of data); quote a text, and write"),
        ('a\n"b"c', "line 2 is not CSV ("),
    ],
)
def test_what_is_not_csv_is_named_by_its_line(text, message):
    assert message in refused(decoder.read_csv, text)


@pytest.mark.parametrize(
    "array",
    [
        np.array(["a", "caf\u00e9"]),
        np.array(["", "\U0001f600"]),
        np.array(["ab", "c"], ">U2"),
        np.array(["a", "b", "c"])[::2],
        np.array([1, 5], np.uint8),
        np.array([[1, 5], [1, 6]], np.uint16),
        np.array([[1, 2], [3, 4]], ">i2"),
        np.asfortranarray([[1, 2, 3], [4, 5, 6]]),
        np.array([1.5, np.nan], np.float32),
        np.ones((2, 3, 4, 1), np.float16),
        np.array([[True, False]]),
        np.array([1 + 2j]),
        np.array([["a", "b"], ["c", "d"]]),
        np.array(5),
    ],
)
def test_what_numpy_saves_is_read(array):
    received = read_npy(npy(array))
    assert received.dtype == array.dtype
    assert received.shape == array.shape
    np.testing.assert_array_equal(received, array)
    assert not received.flags.writeable


def test_one_text_is_an_array_without_dimensions():
    received = read_npy(npy(np.array("a")))
    assert (received.shape, received.tolist()) == ((), "a")


def test_version_2_of_the_format_is_read():
    header = "{'descr':'|u1','fortran_order':False,'shape':(2,)}"
    assert read_npy(raw_npy(header, b"\1\2", (2, 0))).tolist() == [1, 2]


def test_the_largest_character_is_taken():
    body = raw_npy("{'descr':'<U1','fortran_order':False,'shape':(1,)}", b"\xff\xff\x10\0")
    assert read_npy(body).tolist() == ["\U0010ffff"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the body is not in NumPy's .npy format 1.0 or 2.0; write it with numpy.save"),
        (b"PK\3\4", "not in NumPy's .npy format"),
        (
            raw_npy("{'descr':'|u1','fortran_order':False,'shape':(1,)}", b"1", (3, 0)),
            "not in",
        ),
        (raw_npy("("), "not in NumPy's"),
        (raw_npy("[1, 2"), "not in NumPy's"),
        (raw_npy("'" * 3), "not in NumPy's"),
        (raw_npy("(" * 9_000), "not in NumPy's"),
        (raw_npy("{" * 100_000, version=(2, 0)), "not in NumPy's"),
        (raw_npy("{'descr':'|u1','fortran_order':False,'shape':(1.5,)}", b"1"), "not in"),
        (raw_npy("{'descr':'|u1','fortran_order':False,'shape':(True,)}", b"1"), "not in"),
        (
            npy(np.array(["a"], object), allow_pickle=True),
            "the array has dtype object and shape",
        ),
        (npy(np.array([b"a"])), "the array has dtype |S1"),
        (npy(np.array([(1, 2)], "i4,i4")), "the array has dtype"),
        (npy(np.array(["2026-01-01"], "M8[D]")), "the array has dtype datetime64[D]"),
        (npy(np.ones(0, int)), "shape (0,), expected"),
        (npy(np.ones((2, 0), int)), "shape (2, 0), expected"),
        (
            npy(np.array([1, 2]))[:-1],
            "dtype int64 and shape (2,) are 16 bytes, received 15; send",
        ),
        (npy(np.array([1, 2])) + b"x", "are 16 bytes, received 17; send the whole array"),
        (
            raw_npy("{'descr':'<i8','fortran_order':False,'shape':(1000000000000,)}"),
            "are 8000000000000 bytes, received 0",
        ),
        (
            raw_npy("{'descr':'<i8','fortran_order':False,'shape':(0,10**30)}"),
            "not in NumPy's",
        ),
        (
            raw_npy(f"{{'descr':'<i8','fortran_order':False,'shape':(0,{10**30})}}"),
            "shape (0, 1",
        ),
        (
            raw_npy("{'descr':'<i8','fortran_order':False,'shape':(-1,-1)}", b"8" * 8),
            "(-1, -1)",
        ),
        (raw_npy("{'descr':'<U0','fortran_order':False,'shape':(1000000000,)}"), "dtype <U0"),
        (raw_npy("{'descr':'2<i4','fortran_order':False,'shape':(1,)}", b"8" * 8), "dtype"),
        (
            raw_npy("{'descr':'<U1','fortran_order':False,'shape':(1,)}", b"\0\0\x11\0"),
            "a text of the array has a number that is not a character",
        ),
        (
            raw_npy(f"{{'descr':'|u1','fortran_order':False,'shape':{(1,) * 70}}}", b"1"),
            "the array has 70 dimensions, which are more than NumPy has",
        ),
    ],
)
def test_what_is_not_such_an_array_is_refused(body, message):
    assert message in refused(read_npy, body)


def test_a_pickle_is_not_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    refused(read_npy, npy(np.array([Trap()], object), allow_pickle=True))
    assert not (tmp_path / "sprung").exists()
