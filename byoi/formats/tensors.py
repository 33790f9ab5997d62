"""Request bodies to the named arrays that a model takes, checked against its signature.

JSON has TensorFlow Serving's two forms and a third:

* `{"instances": [...]}`: a list of rows. A row is the value of the one input, or an object with a
  value for each name. Where each input is one value a row, a row may be a list of them, in the
  order of the signature.
* `{"inputs": ...}`: whole tensors, of the one input or in an object by name.
* a list of rows without a key.

Each line of JSON Lines is a row. A row of CSV has the values of each input one after the other, in
the order of the signature. An NPY body is the array of the one input, or one column for each
input where each is one value a row.

Source: TensorFlow Serving's RESTful API, "Predict API".
"""

import enum
import functools
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from byoi import errors
from byoi.formats import content_types, decoder, elements, limits, numbers
from byoi.formats.elements import Array
from byoi.formats.signature import Signature, Tensor

_ONLY_SIGNATURE = "serving_default"


class Form(enum.Enum):
    """How JSON has the tensors; an answer has the form of its request."""

    INSTANCES = "instances"
    INPUTS = "inputs"
    LIST = "a list"


@dataclass(frozen=True)
class Tensors:
    """Named arrays: what a model takes, or what it gave.

    Attributes:
        arrays: By name, each of the shape and type that the signature says; texts are of NumPy's
            type object.
        form: Of the request in JSON; `INSTANCES` for the other content types.
    """

    arrays: Mapping[str, Array]
    form: Form = Form.INSTANCES


def decode(body: bytes | str, content_type: str, signature: Signature) -> Tensors:
    """Decode a body to the inputs of a model.

    Args:
        body: As received, or the text of it.
        content_type: Value of the Content-Type header, empty if absent, which counts as JSON.
        signature: Its inputs are wanted, all of them and no other.

    Raises:
        UnsupportedContentType: The type is not one of `numbers.REQUEST_TYPES`, or cannot hold
            these inputs.
        MalformedBody: The body is not in its format, or a name, type, width or shape is wrong;
            the message has the input, what came and what is expected.
        TooManyInstances: There are more rows than one request may have.
    """
    media_type, charset = content_types.parse(content_type)
    if media_type not in numbers.REQUEST_TYPES:
        raise errors.UnsupportedContentType(
            f"{media_type} holds no inputs of this model; send one of "
            f"{', '.join(numbers.REQUEST_TYPES)}"
        )
    inputs = signature.inputs
    if media_type == content_types.NPY:
        array = decoder.read_npy(body.encode() if isinstance(body, str) else body)
        return Tensors(_from_npy(array, inputs))
    text = body if isinstance(body, str) else content_types.read_text(body, charset)
    if media_type == content_types.CSV:
        return Tensors(_from_csv(decoder.read_csv(text), inputs))
    if media_type == content_types.JSON_LINES:
        return Tensors(_from_rows(decoder.read_json_lines(text), inputs))
    limits.require_of_json(text)
    return _from_json(decoder.read_json(text), inputs)


def decode_rows(
    body: bytes | str,
    content_type: str,
    columns: int | Sequence[str],
    dtype: str = "float64",
    *,
    missing: bool = False,
) -> Array:
    """Decode a body to rows of numbers: an `input_fn` in one line.

    Args:
        body: As received, or the text of it.
        content_type: Value of the Content-Type header, empty if absent, which counts as JSON.
        columns: How many numbers a row has; or their names, and then a row may be an object.
        dtype: NumPy's name of the type of all of them. A narrower floating-point type rounds:
            float32 has no whole number 16,777,217.
        missing: Whether a number may be missing, `null` or an empty field of CSV, and is NaN.

    Returns:
        Shape (rows, columns), at least one row.

    Raises:
        UnsupportedContentType: The type is not one of `numbers.REQUEST_TYPES`.
        MalformedBody: As in `decode`, or a number is missing; the message has row and column.
        TooManyInstances: As in `decode`.
    """
    if isinstance(columns, int):
        arrays = decode(body, content_type, _of_width(columns, dtype)).arrays
        rows = arrays["rows"]
    else:
        arrays = decode(body, content_type, _of_columns(tuple(columns), dtype)).arrays
        rows = np.stack([arrays[name] for name in columns], axis=1)
    if not missing and rows.dtype.kind == "f" and elements.has_nan(rows):
        row, column = (int(one) for one in np.argwhere(np.isnan(rows))[0])
        shown = column + 1 if isinstance(columns, int) else repr(columns[column])
        raise errors.MalformedBody(
            f"row {row + 1}, column {shown}: received no number (null, an empty field or NaN), "
            "expected one; if the model accepts missing numbers, pass missing=True in input_fn"
        )
    return rows


