import numpy as np
import pytest
from npy_bodies import npy

from byoi import errors
from byoi_lib.request import Instances, Predictions, decode, encode, gather, shown


def refused_entries(*arguments, **named):
    with pytest.raises(errors.MalformedBody) as caught:
        gather(*arguments, **named)
    return str(caught.value)


def test_texts_are_kept_in_order():
    assert gather(["b", "a", ""], "row", first=1) == Instances(("b", "a", ""), (), False, "row", 1)


def test_what_is_not_said_is_that_of_json():
    assert gather(["a"], "instance", has_key=True) == Instances(("a",), has_key=True)
    assert (Instances().unit, Instances().first, Instances().has_key) == ("instance", 0, False)


@pytest.mark.parametrize("entry", [[0, 5, 2_147_483_647, 0], np.array([0, 5, 2_147_483_647, 0])])
def test_token_ids_become_int32_with_their_padding(entry):
    made = gather([entry, [1]], "row")
    assert made.texts == ()
    assert [ids.tolist() for ids in made.token_ids] == [[0, 5, 2_147_483_647, 0], [1]]
    assert {ids.dtype for ids in made.token_ids} == {np.dtype(np.int32)}


@pytest.mark.parametrize("entries", [[[1, 9], [7]], [np.array([9, 0]), np.array([3, 0])]])
def test_the_largest_token_id_of_all_reviews_is_known(entries):
    assert gather(entries, "row").largest == 9


def test_no_entries_are_refused():
    assert refused_entries([], "row") == "the body holds no row, expected at least one review"


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (5, "5 (int)"),
        (1.5, "1.5 (float)"),
        (None, "empty"),
        (True, "True (bool)"),
        ({"a": 1}, "{'a': 1} (dict)"),
    ],
)
def test_an_entry_that_is_no_review_is_named(entry, said):
    expected = f"line 8 is {said}, expected a text or a list of token ids"
    assert refused_entries(["a", entry], "line", first=7) == expected


@pytest.mark.parametrize(
    ("ids", "position", "said"),
    [
        ([1, -1], 1, "-1 (int)"),
        ([2_147_483_648], 0, "2147483648 (int)"),
        ([10**30], 0, "1000000000000000000000000000000 (int)"),
        ([1, 2, True], 2, "True (bool)"),
        ([2_147_483_648, -1], 0, "2147483648 (int)"),
        ([-(2**31) - 1, 5], 0, "-2147483649 (int)"),
        ([1.0], 0, "1.0 (float)"),
        (["a"], 0, "'a' (str)"),
        ([1, None], 1, "empty"),
        ([[1]], 0, "[1] (list)"),
        (np.array([7, -1]), 1, "np.int64(-1) (int64)"),
        (np.array([1, 2**63], np.uint64), 1, "np.uint64(9223372036854775808) (uint64)"),
    ],
)
def test_what_is_no_token_id_is_named_with_its_position(ids, position, said):
    assert refused_entries([[1], ids], "row", first=1) == (
        f"row 2, position {position}: {said} is not a token id, "
        "expected a whole number from 0 to below the vocabulary's size"
    )


@pytest.mark.parametrize("ids", [[], [0], [0, 0], np.zeros(3, int)])
def test_a_review_of_padding_alone_is_refused(ids):
    expected = "instance 0 has no token ids, expected at least one besides 0"
    assert refused_entries([ids], "instance") == expected


@pytest.mark.parametrize(("entries", "said"), [(["a", [1]], "token ids"), ([[1], "a"], "text")])
def test_mixing_is_refused_where_it_begins(entries, said):
    assert refused_entries(entries, "line", first=1) == (
        f"line 2 is {said}, unlike those before it; send texts and token ids in separate requests"
    )


def test_a_value_is_shown_shortly_however_deep_or_large():
    deep: list = []
    for _ in range(10_000):
        deep = [deep]
    for value in (deep, "x" * 10_000, list(range(10_000)), {"k" * 500: "v" * 500}):
        assert len(shown(value)) < 120
    assert shown("a") == "'a' (str)"


JSON, LINES, CSV = "application/json", "application/jsonlines", "text/csv"
TEXT, NPY = "text/plain", "application/x-npy"


def ids(decoded):
    return [row.tolist() for row in decoded.token_ids]


