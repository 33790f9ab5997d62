"""Labelled reviews to train on: the built-in sample, IMDB, or a file in its layout.

A file is like Keras's `imdb.npz`: the object arrays `x_train` and `x_test` of lists of word
ranks (most frequent word = 1) and the labels `y_train` and `y_test`, with the word index as
JSON beside it.

Object arrays are pickles, and a pickle may call any function of any module. Keras's file asks
for three names only, those with which NumPy rebuilds an array; these are allowed here and
every other is refused before it is imported.

Source: keras.datasets.imdb (addresses, digests, layout); pickletools.dis of Keras's file, and of
one written by NumPy 2 (it names the same functions under `numpy._core`).
"""

import hashlib
import json
import pickle
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from byoi import errors
from byoi.digest import FileDigest
from byoi.formats.decoder import read_npy_header
from byoi_lib import preprocessing, sample
from byoi_lib.vocabulary import Vocabulary

# Published in keras.datasets.imdb.load_data and get_word_index.
KERAS_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
KERAS_SHA256 = "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f"
KERAS_WORD_INDEX_MD5 = "bfafd718b763782e994055a2d397834f"
IMDB_FILE, WORD_INDEX_FILE = "imdb.npz", "imdb_word_index.json"

# What NumPy 1 and 2 call to rebuild an array.
_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
}


@dataclass(frozen=True)
class Reviews:
    """Reviews of one part, either as texts or as word ranks.

    Attributes:
        labels: Shape (n,), int32, 1 = positive, 0 = negative.
        texts: n texts, or None if only ranks are known.
        ranks: n lists of word ranks, most frequent word = 1, or None if texts are known.
    """

    labels: npt.NDArray[np.int32]
    texts: Sequence[str] | None = None
    ranks: Sequence[Sequence[int]] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def token_ids(self, vocabulary: Vocabulary, *, max_length: int) -> list[preprocessing.TokenIds]:
        """Return the token ids of each review.

        Args:
            vocabulary: As for `preprocessing.encode`.
            max_length: As for `preprocessing.encode`.

        Returns:
            n arrays of shape (length,), dtype int32, as `preprocessing.encode` returns them.
        """
        if self.texts is not None:
            return preprocessing.encode(self.texts, vocabulary, max_length=max_length)
        return preprocessing.encode_ranks(
            self.ranks or [], vocabulary_size=vocabulary.size, max_length=max_length
        )


@dataclass(frozen=True)
class Dataset:
    """A training part, a held-out part and the words of both.

    Attributes:
        name: `sample`, `imdb` or the file's name.
        sha256: Hex digest of the file, or of the sample's texts.
        train: The reviews that the network is trained on.
        held_out: The reviews that it is evaluated on.
        word_index: Word to rank, most frequent word = 1.
        note: A remark for readers of the results, or an empty text.
    """

    name: str
    sha256: str
    train: Reviews
    held_out: Reviews
    word_index: Mapping[str, int]
    note: str = ""

    def held_out_text(self, row: int) -> str:
        """Return held-out review `row` as text; ranks become their words, separated by spaces."""
        if self.held_out.texts is not None:
            return self.held_out.texts[row]
        words = {rank: word for word, rank in self.word_index.items()}
        ranks = (self.held_out.ranks or [])[row]
        return " ".join(words[rank] for rank in ranks if rank in words)


def download(get_file: Callable[..., Any] | None = None) -> tuple[Path, Path]:
    """Download IMDB into Keras's cache, unless it is there, and check the digests.

    Args:
        get_file: Called instead of `keras.utils.get_file`; None for that.

    Returns:
        The paths of the reviews and of the word index.
    """
    if get_file is None:
        from byoi_lib._tensorflow import keras  # noqa: PLC0415 - the sample needs no Keras

        get_file = keras.utils.get_file

    def fetch(name: str, file_hash: str) -> Path:
        return Path(get_file(name, origin=KERAS_URL + name, file_hash=file_hash))

    return fetch(IMDB_FILE, KERAS_SHA256), fetch(WORD_INDEX_FILE, KERAS_WORD_INDEX_MD5)


def load(
    name: str | Path,
    *,
    word_index: Path | None = None,
    fetch: Callable[[], tuple[Path, Path]] = download,
) -> Dataset:
    """Load a data set.

    Args:
        name: `sample`, `imdb` (downloaded through Keras), or the path of an `.npz` file.
        word_index: JSON file of word to rank; None for the one that was downloaded, or for
            `imdb_word_index.json` beside the `.npz` file.
        fetch: Returns the paths of IMDB's reviews and word index.

    Raises:
        DatasetError: There is no such data set, or its files cannot be used.
    """
    if str(name) == "sample":
        return _sample()
    if str(name) == "imdb":
        path, words = fetch()
        return _read("imdb", path, word_index or words)
    path = Path(name)
    if path.suffix != ".npz":
        raise errors.DatasetError(f"expected sample, imdb or a file *.npz, received {str(name)!r}")
    return _read(path.name, path, word_index or path.with_name(WORD_INDEX_FILE))


