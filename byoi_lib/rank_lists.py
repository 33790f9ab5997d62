"""Object arrays of word ranks, read without running what a stranger's pickle asks for.

A pickle may name any function of any module and have it called. Of Keras's `imdb.npz`
only three names are ever asked for, those with which NumPy rebuilds an array; they are
allowed, everything else is refused before it is imported.

Source: pickletools.dis of Keras's file, and of one NumPy 2 wrote (it names the same
functions under `numpy._core`).
"""

import pickle
from collections.abc import Callable
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from byoi_lib import errors

_ALLOWED = {
    (module, name)
    for module, name in (
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
    )
}


class _RankUnpickler(pickle.Unpickler):
    """Unpickler that builds arrays, lists and numbers."""

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        """Return one of the allowed functions.

        Raises:
            DatasetError: The pickle asks for another one.
        """
        if (module, name) not in _ALLOWED:
            raise errors.DatasetError(
                f"the pickled array asks for {module}.{name}, expected lists of numbers; "
                "it may be an attack: use a file from a source you trust"
            )
        # NumPy 2 keeps the name that older files use, but warns about it.
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)  # type: ignore[no-any-return]


def read(stream: IO[bytes]) -> list[list[int]]:
    """Read an `.npy` stream of an object array.

    Args:
        stream: Content of an `.npy` file whose array has shape (n,), dtype object,
            and holds lists of word ranks.

    Returns:
        n lists of ranks, each from 1 on.

    Raises:
        DatasetError: The pickle asks for anything but arrays, or is no such array.
        ValueError: The stream is no `.npy` file.
    """
    read_header = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    shape, _, dtype = read_header.get(npy.read_magic(stream), npy.read_array_header_1_0)(stream)
    if not dtype.hasobject or len(shape) != 1:
        raise ValueError(f"array of {dtype} and shape {shape}, expected a row of objects")
    try:
        array = _RankUnpickler(stream).load()
    except (pickle.UnpicklingError, EOFError, AttributeError, TypeError, IndexError) as error:
        raise ValueError(f"the pickled array is damaged: {error}") from error
    if not isinstance(array, np.ndarray) or array.shape != shape:
        raise ValueError(f"{type(array).__name__} pickled where an array of shape {shape} was due")
    reviews = list(array)
    for row, review in enumerate(reviews):
        if type(review) is not list or not all(type(rank) is int for rank in review):
            raise ValueError(f"review {row} is no list of whole numbers")
        if review and min(review) < 1:
            raise ValueError(f"review {row} has the rank {min(review)}, ranks start at 1")
    return reviews