def refused(body, content_type, kind=errors.MalformedBody):
    with pytest.raises(kind) as caught:
        decode(body, content_type)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 500
    return message


@pytest.mark.parametrize(
    ("body", "content_type", "texts"),
    [
        (b'{"instances": ["a", "b"]}', JSON, ("a", "b")),
        (b'["a", "b"]', JSON, ("a", "b")),
        (b' ["a"]\n', JSON, ("a",)),
        (b'"a"', JSON, ("a",)),
        (b'""', JSON, ("",)),
        (b'{"review": "a"}', JSON, ("a",)),
        (b'"a"', "", ("a",)),
        (b'"caf\xc3\xa9"', JSON, ("caf\u00e9",)),
        (b'"caf\xe9"', JSON + "; charset=latin1", ("caf\u00e9",)),
        (b'"\\ud83d\\ude00 \\ud83d"', JSON, ("\U0001f600 \ud83d",)),
        (b'"a\\u0000b"', JSON, ("a\0b",)),
        (b'"a"\n{"review": "b"}\n"c\\nd"', LINES, ("a", "b", "c\nd")),
        (b'"a"\n', LINES, ("a",)),
        (b'"a"\r\n"b"\r\n', LINES, ("a", "b")),
        (b'"a"\n\n\n', LINES, ("a",)),
        ('"a\u2028b\u0085c"\n"d"'.encode(), LINES, ("a\u2028b\u0085c", "d")),
        (b"a\nb\n", CSV, ("a", "b")),
        (b"a\r\nb", CSV, ("a", "b")),
        (b"a\rb\r", CSV, ("a", "b")),
        (b"a\n\n\n", CSV, ("a",)),
        (b'"so, ""so"""\n', CSV, ('so, "so"',)),
        (b'"one\nreview"\n"two\r\n"', CSV, ("one\nreview", "two\r\n")),
        (b'""\na\n""', CSV, ("", "a", "")),
        (b'he said "hi"\n', CSV, ('he said "hi"',)),
        (b" a \n", CSV, (" a ",)),
        (b"42\n7\n", CSV, ("42", "7")),
        (b"a\0b\n", CSV, ("a\0b",)),
        (b"\xef\xbb\xbfa\n", CSV, ("a",)),
        (b'\xef\xbb\xbf"a,b"\n', CSV, ("a,b",)),
        (b"x" * 200_000, CSV, ("x" * 200_000,)),
        (b"a, b\nc\n", TEXT, ("a, b\nc\n",)),
        (b"", TEXT, ("",)),
        (b"\xef\xbb\xbfa", TEXT, ("a",)),
        (b"caf\xe9", "Text/Plain; Charset=ISO-8859-1", ("caf\u00e9",)),
        ("caf\u00e9".encode("utf-16"), TEXT + ";charset=utf-16", ("caf\u00e9",)),
        (npy(np.array(["a", "caf\u00e9"])), NPY, ("a", "caf\u00e9")),
        (npy(np.array("a")), NPY, ("a",)),
        (npy(np.array(["", "\U0001f600"])), NPY, ("", "\U0001f600")),
        (npy(np.array(["ab", "c"], ">U2")), NPY, ("ab", "c")),
        (npy(np.array(["a", "b", "c"])[::2]), NPY, ("a", "c")),
    ],
)
def test_texts_are_decoded(body, content_type, texts):
    decoded = decode(body, content_type)
    assert decoded.texts == texts
    assert decoded.token_ids == ()


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        (b'{"instances": [[1, 5], [1]]}', JSON, [[1, 5], [1]]),
        (b"[[1, 5], [1]]", JSON, [[1, 5], [1]]),
        (b"[1, 5]", JSON, [[1, 5]]),
        (b"[1, 5]\n[1]", LINES, [[1, 5], [1]]),
        (b"1,5\n1,6,7\n", CSV, [[1, 5], [1, 6, 7]]),
        (b"1\n1,5\n", CSV, [[1], [1, 5]]),
        (b"0,0,1,10", CSV, [[0, 0, 1, 10]]),
        (b"1,2147483647", CSV, [[1, 2147483647]]),
        (npy(np.array([[0, 1, 5], [1, 6, 7]])), NPY, [[0, 1, 5], [1, 6, 7]]),
        (npy(np.array([1, 5], np.uint8)), NPY, [[1, 5]]),
        (npy(np.array([[1, 5], [1, 6]], np.uint16)), NPY, [[1, 5], [1, 6]]),
        (npy(np.array([[1, 2], [3, 4]], ">i2")), NPY, [[1, 2], [3, 4]]),
        (npy(np.asfortranarray([[1, 2, 3], [4, 5, 6]])), NPY, [[1, 2, 3], [4, 5, 6]]),
    ],
)
def test_token_ids_are_decoded(body, content_type, expected):
    decoded = decode(body, content_type)
    assert ids(decoded) == expected
    assert decoded.texts == ()


