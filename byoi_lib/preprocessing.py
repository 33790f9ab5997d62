r"""Review text to token ids: the one encoder that training, serving and notebooks share.

The rules are those of Keras's IMDB data set, so that a review sent to an endpoint
becomes the ids that the network was trained on: lower-case ASCII letters only, turn
each of ``!"#$%&()*+,-./:;<=>?@[\]^_`{|}~``, tab and newline into a space, split at
single spaces, drop a word that is not in the index, and number the rest as
`keras.datasets.imdb.load_data` does by default.

Source: keras.preprocessing.text.text_to_word_sequence (filters), the defaults of
keras.datasets.imdb.load_data and of keras.utils.pad_sequences; pinned row by row in
tests/byoi_lib/test_preprocessing.py.
"""

import string
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from byoi_lib.vocabulary import INDEX_FROM, START, UNKNOWN, Vocabulary, to_bytes

TokenIds = npt.NDArray[np.int32]

# The apostrophe is not a separator: "don't" is one word of the index.
_SEPARATORS = (string.punctuation.replace("'", "") + "\t\n").encode()
_CLEAN = bytes.maketrans(
    string.ascii_uppercase.encode() + _SEPARATORS,
    string.ascii_lowercase.encode() + b" " * len(_SEPARATORS),
)


def encode(reviews: Sequence[str], vocabulary: Vocabulary, *, max_length: int) -> list[TokenIds]:
    """Turn reviews into token ids.

    Each result is `START` and then one id for each word in the index, cut to its last
    `max_length` ids, so that `START` is dropped first.

    Args:
        reviews: n raw texts, any case, punctuation and markup included.
        vocabulary: Ids by word.
        max_length: Largest number of ids of one review.

    Returns:
        n arrays of shape (length,), dtype int32, 1 <= length <= max_length, values in
        [START, vocabulary.size). A text without a word of the index is `[START]`.

    Raises:
        TypeError: `reviews` is one text instead of a sequence of texts.
    """
    if isinstance(reviews, str):
        raise TypeError("encode takes a sequence of reviews, received one text; put it in a list")
    id_of = vocabulary.lookup.__getitem__
    # No word has the id 0, so what is dropped is a word outside the index, None.
    return [_finish(filter(None, map(id_of, _words(review))), max_length) for review in reviews]


def encode_ranks(
    reviews: Sequence[Sequence[int]], *, vocabulary_size: int, max_length: int
) -> list[TokenIds]:
    """Turn reviews given as word ranks, as in Keras's `imdb.npz`, into token ids.

    The result equals `encode` of the texts that the ranks were made from.

    Args:
        reviews: n sequences of word ranks, most frequent word = 1.
        vocabulary_size: The cut; ids at or above it become `UNKNOWN`.
        max_length: Largest number of ids of one review.

    Returns:
        n arrays as `encode` returns them.
    """
    last_rank = vocabulary_size - INDEX_FROM - 1
    return [
        _finish((r + INDEX_FROM if r <= last_rank else UNKNOWN for r in ranks), max_length)
        for ranks in reviews
    ]


def pad(rows: Sequence[npt.ArrayLike], width: int | None = None) -> TokenIds:
    """Stack token ids into one matrix, padded with `PAD` on the left.

    Args:
        rows: n sequences of token ids.
        width: Columns of the result; None for the length of the longest row. A longer
            row keeps its last `width` ids.

    Returns:
        Shape (n, width), int32.
    """
    if len(rows) == 1 and width is None:
        return np.array(rows[0], np.int32, ndmin=2)
    arrays = [np.asarray(row, np.int32) for row in rows]
    if width is None:
        width = max((len(row) for row in arrays), default=0)
    padded = np.zeros((len(arrays), width), np.int32)  # faster than `np.full` of `PAD`
    for number, row in enumerate(arrays):
        kept = min(len(row), width)
        if kept:
            padded[number, -kept:] = row[-kept:]
    return padded


def share_unknown(review: str, vocabulary: Vocabulary) -> float:
    """Return the share of a review's words that the network does not know, from 0 to 1.

    A word is unknown if it is not in the index or beyond the cut. The share of a text
    without words is 1.
    """
    words = [word for word in _words(review) if word]
    if not words:
        return 1.0
    known = sum(vocabulary.lookup[word] not in {None, UNKNOWN} for word in words)
    return 1 - known / len(words)


def _words(review: str) -> list[bytes]:
    """Split a review into UTF-8 words, with an empty one between adjacent separators.

    On bytes one table handles lower-casing and separators in a single pass, and leaves
    letters beyond ASCII alone: every byte of those is above 127.
    """
    return to_bytes(review).translate(_CLEAN).split(b" ")


def _finish(ids: Iterable[int], max_length: int) -> TokenIds:
    """Put `START` in front and keep the last `max_length` ids: shape (length,), int32."""
    row = [START, *ids]
    return np.array(row if len(row) <= max_length else row[-max_length:], np.int32)
