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
Texts = list[list[str]]

# Of 128 bytes a number, so not of all rows at once.
_TEXT = np.dtype("U32")
_BLOCK_ROWS = 1024


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
    name = content_types.usual_name(media_type)
    if name == content_types.NPY:
        _require_finite(rows)
        return _to_npy(rows), media_type
    text = _WRITERS[name](_texts(rows))
    # NumPy's own check costs more than the rest; of all numbers, only nan and inf have an n.
    if "n" in text:
        _require_finite(rows)
    if key and name == content_types.JSON:
        text = f'{{"{key}": {text}}}'
    return text.encode("ascii"), media_type


def _require_finite(rows: Rows) -> None:
    """Raise for the first row with a number that JSON cannot express."""
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        raise errors.ModelDataError(
            f"the model's answer to instance {int(np.argmin(finite))} is not finite, expected "
            "numbers that JSON can express; train again, or give another model directory"
        )


def _to_json(rows: Texts) -> str:
    return "[" + ", ".join([f"[{', '.join(row)}]" for row in rows]) + "]"


def _to_json_lines(rows: Texts) -> str:
    return "\n".join([f"[{', '.join(row)}]" for row in rows])


def _to_csv(rows: Texts) -> str:
    return "\n".join([",".join(row) for row in rows])


def _to_npy(rows: Rows) -> bytes:
    stream = io.BytesIO()
    np.save(stream, rows, allow_pickle=False)
    return stream.getvalue()


_WRITERS: dict[str, Callable[[Texts], str]] = {
    content_types.JSON: _to_json,
    content_types.JSON_LINES: _to_json_lines,
    content_types.CSV: _to_csv,
}


def _texts(rows: Rows) -> Texts:
    """Return each row as texts that JSON and CSV both read, such as 0.1 or 1e-09."""
    # The text of a float32 is the shortest; as a float64, 0.1 would be 0.10000000149011612.
    array = np.asarray(rows)
    texts: Texts = []
    for start in range(0, len(array), _BLOCK_ROWS):
        texts += array[start : start + _BLOCK_ROWS].astype(_TEXT).tolist()
    return texts