def _sample() -> Dataset:
    """Make the built-in sample; its word index has the words of the training part."""
    train = sample.texts("train", count=sample.TRAIN_TEXTS)
    held_out = sample.texts("held-out", count=sample.HELD_OUT_TEXTS)
    lines = "\n".join(f"{one.label} {one.text}" for one in train + held_out)
    return Dataset(
        name="sample",
        sha256=hashlib.sha256(lines.encode("utf-8")).hexdigest(),
        train=_to_reviews(train),
        held_out=_to_reviews(held_out),
        word_index=sample.word_index(train),
    )


def _to_reviews(texts: Sequence[sample.LabelledText]) -> Reviews:
    labels = np.array([one.label for one in texts], np.int32)
    return Reviews(labels, texts=[one.text for one in texts])


def _read(name: str, path: Path, words: Path) -> Dataset:
    """Read a file in Keras's layout and its word index."""
    if not path.is_file():
        raise errors.DatasetError(f"{path}: no such file; give the path of an imdb.npz")
    if not words.is_file():
        raise errors.DatasetError(
            f"{words}: no such file; put Keras's {WORD_INDEX_FILE} there, or name it "
            "with --word-index FILE"
        )
    sha256 = FileDigest.of(path).sha256
    note = f"{path.name} has the digest {sha256[:12]}..., Keras publishes {KERAS_SHA256[:12]}..."
    return Dataset(
        name=name,
        sha256=sha256,
        train=_read_part(path, "train"),
        held_out=_read_part(path, "test"),
        word_index=_read_word_index(words),
        note="" if sha256 == KERAS_SHA256 else note,
    )


def _read_part(path: Path, part: str) -> Reviews:
    """Read the arrays `x_<part>` and `y_<part>` and check that they fit each other."""
    try:
        with zipfile.ZipFile(path) as archive:
            with archive.open(f"x_{part}.npy") as stream:
                ranks = read_rank_lists(stream)
            with archive.open(f"y_{part}.npy") as stream:
                labels = np.lib.format.read_array(stream, allow_pickle=False)
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError) as error:
        raise errors.DatasetError(
            f"{path}: not laid out like Keras's imdb.npz ({error}); expected the arrays "
            "x_train, y_train, x_test, y_test of word ranks and of labels 0 and 1"
        ) from error
    if labels.shape != (len(ranks),) or not len(ranks) or not np.isin(labels, (0, 1)).all():
        raise errors.DatasetError(
            f"{path}: {len(ranks)} reviews in x_{part} and labels of shape {labels.shape}, "
            f"expected one label, 0 or 1, for each review, and at least one"
        )
    return Reviews(labels.astype(np.int32), ranks=ranks)


def _read_word_index(path: Path) -> dict[str, int]:
    """Read a JSON object of word to rank; `Vocabulary` checks its content."""
    try:
        words = json.loads(path.read_bytes())
    except ValueError as error:
        raise errors.DatasetError(f"{path}: not JSON ({error}); give Keras's file") from error
    if not isinstance(words, dict):
        raise errors.DatasetError(f"{path}: expected a JSON object of word to rank")
    return words


class _RankUnpickler(pickle.Unpickler):
    """Builds arrays, lists and numbers, and nothing else."""

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        """Return one of the allowed functions.

        Raises:
            DatasetError: The pickle asks for another one.
        """
        if (module, name) not in _ALLOWED:
            raise errors.DatasetError(
                f"the pickled array asks for {module}.{name}, expected lists of numbers; "
                "it may be an attack: use a file from a source you trust"
            )
        # NumPy 2 still has the name that older files use, and warns about it.
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)  # type: ignore[no-any-return]


def read_rank_lists(stream: IO[bytes]) -> list[list[int]]:
    """Read lists of word ranks without running anything that the pickle asks for.

    Args:
        stream: An `.npy` file whose array has shape (n,) and dtype object, and holds lists of
            word ranks.

    Returns:
        n lists of ranks, each from 1 on.

    Raises:
        DatasetError: The pickle asks for a function other than those that build arrays.
        ValueError: The stream is not an `.npy` file, or holds something else.
    """
    shape, _, dtype = read_npy_header(stream)
    if not dtype.hasobject or len(shape) != 1:
        raise ValueError(f"array of {dtype} and shape {shape}, expected a row of objects")
    try:
        array = _RankUnpickler(stream).load()
    except (pickle.UnpicklingError, EOFError, AttributeError, TypeError, IndexError) as error:
        raise ValueError(f"the pickled array is damaged: {error}") from error
    if not isinstance(array, np.ndarray) or array.shape != shape:
        raise ValueError(
            f"{type(array).__name__} pickled where an array of shape {shape} is expected"
        )
    reviews = list(array)
    for row, review in enumerate(reviews):
        if type(review) is not list or not all(type(rank) is int for rank in review):
            raise ValueError(f"review {row} is not a list of whole numbers")
        if review and min(review) < 1:
            raise ValueError(f"review {row} has the rank {min(review)}, ranks start at 1")
    return reviews