def test_only_instances_ask_for_predictions():
    assert decode(b'{"instances": ["a"]}', JSON).has_key
    others = [(b'["a"]', JSON), (b'"a"', JSON), (b'{"review": "a"}', JSON), (b'"a"', LINES)]
    for body, content_type in [*others, (b"a", CSV), (b"a", TEXT), (npy(np.array(["a"])), NPY)]:
        assert not decode(body, content_type).has_key


@pytest.mark.parametrize(
    ("body", "content_type", "unit", "first"),
    [
        (b"[[1]]", JSON, "instance", 0),
        (b'{"instances": [[1]]}', JSON, "instance", 0),
        (npy(np.array(["a"])), NPY, "row", 0),
        (b"[1]", LINES, "line", 1),
        (b"1,2", CSV, "row", 1),
        (npy(np.array([1])), NPY, "row", 0),
    ],
)
def test_a_later_message_can_name_the_position(body, content_type, unit, first):
    decoded = decode(body, content_type)
    assert (decoded.unit, decoded.first) == (unit, first)


OR_ELSE = 'expected a text, a list, {"review": text} or, as a whole JSON body, {"instances": [...]}'


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        (b"", JSON, "the body is not JSON: Expecting value: line 1 column 1 (char 0)"),
        (b'"\xff"', JSON, "the body is not utf-8 at byte 1; send utf-8, or say the charset"),
        (b"[" * 900 + b"]" * 900, JSON, "instance 0, position 0: ["),
        (b"[]", JSON, "the body holds no instance, expected at least one review"),
        (b'{"instances": []}', JSON, "the body holds no instance"),
        (b"5", JSON, f"the body is 5 (int), {OR_ELSE}"),
        (b"null", JSON, f"the body is empty, {OR_ELSE}"),
        (b"{}", JSON, f"the body is {{}} (dict), {OR_ELSE}"),
        (b'{"review": 5}', JSON, "the body is {'review': 5} (dict), "),
        (b'{"review": ["a"]}', JSON, "the body is {'review': ['a']} (dict), "),
        (b'{"review": "a", "x": 1}', JSON, "the body is {'review': 'a', 'x': 1} (dict), "),
        (b'{"instances": ["a"], "x": 1}', JSON, "the body is {'instances': ['a'], 'x': 1} (dict)"),
        (b'{"instances": "a"}', JSON, "\"instances\" is 'a' (str), expected a list of reviews"),
        (b'["a", 5]', JSON, "instance 1 is 5 (int), expected a text or a list of token ids"),
        (b"[1, true]", JSON, "instance 0 is 1 (int), expected"),
        (b'[{"review": "a"}]', JSON, "instance 0 is {'review': 'a'} (dict), expected"),
        (b"[[]]", JSON, "instance 0 has no token ids"),
        (b'["a", [1]]', JSON, "instance 1 is token ids, unlike those before it"),
        (b"", LINES, "the body holds no line, expected at least one review"),
        (b" \n\n", LINES, "the body holds no line"),
        (b'"a"\n\n"b"', LINES, "line 2 is not JSON: Expecting value"),
        (b'"a"\n5', LINES, "line 2 is 5 (int), expected a text, a list"),
        (b'{"instances": ["a"]}', LINES, "line 1 is {'instances': ['a']} (dict), expected"),
        (b'"a"\n[1]', LINES, "line 2 is token ids, unlike"),
        (b'"a"\n[0]', LINES, "line 2 has no token ids"),
        (b'"a"\n[-1]', LINES, "line 2, position 0: -1 (int) is not a token id"),
        (b"", CSV, "the body holds no row, expected at least one review"),
        (b"\n\n", CSV, "the body holds no row"),
        (b"a\n\nb\n", CSV, "row 2 is empty, expected a text"),
        (
            b"a\nso, so\n",
            CSV,
            "row 2 has 2 columns, expected one text; quote a text that holds a comma",
        ),
        (b"10,000", CSV, "row 1 has 2 columns"),
        (b"1,2\na\n", CSV, "row 1 has 2 columns"),
        (b"1,2\n\n3,4\n", CSV, "row 1 has 2 columns"),
        (b"1,-2", CSV, "row 1 has 2 columns"),
        (b"1,", CSV, "row 1 has 2 columns"),
        (b"1, 2", CSV, "row 1 has 2 columns"),
        (b"1,+2", CSV, "row 1 has 2 columns"),
        (b"1,-0", CSV, "row 1 has 2 columns"),
        (b"1,1_0", CSV, "row 1 has 2 columns"),
        ("1,\u0663".encode(), CSV, "row 1 has 2 columns"),
        (b"1," + b"9" * 5000, CSV, "row 1 has 2 columns"),
        ("1,\u00b2".encode(), CSV, "row 1 has 2 columns"),
        (b"1,12345678901", CSV, "row 1 has 2 columns"),
        (b"1,2147483648", CSV, "row 1, position 1: 2147483648 (int) is not a token id"),
        (b"0,0", CSV, "row 1 has no token ids"),
        (
            b'"a',
            CSV,
            'line 1 is not CSV (unexpected end of data); quote a text, and write " in it as',
        ),
        (b"PK\3\4", NPY, "not in NumPy's .npy format"),
        (
            npy(np.array([[1], [-1]])),
            NPY,
            "row 1, position 0: np.int64(-1) (int64) is not a token id",
        ),
        (npy(np.array([[1], [0]])), NPY, "row 1 has no token ids"),
        (npy(np.array([1.5])), NPY, "the array has dtype float64 and shape (1,), expected texts"),
        (npy(np.array([True])), NPY, "the array has dtype bool and shape (1,), expected texts"),
        (npy(np.array([["a"]])), NPY, "the array has dtype <U1 and shape (1, 1), expected"),
        (npy(np.array(5)), NPY, "the array has dtype int64 and shape (), expected texts"),
        (npy(np.ones((1, 1, 1), np.uint8)), NPY, "has dtype uint8 and shape (1, 1, 1), expected"),
        (npy(np.ones((1, 1, 1), int)), NPY, "has dtype int64 and shape (1, 1, 1), expected"),
    ],
)
def test_a_malformed_body_is_refused(body, content_type, message):
    assert message in refused(body, content_type)


