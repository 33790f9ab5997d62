"""The elements of one tensor: values as they came, to an array of the type that a model takes.

Values come as nested lists (JSON), as texts (CSV) or as an array (NPY). A value of another type, or
one that does not fit the type, is refused with the input's name, the place and what is expected;
rows and columns count from 1. Nothing is cut, wrapped round or rounded to a whole number. A
floating-point type rounds to what it has: 16,777,217 is no float32.

What counts as what:

* a whole number may be written `1.0`, and never `1.5`
* `true` is no number; a boolean may be written `1` or `0`
* `null`, and an empty field of CSV, is a number that is missing, NaN, where the type has one
* an infinite number is in no JSON and no CSV; an array of NPY may have one
"""

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from byoi import errors
from byoi.formats.signature import Tensor

Array = npt.NDArray[Any]

# The types of JSON's values that each kind of NumPy's types takes.
_TYPES: dict[str, tuple[type, ...]] = {
    "f": (int, float, type(None)),
    "i": (int, float),
    "u": (int, float),
    "b": (bool, int),
    "U": (str,),
    "O": (str, int, float, type(None)),
}
# The kinds of arrays that each kind takes.
_ARRAYS = {"f": "fiu", "i": "iuf", "u": "iuf", "b": "biu", "U": "U", "O": "Ufiu"}
_TRUTHS = {"true": True, "1": True, "false": False, "0": False}
_SHOWN_CHARACTERS = 40
# So many values are checked one by one: NumPy's first look costs a request 20 us, however few.
_FEW = 64
_NUMBERS = frozenset((int, float))


def from_nested(value: Any, tensor: Tensor) -> Array:
    """Return the array of a value of JSON: nested lists, one level for each axis.

    Of a column, shape (rows, 1), the second level may be left out.

    Raises:
        MalformedBody: A list is too long, too short, too deep or not deep enough, or an element
            is not of the tensor's type.
    """
    # A column may be a plain list, as its rows are one value.
    is_column = len(tensor.shape) == 2 and is_one_a_row(tensor) and isinstance(value, list)
    if is_column and list not in set(map(type, value)):
        value = [[one] for one in value]
    level, shape = [value], list[int]()
    for size in tensor.shape:
        if set(map(type, level)) != {list}:
            place = next(n for n, one in enumerate(level) if type(one) is not list)
            raise _wrong(tensor, _index(place, shape), level[place])
        expected = len(level[0]) if size is None else size
        lengths = list(map(len, level))
        if set(lengths) != {expected} or not expected:
            place = next(n for n, one in enumerate(lengths) if one != expected or not one)
            raise errors.MalformedBody(
                f"{_where(tensor, _index(place, shape))}: received {lengths[place]} "
                f"{'values' if shape else 'rows'}, expected {expected or 'at least 1'}"
                f"{_of_shape(tensor)}"
            )
        shape.append(expected)
        level = list(itertools.chain.from_iterable(level))
    return _converted(level, shape, tensor)


def from_texts(fields: Sequence[str], shape: Sequence[int], tensor: Tensor) -> Array:
    """Return the array of fields of CSV.

    Args:
        fields: In the order of the array's elements.
        shape: Of the array.
        tensor: What is expected.

    Raises:
        MalformedBody: A field is not of the tensor's type.
    """
    kind = _kind(tensor)
    if kind in "fiu":
        values = _read_numbers(fields, int if kind in "iu" else float)
    elif kind == "O":  # CSV does not say which fields are texts
        values = [field or None for field in fields]
    else:
        values = [
            _TRUTHS.get(field.strip().lower(), field) if kind == "b" else field for field in fields
        ]
    return _converted(values, shape, tensor)


def from_array(array: Array, tensor: Tensor) -> Array:
    """Return an array of NPY in the tensor's type.

    Args:
        array: Of any type without structure; no axis is 0.
        tensor: What is expected.

    Raises:
        MalformedBody: The shape or the type is another, or an element does not fit the type.
    """
    fits = len(array.shape) == len(tensor.shape) and all(
        size in {None, got} for got, size in zip(array.shape, tensor.shape, strict=True)
    )
    if not fits or array.dtype.kind not in _ARRAYS[_kind(tensor)]:
        raise errors.MalformedBody(
            f"{_where(tensor, ())}: received an array of {_dtype_text(array.dtype)} of shape "
            f"{array.shape}, expected {_expected(tensor)}{_of_shape(tensor)}"
        )
    dtype = dtype_of(tensor)
    kind = dtype.kind
    if kind in "UO":
        if array.dtype.kind == "U":
            _require_characters(array.reshape(-1).tolist(), array.shape, tensor)
        return array.astype(object)
    if kind == "f":
        cast = _cast_floats(array, dtype)
        # 1e39 is a number, and no float32.
        _require(np.isinf(cast) == np.isinf(array), array, tensor)
        return cast
    if kind == "b":
        _require((array == 0) | (array == 1), array, tensor)
        return array.astype(dtype)
    return _whole(array, tensor)


