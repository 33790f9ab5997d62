import math

import pytest

from byoi_lib.manifest import LABELS, Golden

MADE = Golden("text", 1, (0.25, 0.75))


def test_a_label_is_its_place_among_the_names():
    # As Keras's IMDB data have them.
    assert LABELS == ("negative", "positive")


@pytest.mark.parametrize("off", [0, 0.9e-4, -0.9e-4])
def test_an_answer_within_the_tolerance_is_taken(off):
    assert MADE.difference([0.25 + off, 0.75 - off]) == ""


def test_the_tolerance_itself_is_within():
    assert Golden("a", 1, (0, 1)).difference([1e-4, 1]) == ""


@pytest.mark.parametrize(
    "answer", [[0.2502, 0.75], [0.25, 0.7498], [math.nan, 0.75], [0.25, math.nan]]
)
def test_another_answer_is_told_with_what_was_expected(answer):
    expected = f"gives {answer}, expected [0.25, 0.75] within 0.0001"
    assert MADE.difference(answer) == expected


def test_answers_are_shown_with_six_digits():
    assert MADE.difference([0.123456789, 1]).startswith("gives [0.123457, 1.0], expected")


def test_an_answer_of_another_number_of_classes_is_no_success():
    with pytest.raises(ValueError, match="zip"):
        MADE.difference([0.25])


@pytest.mark.parametrize(
    ("text", "label", "probabilities", "is_sound"),
    [
        ("a", 0, (0.5, 0.5), True),
        ("", 1, (0, 1), True),
        (None, 0, (0.5, 0.5), False),
        ("a", 2, (0.5, 0.5), False),
        ("a", 0, (0.5,), False),
        ("a", 0, (0.5, 0.25, 0.25), False),
        ("a", 0, (0.5, math.inf), False),
        ("a", 0, (0.5, "a"), False),
        ("a", 0, (0.5, True), False),
    ],
)
def test_values_of_another_kind_are_not_sound(text, label, probabilities, is_sound):
    assert Golden(text, label, probabilities).is_sound == is_sound