def test_an_unknown_content_type_is_not_decoded():
    assert "image/png" in refused(b"a", "image/png", errors.UnsupportedContentType)


PAIRS = np.array([[0.1, 0.9], [1e-9, 1]], np.float32)


@pytest.mark.parametrize(
    ("accept", "has_key", "body"),
    [
        (JSON, True, b'{"predictions": [[0.1, 0.9], [1e-09, 1.0]]}'),
        ("", True, b'{"predictions": [[0.1, 0.9], [1e-09, 1.0]]}'),
        ("", False, b"[[0.1, 0.9], [1e-09, 1.0]]"),
        (LINES, True, b"[0.1, 0.9]\n[1e-09, 1.0]"),
        (CSV, True, b"0.1,0.9\n1e-09,1.0"),
        (CSV, False, b"0.1,0.9\n1e-09,1.0"),
    ],
)
def test_the_answer_has_a_key_where_the_request_had_one_and_the_format_has_keys(
    accept, has_key, body
):
    assert encode(Predictions(PAIRS, has_key), accept) == (body, accept or JSON)


def test_an_answer_without_a_key_is_the_default():
    assert encode(Predictions(PAIRS), "") == encode(Predictions(PAIRS, has_key=False), JSON)


def test_an_accept_that_nothing_satisfies_is_refused():
    with pytest.raises(errors.NotAcceptable, match="image/png"):
        encode(Predictions(PAIRS), "image/png")


def test_a_probability_that_is_not_finite_is_never_sent():
    with pytest.raises(errors.ModelDataError, match="answer to instance 0 is not finite"):
        encode(Predictions(np.full((1, 2), np.nan, np.float32)), JSON)
