"""Request bodies to plain data: text, JSON, JSON Lines, CSV and NumPy's .npy format.

A body that is not in its format is refused here, with the position of the fault. What the data
means is left to the inference module.

Sources: RFC 8259 (JSON), jsonlines.org, RFC 4180 (CSV), numpy.lib.format versions 1.0 and 2.0
(3.0 is for named fields only).
"""

import csv
import io
import itertools
import json
import math
import sys
from tokenize import TokenError
from typing import IO, Any, NoReturn

import numpy as np
import numpy.typing as npt

from byoi import contract, errors
from byoi.formats import content_types, limits

# Texts, booleans, whole numbers and floating-point numbers: elements without structure.
_PLAIN_KINDS = frozenset("Ubiufc")


def read_json(text: str, where: str = "the body", *, allow_nan: bool = False) -> Any:
    """Parse a JSON text.

    Args:
        text: One JSON value.
        where: The name of the text in a message.
        allow_nan: Whether NaN, Infinity and -Infinity are numbers: RFC 8259 has none of them,
            Python's json writes and reads them.

    Raises:
        MalformedBody: The text is not JSON, has a key twice, NaN or Infinity, or is nested
            too deeply.
    """
    text = content_types.without_mark(text)
    try:
        if text.startswith(content_types.BYTE_ORDER_MARK):
            # As `json.loads` says it, which a decoder of one's own does not.
            raise json.JSONDecodeError("Unexpected UTF-8 BOM (decode using utf-8-sig)", text, 0)
        return (_WITH_NAN if allow_nan else _STRICT).decode(text)
    except RecursionError as error:
        raise errors.MalformedBody(f"{where} is nested too deeply, send fewer levels") from error
    except ValueError as error:
        raise errors.MalformedBody(f"{where} is not JSON: {error}") from error


def read_json_lines(text: str, *, allow_nan: bool = False) -> list[Any]:
    """Parse each line as a JSON value; an empty text has none.

    Args:
        text: The lines.
        allow_nan: As in `read_json`.

    Raises:
        MalformedBody: As in `read_json`; the message names the line, counted from 1.
        TooManyInstances: There are more lines than one request may have.
    """
    text = content_types.without_mark(text).rstrip("\r\n")
    if not text.strip():
        return []
    limits.require(text.count("\n") + 1, "line")
    lines = text.split("\n")
    try:
        return list(map((_WITH_NAN if allow_nan else _STRICT).decode, lines))
    except (RecursionError, ValueError):  # a line that may be wrong, or has a mark
        return [
            read_json(line, f"line {number}", allow_nan=allow_nan)
            for number, line in enumerate(lines, 1)
        ]


def read_csv(text: str) -> list[list[str]]:
    """Parse CSV into the fields of each row, without empty rows at the end.

    Raises:
        MalformedBody: A row is not CSV; the message names its line, counted from 1.
        TooManyInstances: There are more rows than one request may have.
    """
    # The module's default limit of 131,072 characters would refuse a long text.
    csv.field_size_limit(contract.REQUEST_BODY_BYTES)
    # The mark would become part of the first field.
    reader = csv.reader(io.StringIO(content_types.without_mark(text), newline=""), strict=True)
    limit = limits.instances()
    try:
        rows = list(itertools.islice(reader, limit))
        # Empty rows at the end are none, however many there are.
        limits.require_more(any(reader), limit, "row")
    except csv.Error as error:
        raise errors.MalformedBody(
            f'line {reader.line_num} is not CSV ({error}); quote a text, and write " in it as ""'
        ) from error
    while rows and not rows[-1]:
        rows.pop()
    return rows


def read_npy(body: bytes) -> npt.NDArray[Any]:
    """Read an array; nothing is unpickled, and the header is not trusted.

    `numpy.load` would allocate the size that the header claims before it looks for the bytes.

    Returns:
        An array of the shape and dtype in the header: texts (<U), numbers or booleans, in either
        byte order; no dimension is 0. The array shares the memory of `body` and is read-only.

    Raises:
        MalformedBody: The body is not in this format, or holds something else.
        TooManyInstances: The first of several axes, or of texts, is longer than one request may
            have instances.
    """
    stream = io.BytesIO(body)
    try:
        shape, is_fortran, dtype = read_npy_header(stream)
    except ValueError as error:
        raise errors.MalformedBody(
            "the body is not in NumPy's .npy format 1.0 or 2.0; write it with numpy.save"
        ) from error
    if dtype.kind not in _PLAIN_KINDS or min(shape, default=1) < 1 or not dtype.itemsize:
        raise errors.MalformedBody(
            f"the array has dtype {dtype} and shape {shape}, expected texts (<U), numbers or "
            "booleans, and no dimension of 0"
        )
    received_bytes, expected_bytes = len(body) - stream.tell(), math.prod(shape) * dtype.itemsize
    if received_bytes != expected_bytes:
        raise errors.MalformedBody(
            f"dtype {dtype} and shape {shape} are {expected_bytes} bytes, received "
            f"{received_bytes}; send the whole array"
        )
    # One axis of numbers is one instance, or nothing that anything is made of one by one.
    if len(shape) > 1 or (shape and dtype.kind == "U"):
        limits.require(shape[0], "row")
    array = np.frombuffer(body, dtype, offset=stream.tell())
    # Four bytes a character; NumPy itself would end in a SystemError.
    if dtype.kind == "U" and array.view(f"{dtype.byteorder}u4").max() > sys.maxunicode:
        raise errors.MalformedBody("a text of the array has a number that is not a character")
    try:
        return array.reshape(shape, order="F" if is_fortran else "C")
    except ValueError as error:  # all sizes are 1, so that their number is the only limit
        raise errors.MalformedBody(
            f"the array has {len(shape)} dimensions, which are more than NumPy has; send fewer"
        ) from error


def read_npy_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read the header of an .npy stream, of format version 1.0 or 2.0.

    Returns:
        The shape, whether the order of the elements is Fortran's, and the dtype.

    Raises:
        ValueError: The stream has no such header, or a damaged one.
    """
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    version = np.lib.format.read_magic(stream)
    if version not in readers:
        raise ValueError(f".npy format version {version}, expected 1.0 or 2.0")
    try:
        header = readers[version](stream)
    # The header is parsed as Python, which fails in many ways.
    except (SyntaxError, TokenError, TypeError, RecursionError, MemoryError) as error:
        raise ValueError(f"damaged .npy header ({type(error).__name__})") from error
    # True is an integer to the reader, and no size to NumPy.
    if any(type(size) is not int for size in header[0]):
        raise ValueError(f"shape {header[0]}, expected whole numbers")
    return header


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a repeated key, of which json silently takes the last."""
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("an object has a key twice")
    return content


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


# Made once: `json.loads` with arguments makes one for each call.
_STRICT = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)
_WITH_NAN = json.JSONDecoder(object_pairs_hook=_unique)
