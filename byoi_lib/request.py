"""The request and the response of one invocation: reviews in, probabilities out.

Each media type carries the same two things in its own way: the reviews, as texts or as token
ids, and how they were wrapped, which the response repeats. docs/formats.md has the table; its
rows are tests.
"""

import reprlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from byoi import errors
from byoi.formats import content_types, decoder, encoder, limits
from byoi_lib.preprocessing import TokenIds

# The network's input is int32; whether the vocabulary has the id is checked when predicting.
LARGEST_ID = int(np.iinfo(np.int32).max)
# Dimensions that an .npy array may have, by the kind of its dtype: texts, whole numbers.
_DIMENSIONS = {"U": (0, 1), "i": (1, 2), "u": (1, 2)}


@dataclass(frozen=True)
class Instances:
    """The reviews of one request, either as `texts` or as `token_ids`.

    Attributes:
        texts: n texts, in the order sent.
        token_ids: n arrays of shape (length,), dtype int32, values from 0 on, at least one
            of them not 0.
        has_key: Whether JSON wraps the answer as `{"predictions": ...}`, because the request
            came as `{"instances": ...}`.
        unit: The word for one review in a message: instance, line or row.
        first: Number of the first review: JSON counts from 0, lines and rows from 1.
        largest: No token id is above it; `gather` knows the largest, so that nobody looks again.
    """

    texts: tuple[str, ...] = ()
    token_ids: tuple[TokenIds, ...] = ()
    has_key: bool = False
    unit: str = "instance"
    first: int = 0
    largest: int = field(default=LARGEST_ID, repr=False, compare=False)


@dataclass(frozen=True)
class Predictions:
    """The answer to one request.

    Attributes:
        probabilities: Shape (n, 2), float32, `[p_negative, p_positive]` of each review, each
            from 0 to 1, in the order sent.
        has_key: As in `Instances`.
    """

    probabilities: npt.NDArray[np.float32]
    has_key: bool = False


def decode(body: bytes | str, content_type: str) -> Instances:
    """Decode the reviews of a request.

    Args:
        body: Body of POST /invocations, or the text of it.
        content_type: Value of the Content-Type header, empty if absent.

    Returns:
        n reviews, n >= 1, in the order sent.

    Raises:
        UnsupportedContentType: There is no decoder for `content_type`.
        MalformedBody: The body cannot be parsed, has no reviews, or has one that is neither
            text nor token ids; the message names its position.
        TooManyInstances: There are more reviews than one request may have.
    """
    media_type, charset = content_types.parse(content_type)
    if media_type == content_types.NPY:
        return _from_npy(body.encode() if isinstance(body, str) else body)
    text = body if isinstance(body, str) else content_types.read_text(body, charset)
    return _READERS[media_type](text)


def encode(predictions: Predictions, accept: str) -> tuple[bytes, str]:
    """Encode the response; returns and raises as `encoder.encode`.

    Args:
        predictions: The answer to one request.
        accept: Value of the Accept header, empty if absent.
    """
    key = "predictions" if predictions.has_key else ""
    return encoder.encode(predictions.probabilities, accept, key=key)


def gather(
    entries: Sequence[Any], unit: str, *, first: int = 0, has_key: bool = False
) -> Instances:
    """Check the entries of a body and gather them as `Instances`.

    Args:
        entries: n texts, or n sequences of token ids, with or without padding at either end.
        unit: As in `Instances`.
        first: As in `Instances`.
        has_key: As in `Instances`.

    Raises:
        MalformedBody: There are no entries, one is neither text nor token ids, or both are
            mixed; the message names the position.
        TooManyInstances: There are more entries than one request may have.
    """
    limits.require(len(entries), unit)
    if not entries:
        raise errors.MalformedBody(f"the body holds no {unit}, expected at least one review")
    texts: list[str] = []
    token_ids: list[TokenIds] = []
    largest = 0
    for number, entry in enumerate(entries, first):
        if isinstance(entry, str):
            texts.append(entry)
        elif isinstance(entry, list | np.ndarray):
            largest = max(largest, _check_ids(entry, unit, number))
            token_ids.append(np.asarray(entry, np.int32))
        else:
            raise errors.MalformedBody(
                f"{unit} {number} is {shown(entry)}, expected a text or a list of token ids"
            )
        if texts and token_ids:
            raise errors.MalformedBody(
                f"{unit} {number} is {'text' if isinstance(entry, str) else 'token ids'}, unlike "
                "those before it; send texts and token ids in separate requests"
            )
    return Instances(tuple(texts), tuple(token_ids), has_key, unit, first, largest)


def shown(entry: Any) -> str:
    """Describe a value for a message, however large it is, in a few words."""
    if entry is None:
        return "empty"
    # reprlib stops at a few elements and levels, however large the value is.
    return f"{reprlib.repr(entry)} ({type(entry).__name__})"