def has_nan(array: Array) -> bool:
    """Whether an array of floating-point numbers has a NaN."""
    if array.size <= _FEW:
        return any(map(math.isnan, array.ravel().tolist()))
    return bool(np.isnan(array).any())


def is_one_a_row(tensor: Tensor) -> bool:
    """Whether a tensor is one value a row: of shape (rows), or a column of shape (rows, 1)."""
    return len(tensor.shape) == 1 or (len(tensor.shape) == 2 and tensor.shape[1] == 1)


def dtype_of(tensor: Tensor) -> np.dtype[Any]:
    """Return NumPy's type of a tensor; texts (`str`) are of kind U, whatever their length."""
    return np.dtype(tensor.dtype)


def shape_text(tensor: Tensor) -> str:
    """Return a shape as messages have it, such as `(rows, 4, any)`."""
    sizes = [
        ("any" if axis else "rows") if size is None else str(size)
        for axis, size in enumerate(tensor.shape)
    ]
    return f"({', '.join(sizes)})"


def type_text(tensor: Tensor) -> str:
    """Return type and shape as messages have them; a tensor of one value a row has no shape."""
    name = "text" if _kind(tensor) == "U" else tensor.dtype
    return name if len(tensor.shape) == 1 else f"{name} {shape_text(tensor)}"


def described(value: Any) -> str:
    """Return a value of JSON as messages have it, with its type in JSON's words."""
    if isinstance(value, dict):
        return f"an object with {_cut(', '.join(map(repr, value)))}" if value else "{}, an object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"{str(value).lower()}, a boolean"
    return f"{_cut(repr(value))}, a {'text' if isinstance(value, str) else 'number'}"


def _converted(values: list[Any], shape: Sequence[int], tensor: Tensor) -> Array:
    """Return the array of values of Python, in the order of its elements."""
    dtype = dtype_of(tensor)
    allowed = _TYPES[dtype.kind]
    types = set(map(type, values))
    if not types <= set(allowed):
        place = next(n for n, one in enumerate(values) if type(one) not in allowed)
        raise _wrong(tensor, _index(place, shape), values[place])
    if dtype.kind in "UO":
        _require_characters(values, shape, tensor)
        # Not NumPy's own texts: each would take the room of the longest.
        array: Array = np.empty(len(values), object)
        array[:] = values
        return array.reshape(shape)
    if dtype.kind == "f":
        # Neither missing nor beyond the type; a NaN may pass, which is a number here.
        if len(values) <= _FEW and types <= _NUMBERS and max(map(abs, values)) <= _largest(dtype):
            return np.array(values, dtype).reshape(shape)
        try:
            numbers = np.array(values, np.float64)  # None becomes NaN
        except OverflowError:  # a whole number beyond the range
            numbers = np.array([_float(one) for one in values])
        cast = _cast_floats(numbers.reshape(shape), dtype)
        _require(~np.isinf(cast), values, tensor)
        return cast
    # One type alone becomes an array as it is; of both, an array would make floats.
    if len(types) == 1:
        array = np.array(values).reshape(shape)
        # Of whole numbers that no type of NumPy's holds it makes floats, or objects.
        if array.dtype.kind in ("iu" if int in types else "fb"):
            return from_array(array, tensor)
    for place, one in enumerate(values):
        if not _fits(one, dtype):
            raise _wrong(tensor, _index(place, shape), one)
    return np.array([int(one) for one in values], dtype).reshape(shape)


def _require_characters(values: Sequence[Any], shape: Sequence[int], tensor: Tensor) -> None:
    """Raise for the first text with half of a surrogate pair, which no UTF-8 can hold."""
    for place, one in enumerate(values):
        if isinstance(one, str) and not one.isascii():
            try:
                one.encode()
            except UnicodeEncodeError as error:
                raise errors.MalformedBody(
                    f"{_where(tensor, _index(place, shape))}: received {_cut(ascii(one))}, a text "
                    f"with half of a surrogate pair, expected whole characters"
                ) from error