@functools.lru_cache(maxsize=16)
def _of_width(columns: int, dtype: str) -> Signature:
    return Signature((Tensor("rows", dtype, (None, columns)),), ())


@functools.lru_cache(maxsize=16)
def _of_columns(columns: tuple[str, ...], dtype: str) -> Signature:
    return Signature(tuple(Tensor(name, dtype, (None,)) for name in columns), ())


def _from_json(content: Any, inputs: Sequence[Tensor]) -> Tensors:
    if isinstance(content, list):
        return Tensors(_from_rows(content, inputs), Form.LIST)
    keys = (Form.INSTANCES.value, Form.INPUTS.value)
    found = [key for key in keys if isinstance(content, dict) and key in content]
    if len(found) != 1:
        received = "both, instances and inputs," if found else elements.described(content)
        raise errors.MalformedBody(
            f'received {received}, expected {{"instances": [row, ...]}}, or {{"inputs": ...}} with '
            f"whole tensors, or a list of rows; a row has {_names(inputs)}"
        )
    # What clients of TensorFlow Serving add; a model here has one signature.
    others = content.keys() - {*found, "signature_name"}
    if others or content.get("signature_name", _ONLY_SIGNATURE) != _ONLY_SIGNATURE:
        received = ", ".join(map(repr, sorted(others))) or repr(content["signature_name"])[:100]
        raise errors.MalformedBody(
            f'received {received} beside "{found[0]}", expected nothing, or "signature_name": '
            f'"{_ONLY_SIGNATURE}"'
        )
    value = content[found[0]]
    if found == [Form.INPUTS.value]:
        return Tensors(_from_columns(value, inputs), Form.INPUTS)
    if not isinstance(value, list):
        raise errors.MalformedBody(
            f'"instances": received {elements.described(value)}, expected a list of rows'
        )
    return Tensors(_from_rows(value, inputs), Form.INSTANCES)


def _from_columns(value: Any, inputs: Sequence[Tensor]) -> dict[str, Array]:
    if isinstance(value, dict):
        _require_names(value, inputs, '"inputs"')
        for one in inputs:
            _require_few(value[one.name], one)
        arrays = {one.name: elements.from_nested(value[one.name], one) for one in inputs}
        if _is_table(inputs):
            _require_equal_lengths(arrays)
        return arrays
    if len(inputs) > 1:
        raise errors.MalformedBody(
            f'"inputs": received {elements.described(value)}, expected an object with '
            f"{_names(inputs)}"
        )
    _require_few(value, inputs[0])
    return {inputs[0].name: elements.from_nested(value, inputs[0])}


def _require_few(value: Any, tensor: Tensor) -> None:
    """Raise where a whole tensor has too many rows; one axis alone may be that of one instance."""
    if isinstance(value, list) and len(tensor.shape) > 1 and tensor.shape[0] is None:
        limits.require(len(value), "row")


def _require_equal_lengths(arrays: Mapping[str, Array]) -> None:
    if len({len(array) for array in arrays.values()}) > 1:
        lengths = ", ".join(f"{len(array)} of {name!r}" for name, array in arrays.items())
        raise errors.MalformedBody(f'"inputs": received {lengths}, expected as many of each')


def _from_rows(rows: list[Any], inputs: Sequence[Tensor]) -> dict[str, Array]:
    limits.require(len(rows), "row")
    if not rows:
        raise errors.MalformedBody(
            f"the body holds no row, expected at least one with {_names(inputs)}"
        )
    for one in inputs:
        if not one.shape:
            raise errors.MalformedBody(
                f'input {one.name!r} is one value, and none for each row; send {{"inputs": ...}} '
                f"with {_names(inputs)}"
            )
    if any(isinstance(row, dict) for row in rows):
        for number, row in enumerate(rows, 1):
            _require_names(row, inputs, f"row {number}")
        columns = [[row[one.name] for row in rows] for one in inputs]
    elif len(inputs) == 1:
        columns = [rows]
    else:
        for number, row in enumerate(rows, 1):
            is_row = isinstance(row, list) and _is_table(inputs)
            if not is_row or len(row) != len(inputs):
                raise errors.MalformedBody(
                    f"row {number}: received {elements.described(row)}, expected an object with "
                    f"{_names(inputs)}"
                    f"{', or a list of them in this order' * _is_table(inputs)}"
                )
        columns = [list(column) for column in zip(*rows, strict=True)]
    return {
        one.name: elements.from_nested(column, one)
        for one, column in zip(inputs, columns, strict=True)
    }


