"""The reviews of one request, whatever media type they came in."""

import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from byoi_lib import errors

TokenIds = npt.NDArray[np.int32]

# The network's input is int32; whether the vocabulary has the id is seen when predicting.
LARGEST_ID = int(np.iinfo(np.int32).max)


@dataclass(frozen=True)
class Instances:
    """The reviews of one request; either `texts` or `token_ids` has them.

    Attributes:
        texts: n texts, in the order sent.
        token_ids: n arrays of shape (length,), dtype int32, at least one id not 0.
        has_key: Whether JSON wraps the answer as `{"predictions": ...}`, because
            the request came as `{"instances": ...}`.
        unit: What a message calls one of them.
        first: Number of the first: JSON counts from 0, lines and rows from 1.
    """

    texts: tuple[str, ...] = ()
    token_ids: tuple[TokenIds, ...] = ()
    has_key: bool = False
    unit: str = "instance"
    first: int = 0


def gather(
    entries: Sequence[Any], unit: str, *, first: int = 0, has_key: bool = False
) -> Instances:
    """Make instances of what a body holds.

    Args:
        entries: n texts, or n sequences of token ids, padded at either end or not.
        unit: As in `Instances`, and so are the others.
        first: Number of the first entry.
        has_key: Whether the answer gets a key.

    Raises:
        MalformedBody: There are none, one is neither text nor token ids, or they
            are mixed; the message names the position.
    """
    if not entries:
        raise errors.MalformedBody(f"the body holds no {unit}, expected at least one review")
    texts: list[str] = []
    token_ids: list[TokenIds] = []
    for number, entry in enumerate(entries, first):
        if isinstance(entry, str):
            texts.append(entry)
        elif isinstance(entry, list | np.ndarray):
            token_ids.append(_token_ids(entry, f"{unit} {number}"))
        else:
            raise errors.MalformedBody(
                f"{unit} {number} is {shown(entry)}, expected a text or a list of token ids"
            )
        if texts and token_ids:
            raise errors.MalformedBody(
                f"{unit} {number} is {'text' if isinstance(entry, str) else 'token ids'}, unlike "
                "those before it; send texts and token ids in separate requests"
            )
    return Instances(tuple(texts), tuple(token_ids), has_key, unit, first)


def shown(entry: Any) -> str:
    """Describe a value in a message, shortly."""
    if entry is None:
        return "empty"
    # reprlib stops at a few elements and levels, however large the value is.
    return f"{reprlib.repr(entry)} ({type(entry).__name__})"


def _token_ids(entry: Sequence[Any] | npt.NDArray[np.integer], where: str) -> TokenIds:
    """Check one review's token ids."""
    if isinstance(entry, np.ndarray):
        wrong = np.flatnonzero((entry < 0) | (entry > LARGEST_ID))
    else:
        wrong = np.flatnonzero([type(i) is not int or not 0 <= i <= LARGEST_ID for i in entry])
    if wrong.size:
        raise errors.MalformedBody(
            f"{where}, position {wrong[0]}: {shown(entry[wrong[0]])} is no token id, "
            "expected a whole number from 0 to below the vocabulary's size"
        )
    ids: TokenIds = np.asarray(entry, np.int32)
    if not ids.any():
        raise errors.MalformedBody(f"{where} has no token ids, expected at least one besides 0")
    return ids
