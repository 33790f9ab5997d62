import numpy as np
import pytest

from byoi import errors
from byoi_lib.request import Instances, gather, shown


def refused(*arguments, **named):
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


def test_no_entries_are_refused():
    assert refused([], "row") == "the body holds no row, expected at least one review"


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
    assert refused(["a", entry], "line", first=7) == expected


@pytest.mark.parametrize(
    ("ids", "position", "said"),
    [
        ([1, -1], 1, "-1 (int)"),
        ([2_147_483_648], 0, "2147483648 (int)"),
        ([10**30], 0, "1000000000000000000000000000000 (int)"),
        ([1, 2, True], 2, "True (bool)"),
        ([1.0], 0, "1.0 (float)"),
        (["a"], 0, "'a' (str)"),
        ([1, None], 1, "empty"),
        ([[1]], 0, "[1] (list)"),
        (np.array([7, -1]), 1, "np.int64(-1) (int64)"),
        (np.array([1, 2**63], np.uint64), 1, "np.uint64(9223372036854775808) (uint64)"),
    ],
)
def test_what_is_no_token_id_is_named_with_its_position(ids, position, said):
    assert refused([[1], ids], "row", first=1) == (
        f"row 2, position {position}: {said} is no token id, "
        "expected a whole number from 0 to below the vocabulary's size"
    )


@pytest.mark.parametrize("ids", [[], [0], [0, 0], np.zeros(3, int)])
def test_a_review_of_padding_alone_is_refused(ids):
    expected = "instance 0 has no token ids, expected at least one besides 0"
    assert refused([ids], "instance") == expected


@pytest.mark.parametrize(("entries", "said"), [(["a", [1]], "token ids"), ([[1], "a"], "text")])
def test_mixing_is_refused_where_it_begins(entries, said):
    assert refused(entries, "line", first=1) == (
        f"line 2 is {said}, unlike those before it; send texts and token ids in separate requests"
    )


def test_a_value_is_shown_shortly_however_deep_or_large():
    deep: list = []
    for _ in range(10_000):
        deep = [deep]
    for value in (deep, "x" * 10_000, list(range(10_000)), {"k" * 500: "v" * 500}):
        assert len(shown(value)) < 120
    assert shown("a") == "'a' (str)"
