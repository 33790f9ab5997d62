import pytest
from golden_rows import GOLDEN, lists

from byoi import errors
from byoi_lib.preprocessing import encode
from byoi_lib.vocabulary import INDEX_FROM, PAD, START, UNKNOWN, Vocabulary


def test_the_reserved_ids_are_the_defaults_of_load_data():
    assert (PAD, START, UNKNOWN, INDEX_FROM) == (0, 1, 2, 3)


def test_ids_cover_the_whole_index_and_start_after_the_reserved_ones(vocabulary):
    assert vocabulary.size == 10
    assert vocabulary.ids["caf\u00e9".encode()] == 8
    assert vocabulary.ids == {
        word.encode(): rank + 3 for word, rank in GOLDEN["word_index"].items()
    }


def test_a_vocabulary_survives_its_file(vocabulary, tmp_path):
    vocabulary.save(tmp_path / "v.json")
    assert Vocabulary.load(tmp_path / "v.json") == vocabulary
    assert list(Vocabulary.load(tmp_path / "v.json").ids) == list(vocabulary.ids)


def test_the_file_is_readable_and_in_the_order_of_ranks(tmp_path):
    index = {"film": 2, "the": 1, "caf\u00e9": 4}
    Vocabulary.from_word_index(index, size=6).save(tmp_path / "v.json")
    expected = '{\n "size": 6,\n "words": "the film  caf\u00e9"\n}\n'
    assert (tmp_path / "v.json").read_bytes() == expected.encode()


def test_equal_vocabularies_are_equal_files(tmp_path):
    pairs = list(GOLDEN["word_index"].items())
    Vocabulary.from_word_index(dict(pairs), size=10).save(tmp_path / "a")
    Vocabulary.from_word_index(dict(reversed(pairs)), size=10).save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_rank_without_a_word_stays_without_one(tmp_path):
    vocabulary = Vocabulary.from_word_index({"a": 2, "b": 5}, size=10)
    vocabulary.save(tmp_path / "v")
    assert Vocabulary.load(tmp_path / "v").ids == {b"a": 5, b"b": 8}
    assert lists(encode(["a  b "], Vocabulary.load(tmp_path / "v"), max_length=9)) == [[1, 5, 8]]


def test_half_a_surrogate_pair_survives_the_file(tmp_path):
    vocabulary = Vocabulary.from_word_index({"\ud83d": 1}, size=5)
    vocabulary.save(tmp_path / "v")
    assert lists(encode(["\ud83d"], Vocabulary.load(tmp_path / "v"), max_length=9)) == [[1, 4]]


@pytest.mark.parametrize(
    ("size", "ids"),
    [
        (4, [2, 2, 2]),
        (5, [4, 2, 2]),
        (6, [4, 5, 2]),
        (7, [4, 5, 2]),
        (8, [4, 5, 7]),
        (9, [4, 5, 7]),
        (10**30, [4, 5, 7]),
    ],
)
def test_a_word_is_known_below_the_cut_unknown_beyond_it_and_dropped_outside_the_index(size, ids):
    vocabulary = Vocabulary(b"a bc  d", size)  # no word has the third rank
    assert lists(encode(["b a a  bc c d  a d ab"], vocabulary, max_length=99)) == [
        [1, ids[0], ids[0], ids[1], ids[2], ids[0], ids[2]]
    ]


def test_a_large_index_has_each_of_its_words_once_and_no_piece_of_one():
    words = [f"w{number}" for number in range(30_000)]
    vocabulary = Vocabulary(" ".join(words).encode(), 5_000)
    (row,) = encode([" ".join(words)], vocabulary, max_length=40_000)
    assert row.tolist() == [1, *range(4, 5_000), *[2] * (30_000 - 4_996)]
    assert lists(encode(["w30000 w w29999w 29999"], vocabulary, max_length=9)) == [[1]]


def test_an_empty_vocabulary_survives_its_file(tmp_path):
    Vocabulary.from_word_index({}, size=5).save(tmp_path / "v")
    assert Vocabulary.load(tmp_path / "v") == Vocabulary(b"", 5)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ({"": 1}, "maps single words, received ''; remove it"),
        ({"two words": 1}, "received 'two words'"),
        ({"a": 0}, "the rank of 'a' is 0, expected a whole number from 1 to 10000000; give"),
        ({"a": -1}, "is -1"),
        ({"a": True}, "is True"),
        ({"a": 1.0}, "is 1.0"),
        ({"a": "1"}, "is '1'"),
        ({"a": 10_000_001}, "is 10000001"),
        ({"a": 1, "b": 1}, "'a' and 'b' share the rank 1; give"),
    ],
)
def test_a_damaged_word_index_is_refused(index, message):
    with pytest.raises(errors.DatasetError, match=message):
        Vocabulary.from_word_index(index, size=10)


def test_the_largest_rank_is_taken():
    assert Vocabulary.from_word_index({"a": 10_000_000}, size=10).ids == {b"a": 10_000_003}


def test_a_size_without_room_for_a_word_is_refused():
    assert Vocabulary.from_word_index({"a": 1}, size=5).size == 5
    with pytest.raises(errors.ConfigurationError, match="at least 5, received 4"):
        Vocabulary.from_word_index({"a": 1}, size=4)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b"null",
        b'{"size": 5}',
        b'{"words": "a"}',
        b'{"size": 5, "words": ["a"]}',
        b"[" * 100_000,
    ],
)
def test_a_file_that_is_no_vocabulary_is_refused(content, tmp_path):
    (tmp_path / "v").write_bytes(content)
    with pytest.raises(errors.ModelDataError, match=r"/v: not a vocabulary \(\w+\); train again"):
        Vocabulary.load(tmp_path / "v")


@pytest.mark.parametrize(
    "content",
    [
        b'{"size": "5", "words": "a b"}',
        b'{"size": true, "words": "a b"}',
        b'{"size": 5, "words": "a b a"}',
    ],
)
def test_a_vocabulary_that_contradicts_itself_is_refused(content, tmp_path):
    (tmp_path / "v").write_bytes(content)
    with pytest.raises(
        errors.ModelDataError, match=r"/v: the size is .* or a word occurs twice; train"
    ):
        Vocabulary.load(tmp_path / "v")


def test_a_missing_vocabulary_is_named(tmp_path):
    with pytest.raises(errors.ModelDataError, match="/v: No such file or directory; train again"):
        Vocabulary.load(tmp_path / "v")
