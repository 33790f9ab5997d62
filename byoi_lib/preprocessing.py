r"""Review text to token ids: the one encoder that training, serving and notebooks share.

The rules are those that made Keras's IMDB data set, so that a review sent to an
endpoint becomes the ids the network was trained on: lower-case ASCII letters only,
turn each of ``!"#$%&()*+,-./:;<=>?@[\]^_`{|}~``, tab and newline into a space,
split at single spaces, drop a word that is not in the index, and number the rest
as `keras.datasets.imdb.load_data` does by default.

Source: keras.preprocessing.text.text_to_word_sequence (filters), the defaults of
keras.datasets.imdb.load_data and of keras.utils.pad_sequences; pinned row by row in
tests/byoi_lib/test_preprocessing.py.
"""

import json
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Self
from zlib import crc32

import numpy as np
import numpy.typing as npt

from byoi_lib import errors

# The ids that imdb.load_data reserves; the word of rank r has the id INDEX_FROM + r.
PAD, START, UNKNOWN, INDEX_FROM = 0, 1, 2, 3

TokenIds = npt.NDArray[np.int32]

# A rank that far out is a damaged index; the file would hold a place for each rank below.
_LARGEST_RANK = 10_000_000

# The apostrophe is no separator: "don't" is one word of the index.
_SEPARATORS = (string.punctuation.replace("'", "") + "\t\n").encode()
_CLEAN = bytes.maketrans(
    string.ascii_uppercase.encode() + _SEPARATORS,
    string.ascii_lowercase.encode() + b" " * len(_SEPARATORS),
)


# Some 25 words of IMDB's index a bucket: more would be slower, fewer larger.
_BUCKETS = 2048
# The first of them are met in most reviews, and found at once.
_OFTEN_BEYOND = 20_000


class _Lookup(dict[bytes, int | None]):
    """Token id by word: its own, `UNKNOWN` beyond the cut, None outside the index.

    The words far beyond the cut, half of IMDB's index, are seldom met, so they stand in
    a few strings to search: 8 MB in each worker instead of 14.
    """

    def __init__(self, words: bytes, size: int) -> None:
        most = min(max(size - INDEX_FROM - 1, 0), len(words) + 1)
        *known, beyond = words.split(b" ", most)
        if len(known) < most:  # the index ends before the cut
            known, beyond = [*known, beyond], b""
        super().__init__(zip(known, count(INDEX_FROM + 1)))
        *often, beyond = beyond.split(b" ", _OFTEN_BEYOND)
        self.update(dict.fromkeys(often, UNKNOWN))
        self[b""] = None  # where separators meet; in `words`, the place of a rank without a word
        self._beyond = [bytearray(b" ") for _ in range(_BUCKETS)]
        for word in filter(None, beyond.split(b" ")):
            self._beyond[crc32(word) % _BUCKETS] += word + b" "

    def __missing__(self, word: bytes) -> int | None:
        return UNKNOWN if b" %b " % word in self._beyond[crc32(word) % _BUCKETS] else None


