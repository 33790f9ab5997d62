"""The named arrays that a model gave to a response body.

The forms are those of requests, see `tensors`: rows for `instances` and for a list, whole tensors
for `inputs`; a line of JSON Lines and of CSV is a row. With one output a row is its value, with
several an object by name; CSV has their values one after the other.
"""

import csv
import io
import itertools
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from byoi import errors
from byoi.formats import content_types
from byoi.formats.elements import Array
from byoi.formats.tensors import Form, Tensors


def encode(tensors: Tensors, accept: str) -> tuple[bytes | str, str]:
    """Encode the outputs of a model in the media type that the client prefers.

    A number of 16 or 32 bits is written as the shortest text that gives the same one. What is not
    finite is `null` in JSON, which has no other word for it, and `nan` or `inf` in CSV.

    Args:
        tensors: At least one array; texts are of NumPy's type object or <U.
        accept: Value of the Accept header, empty if absent.

    Returns:
        The body and its media type, under the name that the client gave it.

    Raises:
        NotAcceptable: There is no encoder for `accept`, or the outputs cannot be written in it.
    """
    media_type = content_types.negotiate(accept)
    name = content_types.usual_name(media_type)
    arrays = tensors.arrays
    if name == content_types.NPY:
        return _to_npy(arrays), media_type
    if name == content_types.CSV:
        return _to_csv(arrays, name), media_type
    if name == content_types.JSON_LINES:
        return "\n".join(json.dumps(row) for row in _rows(arrays, name)), media_type
    if tensors.form is Form.INPUTS:
        values = {key: _listed(array) for key, array in arrays.items()}
        content: Any = {"outputs": values if len(values) > 1 else next(iter(values.values()))}
    else:
        content = _rows(arrays, name)
        content = content if tensors.form is Form.LIST else {"predictions": content}
    return json.dumps(content), media_type


def _rows(arrays: Mapping[str, Array], media_type: str) -> list[Any]:
    _require_rows(arrays, media_type)
    columns = [_listed(array) for array in arrays.values()]
    if len(columns) == 1:
        rows: list[Any] = columns[0]
        return rows
    return [dict(zip(arrays, row, strict=True)) for row in zip(*columns, strict=True)]


def _to_csv(arrays: Mapping[str, Array], media_type: str) -> str:
    _require_rows(arrays, media_type)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = [_fields(array) for array in arrays.values()]
    writer.writerows(itertools.chain.from_iterable(row) for row in zip(*columns, strict=True))
    # No end of line: batch transform adds one to each response.
    return text.getvalue().removesuffix("\n")


def _to_npy(arrays: Mapping[str, Array]) -> bytes:
    if len(arrays) > 1:
        raise errors.NotAcceptable(
            f"{content_types.NPY} holds one array, and the model gives {', '.join(arrays)}; "
            f"accept {content_types.JSON}, {content_types.JSON_LINES} or {content_types.CSV}"
        )
    array = next(iter(arrays.values()))
    stream = io.BytesIO()
    np.save(stream, array.astype(str) if array.dtype.hasobject else array, allow_pickle=False)
    return stream.getvalue()


def _require_rows(arrays: Mapping[str, Array], media_type: str) -> None:
    """Raise where the outputs are no rows: one of them has no axis, or another length."""
    lengths = {array.shape[:1] for array in arrays.values()}
    if len(lengths) > 1 or () in lengths:
        shapes = ", ".join(f"{name} of shape {array.shape}" for name, array in arrays.items())
        raise errors.NotAcceptable(
            f"the model gave {shapes}, which are not rows of {media_type}; send "
            f'{{"inputs": ...}} and accept {content_types.JSON}, for whole tensors'
        )


def _fields(array: Array) -> Iterator[list[Any]]:
    """Yield the fields of each row."""
    flat = array.reshape(len(array), math.prod(array.shape[1:]))
    if array.dtype.kind == "f":
        flat = flat.astype("U32")
    for row in flat.tolist():
        yield [str(one).lower() if isinstance(one, bool) else one for one in row]


def _listed(array: Array) -> Any:
    """Return the nested lists of an array, as JSON can express it."""
    if array.dtype.kind != "f":
        return array.tolist()
    # Through the shortest texts: as a float64, the float32 0.1 would be 0.10000000149011612.
    numbers: Array = array if array.dtype == np.float64 else array.astype("U32").astype(float)
    is_finite = np.isfinite(numbers)
    if not is_finite.all():
        numbers = numbers.astype(object)
        numbers[~is_finite] = None
    return numbers.tolist()