def _from_csv(rows: list[list[str]], inputs: Sequence[Tensor]) -> dict[str, Array]:
    if not rows:
        raise errors.MalformedBody(
            f"the body holds no row, expected at least one with {_names(inputs)}"
        )
    shapes = [tuple(size for size in one.shape[1:] if size is not None) for one in inputs]
    if len(inputs) == 1 and inputs[0].shape[1:] == (None,):
        shapes = [(len(rows[0]),)]
    if any(len(shape) != len(one.shape) - 1 for shape, one in zip(shapes, inputs, strict=True)):
        raise errors.UnsupportedContentType(
            f"a row of CSV cannot hold {_names(inputs)}: how many values belong to each is open; "
            f"send {content_types.JSON}"
        )
    widths = [math.prod(shape) for shape in shapes]
    total = sum(widths)
    for number, row in enumerate(rows, 1):
        if len(row) != total:
            raise errors.MalformedBody(
                f"row {number}: received {len(row)} columns, expected {total}: {_names(inputs)}"
            )
    _require_no_header(rows[0], inputs)
    arrays, start = {}, 0
    for one, width, shape in zip(inputs, widths, shapes, strict=True):
        fields = list(itertools.chain.from_iterable(row[start : start + width] for row in rows))
        if one.shape[0] not in {None, len(rows)}:
            raise errors.MalformedBody(
                f"input {one.name!r}: received {len(rows)} rows, expected {one.shape[0]}"
            )
        arrays[one.name] = elements.from_texts(fields, (len(rows), *shape), one)
        start += width
    return arrays


def _require_no_header(row: list[str], inputs: Sequence[Tensor]) -> None:
    """Raise where the first row has the names of the columns."""
    fields = [field.strip() for field in row]
    takes_words = any(one.dtype in {"str", "object", "bool"} for one in inputs)
    # nan is a number, and one word alone may be a text.
    are_words = all(field.isidentifier() and field.lower() != "nan" for field in fields)
    is_header = fields == [one.name for one in inputs] or (are_words and not takes_words)
    if len(row) > 1 and is_header:
        raise errors.MalformedBody(
            f"row 1: received {', '.join(map(repr, row))[:100]}, expected values; send the rows "
            "without a row of names"
        )


def _from_npy(array: Array, inputs: Sequence[Tensor]) -> dict[str, Array]:
    if len(inputs) == 1:
        return {inputs[0].name: elements.from_array(array, inputs[0])}
    if not _is_table(inputs):
        raise errors.UnsupportedContentType(
            f"{content_types.NPY} holds one array, and this model takes {_names(inputs)}; send "
            f"{content_types.JSON}"
        )
    if array.ndim != 2 or array.shape[1] != len(inputs):
        raise errors.MalformedBody(
            f"received an array of shape {array.shape}, expected (rows, {len(inputs)}): "
            f"{_names(inputs)}"
        )
    return {
        one.name: elements.from_array(
            array[:, column] if len(one.shape) == 1 else array[:, column : column + 1], one
        )
        for column, one in enumerate(inputs)
    }


def _require_names(value: Any, inputs: Sequence[Tensor], where: str) -> None:
    """Raise where a value is not an object with each input and nothing else."""
    if not isinstance(value, dict):
        raise errors.MalformedBody(
            f"{where}: received {elements.described(value)}, expected an object with "
            f"{_names(inputs)}"
        )
    wanted = {one.name for one in inputs}
    if missing := [one.name for one in inputs if one.name not in value]:
        raise errors.MalformedBody(
            f"{where}: received no {', '.join(map(repr, missing[:10]))}, expected {_names(inputs)}"
        )
    if unknown := [name for name in value if name not in wanted]:
        shown = ", ".join(repr(name[:100]) for name in unknown[:10])
        raise errors.MalformedBody(
            f"{where}: received {shown}, which the model does not take, expected {_names(inputs)}"
        )


def _is_table(inputs: Sequence[Tensor]) -> bool:
    """Whether each input is one value a row."""
    return all(map(elements.is_one_a_row, inputs))


def _names(inputs: Sequence[Tensor]) -> str:
    """Return the names of the inputs with what each is, as messages have them."""
    shown = [f"{one.name!r} ({elements.type_text(one)})" for one in inputs[:10]]
    more = [f"{len(inputs) - 10} more"] * (len(inputs) > 10)
    return ", ".join([*shown, *more])
