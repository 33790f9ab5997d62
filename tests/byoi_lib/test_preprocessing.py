import json
import string

import numpy as np
import pytest
from golden_rows import GOLDEN, lists

from byoi_lib.preprocessing import encode, encode_ranks, pad, share_unknown
from byoi_lib.vocabulary import Vocabulary


@pytest.mark.parametrize("row", GOLDEN["rows"], ids=lambda row: repr(row["text"]))
def test_a_golden_text_gives_its_ids(row, vocabulary):
    (ids,) = encode([row["text"]], vocabulary, max_length=8)
    assert ids.tolist() == row["ids"]
    assert ids.dtype == np.int32


def test_reviews_come_back_in_their_order(vocabulary):
    texts = [row["text"] for row in GOLDEN["rows"]]
    rows = encode(texts, vocabulary, max_length=8)
    assert lists(rows) == [row["ids"] for row in GOLDEN["rows"]]
    assert encode([], vocabulary, max_length=8) == []


@pytest.mark.parametrize("character", string.punctuation.replace("'", "") + "\t\n ")
def test_each_separator_separates(character, vocabulary):
    (ids,) = encode([f"the{character}film{character}"], vocabulary, max_length=8)
    assert ids.tolist() == [1, 4, 5]


@pytest.mark.parametrize("letter", string.ascii_letters)
def test_each_ascii_letter_is_lowered(letter):
    vocabulary = Vocabulary.from_word_index({letter.lower(): 1}, size=5)
    assert encode([letter], vocabulary, max_length=8)[0].tolist() == [1, 4]


def test_no_other_character_separates_or_is_lowered():
    others = [chr(code) for code in range(1, 0x600) if not chr(code).isalnum() or code > 127]
    others = [c for c in others if c not in string.punctuation + "\t\n " or c == "'"]
    vocabulary = Vocabulary.from_word_index(
        {f"a{c}b": n for n, c in enumerate(others, 1)}, size=9999
    )
    rows = encode([f"A{c}B" for c in others], vocabulary, max_length=8)
    assert lists(rows) == [[1, n + 3] for n, _ in enumerate(others, 1)]


def test_one_text_in_place_of_a_sequence_is_refused(vocabulary):
    with pytest.raises(TypeError, match="received one text; put it in a list"):
        encode("the film", vocabulary, max_length=8)


@pytest.mark.parametrize("max_length", [1, 2, 5, 6, 7, 100])
def test_ranks_and_text_give_the_same_ids(vocabulary, max_length):
    ranks = [GOLDEN["word_index"][word] for word in ("the", "film", "a", "bad", "10")]
    from_ranks = encode_ranks([ranks, []], vocabulary_size=10, max_length=max_length)
    from_text = encode(["the film a bad 10", ""], vocabulary, max_length=max_length)
    assert lists(from_ranks) == lists(from_text)
    assert lists(from_ranks) == [[1, 4, 5, 6, 2, 2][-max_length:], [1]]
    assert {row.dtype for row in from_ranks} == {np.dtype(np.int32)}


def test_the_cut_is_the_first_id_that_is_unknown():
    assert lists(encode_ranks([[6, 7, 8]], vocabulary_size=10, max_length=9)) == [[1, 9, 2, 2]]


def test_padding_stands_on_the_left():
    padded = pad([[1, 4], [1], [1, 5, 6]])
    assert padded.tolist() == [[0, 1, 4], [0, 0, 1], [1, 5, 6]]
    assert padded.dtype == np.int32


def test_a_width_pads_wider_and_keeps_the_last_ids_of_longer_rows():
    assert pad([[1, 4], [1, 5, 6, 7]], 3).tolist() == [[0, 1, 4], [5, 6, 7]]
    assert pad([np.array([1, 4])], 5).tolist() == [[0, 0, 0, 1, 4]]
    assert pad([[1, 4]], 0).shape == (1, 0)


def test_no_rows_are_a_matrix_without_rows():
    assert pad([]).shape == (0, 0)
    assert pad([], 7).shape == (0, 7)
    assert pad([[]]).shape == (1, 0)


def test_padding_equals_that_of_keras():
    import keras  # takes seconds, and the other tests do not need it

    rows = [[1, 4, 5], [1], list(range(1, 12))]
    assert np.array_equal(pad(rows, 7), keras.utils.pad_sequences(rows, 7))


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("the film", 0),
        ("the bad film", 1 / 3),
        ("the zorble", 1 / 2),
        ("zorble, bad", 1),
        ("THE  film -- good!", 0),
        ("", 1),
        ("?!", 1),
        ("\ud83d", 1),
    ],
)
def test_the_share_of_unknown_words_counts_words_only(text, share, vocabulary):
    assert share_unknown(text, vocabulary) == pytest.approx(share)


@pytest.fixture(scope="module")
def imdb(imdb_dir):
    word_index = json.loads((imdb_dir / "imdb_word_index.json").read_text(encoding="utf-8"))
    # Not splitlines: some reviews hold U+0085, which it takes for the end of a line.
    lines = (imdb_dir / "raw_train_sample.jsonl").read_text(encoding="utf-8").strip().split("\n")
    with np.load(imdb_dir / "imdb.npz", allow_pickle=True) as arrays:
        ranks = arrays["x_train"]
    rows = [json.loads(line) for line in lines]
    return word_index, [row["text"] for row in rows], [ranks[row["row"]] for row in rows]


@pytest.mark.needs("imdb")
@pytest.mark.parametrize(("size", "max_length"), [(20_000, 200), (5_000, 400), (88_588, 10_000)])
def test_a_thousand_raw_reviews_become_the_ids_of_keras(imdb, size, max_length):
    word_index, texts, ranks = imdb
    assert len(texts) == 1000
    vocabulary = Vocabulary.from_word_index(word_index, size=size)
    # imdb.load_data with its defaults, written out.
    expected = [[1, *(r + 3 if r + 3 < size else 2 for r in row)][-max_length:] for row in ranks]
    assert lists(encode(texts, vocabulary, max_length=max_length)) == expected
    assert lists(encode_ranks(ranks, vocabulary_size=size, max_length=max_length)) == expected
