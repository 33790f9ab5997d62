"""Request bodies to plain data: text, JSON, JSON Lines, CSV and NumPy's .npy format.

What the data means is the inference module's business; a body that is not in its format is
refused here, by the position in it.

Sources: RFC 8259 (JSON), jsonlines.org, RFC 4180 (CSV), numpy.lib.format versions 1.0 and 2.0
(3.0 is for named fields only).
"""

import csv
import io
import json
import math
import sys
from tokenize import TokenError
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from byoi import contract, errors

_BYTE_ORDER_MARK = "\ufeff"


def read_text(body: bytes, charset: str) -> str:
    """Return a body as text.

    Args:
        body: Request body.
        charset: Python's name of its character set, as `content_types.parse` gives it.

    Raises:
        MalformedBody: The body has a byte that this character set does not.
    """
    try:
        return body.decode(charset)
    except UnicodeDecodeError as error:
        raise errors.MalformedBody(
            f"the body is not {charset} at byte {error.start}; send utf-8, or say the charset"
        ) from error


def without_mark(text: str) -> str:
    """Return a text without the byte order mark that spreadsheets write before it."""
    return text.removeprefix(_BYTE_ORDER_MARK)


def read_json(text: str, where: str = "the body") -> Any:
    """Return what a JSON text holds.

    Args:
        text: One JSON value.
        where: What a message calls it.

    Raises:
        MalformedBody: It is not JSON, has a key twice, NaN or Infinity, or is nested too deeply.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise errors.MalformedBody(f"{where} is nested too deeply, expected two levels") from error
    except ValueError as error:
        raise errors.MalformedBody(f"{where} is not JSON: {error}") from error


def read_json_lines(text: str) -> list[Any]:
    """Return the JSON value of each line; errors as in `read_json`, naming the line from 1."""
    lines = text.rstrip("\r\n").split("\n") if text.strip() else []
    return [read_json(line, f"line {number}") for number, line in enumerate(lines, 1)]


def read_csv(text: str) -> list[list[str]]:
    """Return the fields of each row, without empty rows at the end.

    Raises:
        MalformedBody: A row is not CSV; the message names it.
    """
    # The module's own limit, 131,072 characters, would refuse a long text.
    csv.field_size_limit(contract.REQUEST_BODY_BYTES)
    # The mark would become part of the first field.
    reader = csv.reader(io.StringIO(without_mark(text), newline=""), strict=True)
    try:
        rows = list(reader)
    except csv.Error as error:
        raise errors.MalformedBody(
            f'line {reader.line_num} is not CSV ({error}); quote a text, and write " in it as ""'
        ) from error
    while rows and not rows[-1]:
        rows.pop()
    return rows


def read_npy(body: bytes) -> npt.NDArray[Any]:
    """Return the array of a body; nothing is unpickled, and the header is not trusted.

    `numpy.load` would allocate the size the header claims before it looks for the bytes.

    Returns:
        Texts, dtype <U, of shape (n,), or whole numbers of shape (n, length) or (length,); no
        dimension is 0.

    Raises:
        MalformedBody: The body is not in this format, or holds something else.
    """
    stream = io.BytesIO(body)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    try:
        read_header = readers[np.lib.format.read_magic(stream)]
        shape, is_fortran, dtype = read_header(stream)
    # The header is parsed as Python, which fails in many ways; KeyError is another version.
    except (
        KeyError, ValueError, SyntaxError, TokenError, TypeError, RecursionError, MemoryError,
    ) as error:  # fmt: skip
        raise errors.MalformedBody(
            "the body is not in NumPy's .npy format 1.0 or 2.0; write it with numpy.save"
        ) from error
    dimensions = {"U": (0, 1), "i": (1, 2), "u": (1, 2)}.get(dtype.kind, ())
    if len(shape) not in dimensions or min(shape, default=1) < 1 or not dtype.itemsize:
        raise errors.MalformedBody(
            f"the array has dtype {dtype} and shape {shape}, expected texts (<U) of shape (n,) "
            "or whole numbers of shape (n, length) or (length,), none of them 0"
        )
    received_bytes, expected_bytes = len(body) - stream.tell(), math.prod(shape) * dtype.itemsize
    if received_bytes != expected_bytes:
        raise errors.MalformedBody(
            f"dtype {dtype} and shape {shape} are {expected_bytes} bytes, received "
            f"{received_bytes}; send the whole array"
        )
    array = np.frombuffer(body, dtype, offset=stream.tell())
    # Four bytes a character; NumPy itself would end in a SystemError.
    if dtype.kind == "U" and array.view(f"{dtype.byteorder}u4").max() > sys.maxunicode:
        raise errors.MalformedBody("the array's texts hold a number that is no character")
    return array.reshape(shape or (1,), order="F" if is_fortran else "C")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse what json accepts in silence: of two equal keys the last wins."""
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("an object has a key twice")
    return content


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")
