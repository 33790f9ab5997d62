"""Predictions to response bodies, the server's other half of `serializers`.

No body ends in a newline: batch transform's AssembleWith=Line adds one to each
response, and a second would be an empty record in its output.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from byoi_lib import content_types, errors


@dataclass(frozen=True)
class Predictions:
    """The answer to one request.

    Attributes:
        probabilities: Shape (n, 2), float32, `[p_negative, p_positive]` of each
            review in the order sent.
        has_key: As in `Instances`.
    """

    probabilities: npt.NDArray[np.float32]
    has_key: bool = False


def encode(predictions: Predictions, accept: str) -> tuple[bytes, str]:
    """Return the response body and its media type.

    Numbers are written as the shortest text that gives the same float32.

    Args:
        predictions: What to send.
        accept: Value of the Accept header, empty where absent.

    Raises:
        NotAcceptable: No encoder for `accept`.
        ModelDataError: A probability is not a finite number.
    """
    media_type = content_types.negotiate(accept)
    finite = np.isfinite(predictions.probabilities).all(axis=1)
    if not finite.all():
        raise errors.ModelDataError(
            f"the network's answer to instance {int(np.argmin(finite))} is not finite, expected "
            "probabilities; train again, or give another model directory"
        )
    return _ENCODERS[media_type](predictions), media_type


def _to_json(predictions: Predictions) -> bytes:
    pairs = "[" + ", ".join(f"[{n}, {p}]" for n, p in _texts(predictions)) + "]"
    text = f'{{"predictions": {pairs}}}' if predictions.has_key else pairs
    return text.encode("ascii")


def _to_json_lines(predictions: Predictions) -> bytes:
    return "\n".join(f"[{n}, {p}]" for n, p in _texts(predictions)).encode("ascii")


def _to_csv(predictions: Predictions) -> bytes:
    return "\n".join(f"{n},{p}" for n, p in _texts(predictions)).encode("ascii")


def _to_npy(predictions: Predictions) -> bytes:
    stream = io.BytesIO()
    np.save(stream, predictions.probabilities, allow_pickle=False)
    return stream.getvalue()


_ENCODERS: dict[str, Callable[[Predictions], bytes]] = {
    content_types.JSON: _to_json,
    content_types.JSON_LINES: _to_json_lines,
    content_types.CSV: _to_csv,
    content_types.NPY: _to_npy,
}


def _texts(predictions: Predictions) -> list[tuple[str, str]]:
    """Return each pair as numbers that JSON and CSV both read, such as 0.1 or 1e-09."""
    # str of a float32 is the shortest; of the float64 it equals, 0.1 is 0.10000000149011612.
    return [(str(negative), str(positive)) for negative, positive in predictions.probabilities]
