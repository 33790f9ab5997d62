"""The words of a word index, their token ids, and the file that keeps them.

Source: the defaults of keras.datasets.imdb.load_data, which reserves the first ids.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Self
from zlib import crc32

from byoi import errors

# The ids that imdb.load_data reserves; the word of rank r has the id INDEX_FROM + r.
PAD, START, UNKNOWN, INDEX_FROM = 0, 1, 2, 3

# A rank that far out is a damaged index; the file would hold a place for each rank below.
_LARGEST_RANK = 10_000_000

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
            words[rank - 1] = to_bytes(word)
        return cls(b" ".join(words), size)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            ModelDataError: The file is missing or is not a vocabulary.
        """
        try:
            content = json.loads(path.read_bytes())
            text = to_bytes(content["words"])
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
        path.write_bytes(to_bytes(content + "\n"))


def to_bytes(text: str) -> bytes:
    """Encode as UTF-8; half a surrogate pair, which JSON may carry, is kept as it is."""
    return text.encode("utf-8", "surrogatepass")


def _occurs_twice(words: Sequence[bytes]) -> bool:
    """Whether any word but the empty one does."""
    return len(set(words) - {b""}) != len(words) - words.count(b"")