def _fits(number: float, dtype: np.dtype[Any]) -> bool:
    if dtype.kind == "b":
        return number in {0, 1}
    # A whole number of any length is finite, and may be no float.
    if isinstance(number, float) and not (math.isfinite(number) and number.is_integer()):
        return False
    limits = np.iinfo(dtype)
    return bool(limits.min <= int(number) <= limits.max)


def _whole(array: Array, tensor: Tensor) -> Array:
    """Return an array of numbers in a type of whole numbers."""
    if array.dtype.kind == "f":
        _require(np.isfinite(array) & (array == np.trunc(array)), array, tensor)
    limits = np.iinfo(dtype_of(tensor))
    # As numbers of Python: NumPy would compare 2**64 - 1 with -1 as floats.
    for extreme in (int(array.argmin()), int(array.argmax())):
        if not limits.min <= int(array.flat[extreme]) <= limits.max:
            raise _wrong(tensor, _index(extreme, array.shape), array.flat[extreme].item())
    return array.astype(limits.dtype)


@functools.lru_cache(maxsize=8)
def _largest(dtype: np.dtype[Any]) -> float:
    return float(np.finfo(dtype).max)


def _cast_floats(array: Array, dtype: np.dtype[Any]) -> Array:
    """Return an array in another type; what is beyond its range becomes infinite."""
    with np.errstate(over="ignore"):
        return array.astype(dtype)


def _require(fits: Array, values: Any, tensor: Tensor) -> None:
    """Raise for the first element that does not fit."""
    if not fits.all():
        place = int(np.argmin(fits))
        value = values[place] if isinstance(values, list) else values.flat[place].item()
        raise _wrong(tensor, _index(place, fits.shape), value)


def _float(number: Any) -> float:
    try:
        return float("nan" if number is None else number)
    except OverflowError:
        return float("inf")


def _read_numbers(fields: Sequence[str], read: Callable[[str], float]) -> list[Any]:
    """Return the numbers of fields, None of an empty one, and the text where it is neither."""
    text = "".join(fields)
    # Python takes 1_000 and digits of other scripts for numbers.
    if "_" not in text and text.isascii():
        try:
            return list(map(read, fields))
        except ValueError:
            pass
    return [_read_number(field) for field in fields]


def _read_number(field: str) -> Any:
    bare = field.strip()
    if not bare:
        return None
    if "_" in bare or not bare.isascii():
        return field
    for read in (int, float):
        try:
            return read(bare)
        except ValueError:
            continue
    return field


def _kind(tensor: Tensor) -> str:
    return dtype_of(tensor).kind


def _index(place: int, shape: Sequence[int]) -> tuple[int, ...]:
    """Return the index of the n-th element of an array."""
    return tuple(int(one) for one in np.unravel_index(place, shape)) if shape else ()


def _where(tensor: Tensor, index: tuple[int, ...]) -> str:
    name = f"input {tensor.name!r}"
    if not index:
        return name
    row = f"{name}, row {index[0] + 1}"
    if len(index) == 1:
        return row
    if len(index) == 2:
        return f"{row}, column {index[1] + 1}"
    return f"{row}, position {', '.join(str(one + 1) for one in index[1:])}"


def _wrong(tensor: Tensor, index: tuple[int, ...], value: Any) -> errors.MalformedBody:
    """Return the error of one value; its place says how deep in the lists it stands."""
    levels = len(tensor.shape) - len(index)
    if levels:
        expected = f"a list{_of_shape(tensor)}"
    else:
        expected = _expected(tensor)
        if isinstance(value, list | dict):
            expected += _of_shape(tensor)
        elif type(value) in {int, float} and dtype_of(tensor).kind == "f":
            expected += f" up to {np.finfo(dtype_of(tensor)).max:.3g}"
    return errors.MalformedBody(
        f"{_where(tensor, index)}: received {described(value)}, expected {expected}"
    )


def _expected(tensor: Tensor) -> str:
    dtype = dtype_of(tensor)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return f"a whole number from {limits.min} to {limits.max} ({dtype})"
    if dtype.kind == "f":
        return f"a number ({dtype})"
    return {"b": "true or false", "U": "a text", "O": "a number or a text"}[dtype.kind]


def _of_shape(tensor: Tensor) -> str:
    return f" in the shape {shape_text(tensor)}"


def _dtype_text(dtype: np.dtype[Any]) -> str:
    return "texts" if dtype.kind == "U" else str(dtype)


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."
