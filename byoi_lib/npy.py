"""NumPy's .npy format from a stranger: nothing is unpickled, no header is trusted.

Source: numpy.lib.format, versions 1.0 and 2.0 (3.0 is for named fields only).
"""

import io
import math
import sys
from tokenize import TokenError
from typing import Any

import numpy as np
import numpy.typing as npt

from byoi_lib import errors


def read(body: bytes) -> npt.NDArray[Any]:
    """Return the array of a request's body.

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
