"""Data sets: the sample, files of Keras's layout, and what is wrong with other files."""

import io
import json
import pickle

import numpy as np
import pytest

from byoi import errors
from byoi_lib import datasets, preprocessing
from byoi_lib.vocabulary import Vocabulary

WORDS = {"the": 1, "film": 2, "good": 3, "bad": 4, "rare": 5}
TRAIN, TEST = [[1, 2, 3], [1, 2, 4]], [[2, 3], [2, 4, 5], [9, 1]]


def objects(*rows):
    array = np.empty(len(rows), object)
    array[:] = rows
    return array


@pytest.fixture(scope="module")
def sample():
    return datasets.load("sample")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "reviews.npz"
    write(path)
    (tmp_path / "imdb_word_index.json").write_text(json.dumps(WORDS))
    return path


def write(path, **changed):
    arrays = {
        "x_train": objects(*TRAIN),
        "y_train": np.array([1, 0]),
        "x_test": objects(*TEST),
        "y_test": np.array([1, 0, 1]),
    }
    arrays |= changed
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})


def test_a_file_gives_both_parts_and_the_words_beside_it(file):
    dataset = datasets.load(file)
    assert (dataset.name, len(dataset.train), len(dataset.held_out)) == ("reviews.npz", 2, 3)
    assert dataset.train.ranks == TRAIN
    assert dataset.held_out.labels.tolist() == [1, 0, 1]
    assert dataset.word_index == WORDS


def test_another_digest_than_that_of_keras_is_accepted_with_a_note(file):
    dataset = datasets.load(file)
    assert dataset.sha256[:12] in dataset.note
    assert datasets.KERAS_SHA256[:12] in dataset.note


def test_ranks_become_token_ids_and_the_cut_holds(file):
    vocabulary = Vocabulary.from_word_index(WORDS, size=8)
    rows = datasets.load(file).held_out.token_ids(vocabulary, max_length=3)
    assert [row.tolist() for row in rows] == [[1, 5, 6], [5, 7, 2], [1, 2, 4]]


def test_texts_become_the_ids_that_encode_gives(sample):
    vocabulary = Vocabulary.from_word_index(sample.word_index, size=5_000)
    rows = sample.held_out.token_ids(vocabulary, max_length=20)
    expected = preprocessing.encode(sample.held_out.texts, vocabulary, max_length=20)
    assert all(np.array_equal(row, other) for row, other in zip(rows, expected, strict=True))


def test_every_word_of_the_sample_is_known_to_its_index(sample):
    vocabulary = Vocabulary.from_word_index(sample.word_index, size=5_000)
    unknown = [preprocessing.share_unknown(text, vocabulary) for text in sample.train.texts]
    assert max(unknown) == 0


def test_the_samples_digest_names_its_texts(sample):
    assert len(sample.sha256) == 64
    assert datasets.load("sample").sha256 == sample.sha256


def test_held_out_ranks_read_as_words_and_unknown_ranks_are_left_out(file):
    dataset = datasets.load(file)
    assert dataset.held_out_text(1) == "film bad rare"
    assert dataset.held_out_text(2) == "the"


def test_held_out_texts_are_given_as_they_are(sample):
    assert sample.held_out_text(7) == sample.held_out.texts[7]


def test_imdb_is_what_fetch_gives(file):
    words = file.with_name("imdb_word_index.json")
    dataset = datasets.load("imdb", fetch=lambda: (file, words))
    assert (dataset.name, len(dataset.held_out)) == ("imdb", 3)


def test_download_asks_keras_for_both_files_with_their_digests():
    asked = {}

    def get_file(name, *, origin, file_hash):
        asked[name] = (origin, file_hash)
        return f"/cache/{name}"

    reviews, words = datasets.download(get_file)
    assert (reviews.name, words.name) == ("imdb.npz", "imdb_word_index.json")
    assert asked["imdb.npz"] == (datasets.KERAS_URL + "imdb.npz", datasets.KERAS_SHA256)
    assert asked["imdb_word_index.json"][1] == datasets.KERAS_WORD_INDEX_MD5


def test_the_word_index_can_be_named(file, tmp_path):
    other = tmp_path / "other.json"
    other.write_text('{"one": 1}')
    assert datasets.load(file, word_index=other).word_index == {"one": 1}