def _check_ids(entry: list[Any] | npt.NDArray[np.integer], unit: str, number: int) -> int:
    """Check one review's token ids, and return the largest."""
    if isinstance(entry, np.ndarray):
        low, high = (int(entry.min()), int(entry.max())) if entry.size else (0, 0)
    # True is an int to Python, and its type is another one.
    elif set(map(type, entry)) == {int}:
        low, high = min(entry), max(entry)
    else:
        low, high = 0, 0
    if low >= 0 and 0 < high <= LARGEST_ID:
        return high
    # Something is wrong: now each is looked at, for its position.
    if isinstance(entry, np.ndarray):
        wrong = np.flatnonzero((entry < 0) | (entry > LARGEST_ID))
    else:
        wrong = np.flatnonzero([type(i) is not int or not 0 <= i <= LARGEST_ID for i in entry])
    where = f"{unit} {number}"
    if wrong.size:
        raise errors.MalformedBody(
            f"{where}, position {wrong[0]}: {shown(entry[wrong[0]])} is not a token id, "
            "expected a whole number from 0 to below the vocabulary's size"
        )
    raise errors.MalformedBody(f"{where} has no token ids, expected at least one besides 0")


def _from_json(text: str) -> Instances:
    """Read `{"instances": [...]}`, `{"review": text}`, a list, or one text."""
    limits.require_of_json(text)
    content = decoder.read_json(text)
    if isinstance(content, str):
        return Instances((content,))
    if isinstance(content, list):
        # A serializer sends a one-dimensional array this way: the token ids of one review.
        starts_with_id = bool(content) and type(content[0]) is int
        is_one_review = starts_with_id and set(map(type, content)) == {int}
        return gather([content] if is_one_review else content, "instance")
    if isinstance(content, dict) and content.keys() == {"instances"}:
        if isinstance(content["instances"], list):
            return gather(content["instances"], "instance", has_key=True)
        raise errors.MalformedBody(
            f'"instances" is {shown(content["instances"])}, expected a list of reviews'
        )
    return Instances((_review(content, "the body"),))


def _from_json_lines(text: str) -> Instances:
    """Read one text, `{"review": text}` or list of token ids per line."""
    entries = decoder.read_json_lines(text)
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, str | list):
            entries[number - 1] = _review(entry, f"line {number}")
    return gather(entries, "line", first=1)


def _from_csv(text: str) -> Instances:
    """Read one text, or the token ids of one review, per row."""
    rows = decoder.read_csv(text)
    wide = next((number for number, row in enumerate(rows, 1) if len(row) > 1), None)
    if wide is None:
        entries: list[Any] = [row[0] if row else None for row in rows]
    elif None not in (parsed := [_ids(row) for row in rows]):
        entries = parsed
    else:
        raise errors.MalformedBody(
            f"row {wide} has {len(rows[wide - 1])} columns, expected one text; "
            'quote a text that holds a comma: "so, so"'
        )
    return gather(entries, "row", first=1)


def _from_text(text: str) -> Instances:
    """Read the whole body as one review."""
    return Instances((content_types.without_mark(text),))


def _from_npy(body: bytes) -> Instances:
    """Read an array of texts (n,) or (), or of token ids (n, length) or (length,)."""
    array = decoder.read_npy(body)
    kind = array.dtype.kind
    if array.ndim not in _DIMENSIONS.get(kind, ()):
        raise errors.MalformedBody(
            f"the array has dtype {array.dtype} and shape {array.shape}, expected texts (<U) of "
            "shape (n,) or whole numbers of shape (n, length) or (length,)"
        )
    is_text = kind == "U"
    entries = np.atleast_1d(array).tolist() if is_text else list(np.atleast_2d(array))
    return gather(entries, "row")


_READERS: dict[str, Callable[[str], Instances]] = {
    content_types.JSON: _from_json,
    content_types.JSON_LINES: _from_json_lines,
    content_types.CSV: _from_csv,
    content_types.TEXT: _from_text,
}


def _review(content: Any, where: str) -> str:
    """Return the text of `{"review": text}`; `where` names `content` in a message."""
    if isinstance(content, dict) and content.keys() == {"review"}:
        review = content["review"]
        if isinstance(review, str):
            return review
    raise errors.MalformedBody(
        f'{where} is {shown(content)}, expected a text, a list, {{"review": text}} or, as a whole '
        'JSON body, {"instances": [...]}'
    )


def _ids(fields: list[str]) -> list[int] | None:
    """Return the token ids of a row, None where a field is none, or there is no field.

    "012" is none: it may be the end of an unquoted "10,012".
    """
    try:
        ids = list(map(int, fields))
    except ValueError:
        return None
    # Python reads signs, spaces, leading zeros and digits of other scripts, and writes none.
    is_plain = bool(ids) and min(ids) >= 0 and max(ids) < 10**10 and list(map(str, ids)) == fields
    return ids if is_plain else None
