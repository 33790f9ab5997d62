"""The network as an ONNX file, and the proof that the file answers as the network does."""

import contextlib
import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from byoi_lib import errors, preprocessing, runtime

TOLERANCE = 1e-5
COMPARED_ROWS = 1_000
_BATCH_ROWS = 50


def write(network: Any, path: Path) -> None:
    """Export a Keras network.

    Args:
        network: Input (batch, length), int32; both stay free in the file.
        path: Where the file goes.
    """
    from byoi_lib.quiet_tensorflow import keras  # noqa: PLC0415 - takes seconds

    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        # Keras looks for `np.object`, which NumPy 2 answers with this warning.
        warnings.filterwarnings("ignore", message=".*np.object", category=FutureWarning)
        network.export(
            path,
            format="onnx",
            verbose=False,
            input_signature=[keras.InputSpec(shape=(None, None), dtype="int32", name="token_ids")],
        )


def compare(network: Any, path: Path, rows: Sequence[preprocessing.TokenIds]) -> float:
    """Return the largest difference between two probabilities for the same review.

    Keras sees reviews of like length together; ONNX Runtime sees them as they come,
    each batch padded to its longest, so padding is put to the test as well.

    Args:
        network: The Keras network.
        path: The file made from it.
        rows: Token ids of reviews; the first `COMPARED_ROWS` are used.

    Raises:
        ModelDataError: The difference is above `TOLERANCE`.
    """
    exported = runtime.OnnxNetwork(path, threads=1)
    rows = rows[:COMPARED_ROWS]
    by_length = sorted(range(len(rows)), key=lambda row: len(rows[row]))
    expected = np.empty((len(rows), 2), np.float32)
    answers = np.empty((len(rows), 2), np.float32)
    for start in range(0, len(rows), _BATCH_ROWS):
        like = by_length[start : start + _BATCH_ROWS]
        expected[like] = np.asarray(network(preprocessing.pad([rows[row] for row in like])))
        mixed = slice(start, start + _BATCH_ROWS)
        answers[mixed] = exported.predict(preprocessing.pad(rows[mixed]))
    difference = float(np.abs(expected - answers).max())
    if not difference <= TOLERANCE:
        raise errors.ModelDataError(
            f"{path}: differs from the Keras network by {difference:.1e}, expected at most "
            f"{TOLERANCE:.0e}; install the versions in requirements/train.txt and train again"
        )
    return difference