@dataclass(frozen=True)
class Vocabulary:
    """Every word of a word index, and where the network stops knowing them.

    Attributes:
        words: The UTF-8 words of the whole index in the order of their ranks, a space
            between two, an empty one where no word has the rank. A word beyond the cut
            is `UNKNOWN`, a word outside the index is dropped.
        size: The cut, and the rows of the embedding table: token ids the network
            sees are below it.
        lookup: Word to token id, as `encode` needs it.
    """

    words: bytes
    size: int
    lookup: Mapping[bytes, int | None] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "lookup", _Lookup(self.words, self.size))

    @property
    def ids(self) -> dict[bytes, int]:
        """Every word of the index to its rank + `INDEX_FROM`, regardless of the cut."""
        numbered = zip(self.words.split(b" "), count(INDEX_FROM + 1))
        return {word: token_id for word, token_id in numbered if word}

    @classmethod
    def from_word_index(cls, word_index: Mapping[str, int], *, size: int) -> Self:
        """Build from frequency ranks (most frequent word = 1), cut at `size` ids.

        Raises:
            DatasetError: A word is empty or holds a space, or a rank is no whole number
                from 1 on, or two words share one.
            ConfigurationError: `size` leaves no id for a word.
        """
        if size <= INDEX_FROM + 1:
            message = f"a vocabulary size is at least {INDEX_FROM + 2}, received {size}"
            raise errors.ConfigurationError(message)
        seen: dict[int, str] = {}
        for word, rank in word_index.items():
            if not word or " " in word:
                message = f"a word index maps single words, received {word!r}; remove it"
                raise errors.DatasetError(message)
            if type(rank) is not int or not 1 <= rank <= _LARGEST_RANK:
                message = (
                    f"the rank of {word!r} is {rank!r}, expected a whole number from 1 to "
                    f"{_LARGEST_RANK}; give the word index that goes with the data"
                )
                raise errors.DatasetError(message)
            if rank in seen:
                message = (
                    f"{seen[rank]!r} and {word!r} share the rank {rank}; "
                    "give the word index that goes with the data"
                )
                raise errors.DatasetError(message)
            seen[rank] = word
        words = [b""] * max(seen, default=0)
        for rank, word in seen.items():
            words[rank - 1] = _to_bytes(word)
        return cls(b" ".join(words), size)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            ModelDataError: The file is missing or is not a vocabulary.
        """
        try:
            content = json.loads(path.read_bytes())
            text = _to_bytes(content["words"])
            size = content["size"]
        except OSError as error:
            message = f"{path}: {error.strerror}; train again, or name another model directory"
            raise errors.ModelDataError(message) from error
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            message = (
                f"{path}: not a vocabulary ({type(error).__name__}); "
                "train again, or name another model directory"
            )
            raise errors.ModelDataError(message) from error
        if type(size) is not int or _occurs_twice(text.split(b" ")):
            message = (
                f"{path}: the size is {size!r}, expected a number, or a word occurs twice; "
                "train again, or name another model directory"
            )
            raise errors.ModelDataError(message)
        return cls(text, size)

    def save(self, path: Path) -> None:
        """Write JSON with the words in the order of their ranks.

        Equal vocabularies are equal files. All words stand in one string because a
        server reads it at every start: IMDB's 88,584 words load in 20 ms, and a JSON
        object of word to rank would take three times as long.
        """
        text = self.words.decode("utf-8", "surrogatepass")
        content = json.dumps({"size": self.size, "words": text}, ensure_ascii=False, indent=1)
        path.write_bytes(_to_bytes(content + "\n"))


def encode(reviews: Sequence[str], vocabulary: Vocabulary, *, max_length: int) -> list[TokenIds]:
    """Turn reviews into token ids.

    Each result is `START` and then one id for each word in the index, cut to its last
    `max_length` ids, so that `START` is the first to fall away.

    Args:
        reviews: n raw texts, any case, punctuation and markup included.
        vocabulary: Ids by word.
        max_length: Most ids of one review.

    Returns:
        n arrays of shape (length,), dtype int32, 1 <= length <= max_length, values in
        [START, vocabulary.size). A text without a word of the index is `[START]`.

    Raises:
        TypeError: `reviews` is one text instead of a sequence of texts.
    """
    if isinstance(reviews, str):
        raise TypeError("encode takes a sequence of reviews, received one text; put it in a list")
    id_of = vocabulary.lookup.__getitem__
    return [
        _finish([i for i in map(id_of, _words(review)) if i is not None], max_length)
        for review in reviews
    ]


def encode_ranks(
    reviews: Sequence[Sequence[int]], *, vocabulary_size: int, max_length: int
) -> list[TokenIds]:
    """Turn reviews that are word ranks already, as in Keras's `imdb.npz`, into token ids.

    Equals `encode` of the texts those ranks came from.

    Args:
        reviews: n sequences of word ranks, most frequent word = 1.
        vocabulary_size: The cut; ids at or above it become `UNKNOWN`.
        max_length: Most ids of one review.

    Returns:
        n arrays as `encode` returns them.
    """
    last_rank = vocabulary_size - INDEX_FROM - 1
    return [
        _finish([r + INDEX_FROM if r <= last_rank else UNKNOWN for r in ranks], max_length)
        for ranks in reviews
    ]


def pad(rows: Sequence[npt.ArrayLike], width: int | None = None) -> TokenIds:
    """Stack token ids into one matrix, padded with `PAD` on the left.

    Args:
        rows: n sequences of token ids.
        width: Columns of the result; the longest row's length when None. A longer
            row keeps its last `width` ids.

    Returns:
        Array of shape (n, width), dtype int32.
    """
    arrays = [np.asarray(row, np.int32) for row in rows]
    if width is None:
        width = max((len(row) for row in arrays), default=0)
    padded = np.full((len(arrays), width), PAD, np.int32)
    for target, row in zip(padded, arrays, strict=True):
        kept = row[max(len(row) - width, 0) :]
        target[width - len(kept) :] = kept
    return padded


def share_unknown(review: str, vocabulary: Vocabulary) -> float:
    """Return the share of a review's words that the network does not know, from 0 to 1.

    A word is unknown when it is not in the index or beyond the cut. A text without
    any word counts as wholly unknown, 1.
    """
    words = [word for word in _words(review) if word]
    if not words:
        return 1.0
    known = sum(vocabulary.lookup[word] not in {None, UNKNOWN} for word in words)
    return 1 - known / len(words)


def _occurs_twice(words: Sequence[bytes]) -> bool:
    """Whether any word but the empty one does."""
    return len(set(words) - {b""}) != len(words) - words.count(b"")


def _words(review: str) -> list[bytes]:
    """Split a review into UTF-8 words; some are empty where separators meet.

    Bytes, because one table then serves lower-casing and separators in one pass, and
    it cannot touch a letter beyond ASCII: every byte of those is above 127.
    """
    return _to_bytes(review).translate(_CLEAN).split(b" ")


def _to_bytes(text: str) -> bytes:
    """Encode as UTF-8; half a surrogate pair, which JSON may carry, is kept as it is."""
    return text.encode("utf-8", "surrogatepass")


def _finish(ids: list[int], max_length: int) -> TokenIds:
    """Put `START` in front and keep the last `max_length` ids."""
    return np.array([START, *ids][-max_length:], np.int32)
