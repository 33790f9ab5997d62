"""Rows of numbers to response bodies.

No body ends in a newline: batch transform with AssembleWith=Line adds one to each response,
and a second one would be an empty record in its output.
"""

import io
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from byoi import errors
from byoi.formats import content_types

Rows = npt.NDArray[np.float32]


def encode(rows: Rows, accept: str, *, key: str = "") -> tuple[bytes, str]:
    """Encode rows in the media type that the client prefers.

    Numbers are written as the shortest text that gives the same float32.

    Args:
        rows: Shape (instances, values), float32, finite: the model's answer to each instance.
        accept: Value of the Accept header, empty if absent.
        key: JSON wraps the rows as `{key: [...]}`; empty for the bare list.

    Returns:
        The response body and its media type, under the name that the client gave it.

    Raises:
        NotAcceptable: There is no encoder for `accept`.
        ModelDataError: A number is NaN or infinite, which JSON cannot express.
    """
    media_type = content_types.negotiate(accept)
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        raise errors.ModelDataError(
            f"the model's answer to instance {int(np.argmin(finite))} is not finite, expected "
            "numbers that JSON can express; train again, or give another model directory"
        )
    return _ENCODERS[content_types.usual_name(media_type)](rows, key), media_type


def _to_json(rows: Rows, key: str) -> bytes:
    lists = "[" + ", ".join(f"[{', '.join(row)}]" for row in _texts(rows)) + "]"
    return (f'{{"{key}": {lists}}}' if key else lists).encode("ascii")


def _to_json_lines(rows: Rows, _key: str) -> bytes:
    return "\n".join(f"[{', '.join(row)}]" for row in _texts(rows)).encode("ascii")


def _to_csv(rows: Rows, _key: str) -> bytes:
    return "\n".join(",".join(row) for row in _texts(rows)).encode("ascii")


def _to_npy(rows: Rows, _key: str) -> bytes:
    stream = io.BytesIO()
    np.save(stream, rows, allow_pickle=False)
    return stream.getvalue()


_ENCODERS: dict[str, Callable[[Rows, str], bytes]] = {
    content_types.JSON: _to_json,
    content_types.JSON_LINES: _to_json_lines,
    content_types.CSV: _to_csv,
    content_types.NPY: _to_npy,
}


def _texts(rows: Rows) -> list[list[str]]:
    """Return each row as texts that JSON and CSV both read, such as 0.1 or 1e-09."""
    # str of a float32 is the shortest; as a float64, 0.1 would be 0.10000000149011612.
    return [[str(number) for number in row] for row in rows]
