"""Numbers in request bodies and responses: what a module without functions of its own takes.

Arrays come out as sagemaker-inference-toolkit makes them. Where that answers 500, or takes a
missing whole number for -1, there is an error of the client here, or NaN.

Sources: sagemaker-inference-toolkit 1.10.1, decoder.py and encoder.py.
"""

import contextlib
import io
import itertools
import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from byoi import contract, errors
from byoi.formats import content_types, decoder, limits

# Characters of an array of texts, four bytes each: four times a body of texts of one length.
_LARGEST_TEXTS = 4 * contract.REQUEST_BODY_BYTES
REQUEST_TYPES = (
    content_types.JSON,
    content_types.JSON_LINES,
    content_types.CSV,
    content_types.NPY,
)


def decode(body: bytes | str, content_type: str) -> npt.NDArray[Any]:
    """Decode a body to an array.

    Args:
        body: As received, or the text of it.
        content_type: Value of the Content-Type header, empty if absent, which counts as JSON.

    Returns:
        JSON: the array of a list, of whatever depth, in which NaN and Infinity are numbers as for
        Python's json. JSON Lines: of the values of the lines.
        CSV: int64 where all fields are whole numbers, else float64, NaN where a field is empty,
        else texts; shape (rows, columns), without a dimension that is 1. NPY: as it is.

    Raises:
        UnsupportedContentType: The type is none of `REQUEST_TYPES`.
        MalformedBody: The body is not in its format, or no array: rows of different lengths.
        TooManyInstances: There are more rows than one request may have.
    """
    media_type, charset = content_types.parse(content_type)
    if media_type not in REQUEST_TYPES:
        raise errors.UnsupportedContentType(
            f"no numbers are read from Content-Type {content_type[:100]!r}; send one of "
            f"{', '.join(REQUEST_TYPES)}, or define input_fn"
        )
    if media_type == content_types.NPY:
        return decoder.read_npy(body.encode() if isinstance(body, str) else body)
    text = body if isinstance(body, str) else content_types.read_text(body, charset)
    if media_type == content_types.CSV:
        return _from_csv(text)
    # NaN and Infinity are numbers to the toolkit, in both directions.
    if media_type == content_types.JSON_LINES:
        return _array(decoder.read_json_lines(text, allow_nan=True), text)
    limits.require_of_json(text)
    content = decoder.read_json(text, allow_nan=True)
    rows = content.get("instances") if isinstance(content, dict) else content
    # A list of numbers is one row, of whatever length.
    if isinstance(rows, list) and rows and not isinstance(rows[0], int | float):
        limits.require(len(rows), "instance")
    return _array(content, text)


def encode(values: Any, accept: str) -> tuple[bytes | str, str]:
    """Encode a prediction in the media type that the client prefers.

    Args:
        values: An array, or what NumPy makes one of; for JSON, whatever has a `tolist` or a
            `to_numpy` inside. JSON Lines has a line for each element of a list, a tuple, an array
            or a table of pandas; anything else, such as a dict or a text, is one line.
        accept: Value of the Accept header, empty if absent.

    Returns:
        The body and its media type.

    Raises:
        NotAcceptable: There is no encoder for `accept`.
        TypeError: The values cannot be written in that type.
    """
    media_type = content_types.negotiate(accept)
    name = content_types.usual_name(media_type)
    if name == content_types.JSON:
        return _JSON.encode(values), media_type
    if name == content_types.JSON_LINES:
        # Not whatever can be iterated: of a dict that would be its keys, of a text its letters.
        plain = values if isinstance(values, list | tuple) else _plain(values)
        rows = plain if isinstance(plain, list | tuple) else [plain]
        return "\n".join(map(_JSON.encode, rows)), media_type
    if name == content_types.CSV:
        text = io.StringIO()
        np.savetxt(text, np.atleast_1d(values), delimiter=",", fmt="%s")
        return text.getvalue(), media_type
    stream = io.BytesIO()
    array = np.asarray(values)
    if array.dtype.hasobject:
        raise TypeError(f"a prediction of dtype {array.dtype} cannot be written as {media_type}")
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue(), media_type


def _from_csv(text: str) -> npt.NDArray[Any]:
    rows = decoder.read_csv(text)
    if not rows:
        raise errors.MalformedBody("the body holds no row, expected at least one")
    for number, row in enumerate(rows, 1):
        if len(row) != len(rows[0]):
            raise errors.MalformedBody(
                f"row {number} has {len(row)} columns, expected {len(rows[0])} as in row 1"
            )
    fields = list(itertools.chain.from_iterable(rows))
    # One row, or one column, has one dimension, as the toolkit makes it by genfromtxt.
    return _of_fields(fields).reshape(len(rows), len(rows[0])).squeeze()


def _of_fields(fields: list[str]) -> npt.NDArray[Any]:
    # Not out of an array of texts, in which each would take the room of the longest.
    with contextlib.suppress(ValueError, OverflowError):
        return np.array(list(map(int, fields)), np.int64)
    # An empty field is a number that is missing, as in NumPy's own reader.
    with contextlib.suppress(ValueError):
        return np.array([float(one) if one and not one.isspace() else math.nan for one in fields])
    _require_room(fields)
    return np.array(fields)


def _require_room(texts: Sequence[str]) -> None:
    """Raise where an array of texts would be far larger than they are: all are as the longest."""
    longest = max(map(len, texts), default=0)
    if len(texts) * longest > _LARGEST_TEXTS:
        raise errors.MalformedBody(
            f"received {len(texts)} texts, the longest with {longest} characters. An array stores "
            f"every text with the length of the longest, {len(texts) * longest} characters in all; "
            f"expected at most {_LARGEST_TEXTS}. Send fewer texts in one request, or define "
            "input_fn"
        )


def _texts_of(content: Any) -> Iterator[str]:
    """Yield the texts of nested lists."""
    level = [content]
    while level:
        yield from (one for one in level if isinstance(one, str))
        lists = [one for one in level if isinstance(one, list)]
        level = list(itertools.chain.from_iterable(lists))


def _array(content: Any, text: str) -> npt.NDArray[Any]:
    # So many elements at most, each at most so long: most bodies need no other look.
    if '"' in text and (text.count(",") + text.count("\n") + 1) * len(text) > _LARGEST_TEXTS:
        _require_room(list(_texts_of(content)))
    try:
        return np.array(content)
    except ValueError as error:
        raise errors.MalformedBody(
            f"the body is not an array ({error}); send rows of the same length"
        ) from error


def _plain(value: Any) -> Any:
    """Return an array or a table of pandas as lists, anything else as it is."""
    if not hasattr(value, "tolist") and hasattr(value, "to_numpy"):
        value = value.to_numpy()
    return value.tolist() if hasattr(value, "tolist") else value


def _listed(value: Any) -> Any:
    plain = _plain(value)
    if plain is not value:
        return plain
    raise TypeError(f"a prediction of {type(value).__name__} cannot be written as JSON")


# Made once: `json.dumps` with an argument makes one for each call.
_JSON = json.JSONEncoder(default=_listed)