def test_an_absent_word_index_says_where_it_belongs(file):
    file.with_name("imdb_word_index.json").unlink()
    with pytest.raises(errors.DatasetError, match=r"imdb_word_index.json there, .*--word-index"):
        datasets.load(file)


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(errors.DatasetError, match=r"gone.npz: no such file"):
        datasets.load(tmp_path / "gone.npz")


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(errors.DatasetError, match=r"expected sample, imdb or .* received 'news'"):
        datasets.load("news")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x_test": None}, "not laid out like"),
        ({"x_train": np.zeros((2, 3))}, "not laid out like"),
        ({"y_train": objects(1, 0)}, "not laid out like"),
        ({"y_train": np.array([1, 0, 1])}, "expected one label"),
        ({"y_test": np.array([1, 0, 2])}, "expected one label"),
        ({"x_train": objects(), "y_train": np.array([], int)}, "at least one"),
    ],
)
def test_another_layout_is_refused(file, changed, message):
    write(file, **changed)
    with pytest.raises(errors.DatasetError, match=message):
        datasets.load(file)


def test_a_file_that_is_no_archive_is_refused(file):
    file.write_bytes(b"no zip")
    with pytest.raises(errors.DatasetError, match="not laid out like"):
        datasets.load(file)


def test_a_foreign_pickle_is_refused(file):
    write(file, x_train=objects([1], print))
    with pytest.raises(errors.DatasetError, match=r"asks for builtins\.print"):
        datasets.load(file)


@pytest.mark.parametrize(
    ("text", "message"), [("{", "not JSON"), ("[1]", "expected a JSON object")]
)
def test_a_file_that_is_no_word_index_is_refused(file, text, message):
    file.with_name("imdb_word_index.json").write_text(text)
    with pytest.raises(errors.DatasetError, match=message):
        datasets.load(file)


def npy(array, **options):
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return io.BytesIO(stream.getvalue())


class Call:
    """Pickles as a call of any function, the way an attack would."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def test_lists_come_back_as_they_were():
    rows = [[1, 22, 333], [], [88_584]]
    assert datasets.read_rank_lists(npy(objects(*rows))) == rows


def pickled_as_numpy_1(rows):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"shape": (len(rows),), "fortran_order": False, "descr": "|O"}
    )
    # Protocol 3 writes names as lines, so that the older name can stand for the newer one.
    stream.write(pickle.dumps(objects(*rows), protocol=3).replace(b"numpy._core", b"numpy.core"))
    stream.seek(0)
    return stream


def test_a_file_of_numpy_1_is_read():
    assert datasets.read_rank_lists(pickled_as_numpy_1([[1], [2, 3]])) == [[1], [2, 3]]


def test_a_foreign_function_is_refused_and_never_called(tmp_path):
    target = tmp_path / "made"
    attack = npy(objects([1], Call(target.mkdir)))
    with pytest.raises(errors.DatasetError, match=r"asks for .*getattr.* expected lists"):
        datasets.read_rank_lists(attack)
    assert not target.exists()


@pytest.mark.parametrize("function", [eval, print, np.load])
def test_functions_of_any_module_are_refused(function):
    with pytest.raises(errors.DatasetError, match="it may be an attack"):
        datasets.read_rank_lists(npy(objects(Call(function, "1"))))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(3, np.int32), "expected a row of objects"),
        (np.full((2, 2), None, object), "expected a row of objects"),
        (objects([1], "two"), "review 1 is not a list of whole numbers"),
        (objects([1.5]), "review 0 is not a list of whole numbers"),
        (objects([True]), "review 0 is not a list of whole numbers"),
        (objects([3, 0]), "has the rank 0"),
    ],
)
def test_other_content_is_refused(array, message):
    with pytest.raises(ValueError, match=message):
        datasets.read_rank_lists(npy(array))


def test_a_damaged_pickle_is_refused():
    body = npy(objects([1, 2, 3])).getvalue()
    with pytest.raises(ValueError, match="damaged"):
        datasets.read_rank_lists(io.BytesIO(body[:-9]))


def test_a_pickle_of_something_else_is_refused():
    stream = npy(objects([1, 2]))
    header = stream.getvalue()[:128]
    with pytest.raises(ValueError, match="list pickled where an array"):
        datasets.read_rank_lists(io.BytesIO(header + pickle.dumps([[1, 2]])))


def test_no_npy_file_is_refused():
    with pytest.raises(ValueError, match="magic"):
        datasets.read_rank_lists(io.BytesIO(b"nothing of the kind"))
