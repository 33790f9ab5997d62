"""The vocabulary: the words of a word index, their token ids, and their file.

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

# The ids that imdb.load_data reserves; the word of rank r has the id r + INDEX_FROM.
PAD, START, UNKNOWN, INDEX_FROM = 0, 1, 2, 3

# A larger rank means a damaged index; the file has a place for each rank below the largest.
_LARGEST_RANK = 10_000_000
_RETRAIN = "train again, or name another model directory"

# About 25 words of IMDB's index per bucket: more would be slower, fewer would take more memory.
_BUCKETS = 2048
# The most frequent words beyond the cut, which occur in most reviews, are in the dict itself.
_OFTEN_BEYOND = 20_000


class _Lookup(dict[bytes, int | None]):
    """Token id by word: its own, `UNKNOWN` beyond the cut, None outside the index.

    Words far beyond the cut, half of IMDB's index, are rare, so they are kept in a few
    strings to search: 8 MB in each worker instead of 14.
    """

    def __init__(self, words: bytes, size: int) -> None:
        most = min(max(size - INDEX_FROM - 1, 0), len(words) + 1)
        *known, beyond = words.split(b" ", most)
        if len(known) < most:  # the index ends before the cut
            known, beyond = [*known, beyond], b""
        super().__init__(zip(known, count(INDEX_FROM + 1)))
        *often, beyond = beyond.split(b" ", _OFTEN_BEYOND)
        self.update(dict.fromkeys(often, UNKNOWN))
        self[b""] = None  # between adjacent separators; in `words`, a rank without a word
        self._beyond = [bytearray(b" ") for _ in range(_BUCKETS)]
        for word in filter(None, beyond.split(b" ")):
            self._beyond[crc32(word) % _BUCKETS] += word + b" "

    def __missing__(self, word: bytes) -> int | None:
        return UNKNOWN if b" %b " % word in self._beyond[crc32(word) % _BUCKETS] else None


@dataclass(frozen=True)
class Vocabulary:
    """Every word of a word index, and the cut beyond which the network knows none.

    Attributes:
        words: The words of the whole index in UTF-8, in the order of their ranks, separated
            by spaces; empty where no word has the rank. A word beyond the cut is `UNKNOWN`, a
            word outside the index is dropped.
        size: The cut, and the rows of the token table: the network's token ids are below it.
        lookup: Word to token id, for `preprocessing.encode`.
    """

    words: bytes
    size: int
    lookup: Mapping[bytes, int | None] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "lookup", _Lookup(self.words, self.size))

    @property
    def ids(self) -> dict[bytes, int]:
        """Word to rank + `INDEX_FROM`, for every word of the index, regardless of the cut."""
        numbered = zip(self.words.split(b" "), count(INDEX_FROM + 1))
        return {word: token_id for word, token_id in numbered if word}

    @classmethod
    def from_word_index(cls, word_index: Mapping[str, int], *, size: int) -> Self:
        """Build from frequency ranks (most frequent word = 1), cut at `size` ids.

        Raises:
            DatasetError: A word is empty or holds a space, a rank is not a whole number from
                1 on, or two words share a rank.
            ConfigurationError: `size` leaves no id for words.
        """
        if size <= INDEX_FROM + 1:
            raise errors.ConfigurationError(
                f"a vocabulary size is at least {INDEX_FROM + 2}, received {size}"
            )
        seen: dict[int, str] = {}
        for word, rank in word_index.items():
            if not word or " " in word:
                raise errors.DatasetError(
                    f"a word index maps single words, received {word!r}; remove it"
                )
            if type(rank) is not int or not 1 <= rank <= _LARGEST_RANK:
                raise errors.DatasetError(
                    f"the rank of {word!r} is {rank!r}, expected a whole number from 1 to "
                    f"{_LARGEST_RANK}; give the word index that goes with the data"
                )
            if rank in seen:
                raise errors.DatasetError(
                    f"{seen[rank]!r} and {word!r} share the rank {rank}; "
                    "give the word index that goes with the data"
                )
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
            raise errors.refusal(path, str(error.strerror), _RETRAIN) from error
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            cause = f"not a vocabulary ({type(error).__name__})"
            raise errors.refusal(path, cause, _RETRAIN) from error
        if type(size) is not int or _occurs_twice(text.split(b" ")):
            cause = f"the size is {size!r}, expected a number, or a word occurs twice"
            raise errors.refusal(path, cause, _RETRAIN)
        return cls(text, size)

    def save(self, path: Path) -> None:
        """Write JSON with the words in the order of their ranks.

        Equal vocabularies give equal files. All words are in one string because a server reads
        them at every start: IMDB's 88,584 words load in 20 ms, and a JSON object of word to
        rank would take three times as long.
        """
        text = self.words.decode("utf-8", "surrogatepass")
        content = json.dumps({"size": self.size, "words": text}, ensure_ascii=False, indent=1)
        path.write_bytes(to_bytes(content + "\n"))


def to_bytes(text: str) -> bytes:
    """Encode as UTF-8; half a surrogate pair, which JSON can carry, is kept as it is."""
    return text.encode("utf-8", "surrogatepass")


def _occurs_twice(words: Sequence[bytes]) -> bool:
    """Whether any word other than the empty one occurs more than once."""
    return len(set(words) - {b""}) != len(words) - words.count(b"")
