"""What runs the network: ONNX Runtime in the container, or Keras.

Both give the same answers to 1e-5. A process with ONNX Runtime holds 90 MB and starts in
a fraction of a second; Keras needs TensorFlow, which is imported only when it is asked for.

The network as an ONNX file, and the proof that the file answers as the network does.
"""

import contextlib
import io
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from byoi import errors, extras
from byoi_lib import preprocessing
from byoi_lib.manifest import KERAS_FILE, LABELS, ONNX_FILE

TokenIds = npt.NDArray[np.int32]
Probabilities = npt.NDArray[np.float32]

# The file each runtime reads.
FILES = {"onnx": ONNX_FILE, "keras": KERAS_FILE}

_REMEDY = "train again with the versions installed here"


class Network(Protocol):
    """A loaded network; safe to share between threads."""

    def predict(self, token_ids: TokenIds) -> Probabilities:
        """Return the probabilities of each review.

        Args:
            token_ids: Shape (n, width), int32, 0 as padding.

        Returns:
            Shape (n, 2), float32, `[p_negative, p_positive]`.

        Raises:
            ModelDataError: The network gives another shape.
        """


def load(model_dir: Path, runtime: str, *, threads: int = 1) -> Network:
    """Load the network of a model directory.

    Args:
        model_dir: Where the network's file lies.
        runtime: A key of `FILES`.
        threads: Threads of one prediction in ONNX Runtime; other workers want the
            processors, too.

    Raises:
        ConfigurationError: `runtime` is unknown.
        ModelDataError: The file cannot be loaded.
    """
    if runtime == "onnx":
        return OnnxNetwork(model_dir / ONNX_FILE, threads)
    if runtime == "keras":
        return KerasNetwork(model_dir / KERAS_FILE)
    raise errors.ConfigurationError(f"runtime {runtime!r} is none of {', '.join(FILES)}; name one")


class OnnxNetwork:
    """A network in ONNX Runtime.

    Attributes:
        path: The file it came from.
    """

    def __init__(self, path: Path, threads: int) -> None:
        # From version 1.32 on it reports its use to its makers unless this is set first.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        extras.require("model.onnx", "onnxruntime")
        import onnxruntime  # noqa: PLC0415 - the Keras runtime does not need it

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Threads that spin while they wait double the processor time of a review.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # A plan of memory for each width: hardly one comes twice.
        options.enable_mem_pattern = False
        options.log_severity_level = 3  # errors; they are raised, too
        try:
            self._session = onnxruntime.InferenceSession(
                path, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's errors have no class in common
            raise errors.refusal(path, f"cannot be loaded ({error})", _REMEDY) from error
        self.path = path
        # By position: exporters choose names such as "Identity:0".
        self._input = self._session.get_inputs()[0].name
        self._output = self._session.get_outputs()[0].name

    def predict(self, token_ids: TokenIds) -> Probabilities:
        """As in `Network`."""
        (output,) = self._session.run([self._output], {self._input: token_ids})
        return _checked(output, len(token_ids), self.path)


class KerasNetwork:
    """A network in Keras.

    Attributes:
        path: The file it came from.
    """

    def __init__(self, path: Path) -> None:
        extras.require("BYOI_RUNTIME=keras", "tensorflow")
        from byoi_lib import model  # noqa: F401, PLC0415 - registers the layers
        from byoi_lib._tensorflow import keras  # noqa: PLC0415 - takes seconds

        try:
            self._network = keras.models.load_model(path, compile=False)
        except Exception as error:  # Keras raises whatever the file's content leads to
            raise errors.refusal(path, f"cannot be loaded ({error})", _REMEDY) from error
        self.path = path

    def predict(self, token_ids: TokenIds) -> Probabilities:
        """As in `Network`."""
        # Called directly: `predict` would set up a data pipeline, 40 ms for each request.
        return _checked(np.asarray(self._network(token_ids)), len(token_ids), self.path)


def _checked(output: Any, rows: int, path: Path) -> Probabilities:
    """Return the network's output if it is what the encoders expect."""
    expected = (rows, len(LABELS))
    if output.shape != expected or output.dtype != np.float32:
        cause = f"gives shape {output.shape} of {output.dtype}, expected {expected} of float32"
        raise errors.refusal(path, cause, "export a network with one probability a label")
    probabilities: Probabilities = output
    return probabilities


ONNX_TOLERANCE = 1e-5
COMPARED_ROWS = 1_000
_BATCH_ROWS = 50


def write_onnx(network: Any, path: Path) -> None:
    """Export a Keras network.

    Args:
        network: Input (batch, length), int32; both stay free in the file.
        path: Where the file goes.
    """
    from byoi_lib._tensorflow import keras  # noqa: PLC0415 - takes seconds

    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        # Keras looks for `np.object`, which NumPy 2 answers with this warning.
        warnings.filterwarnings("ignore", message=".*np.object", category=FutureWarning)
        network.export(
            path,
            format="onnx",
            verbose=False,
            input_signature=[keras.InputSpec(shape=(None, None), dtype="int32", name="token_ids")],
        )


def compare_onnx(network: Any, path: Path, rows: Sequence[preprocessing.TokenIds]) -> float:
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
    exported = OnnxNetwork(path, threads=1)
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
    if not difference <= ONNX_TOLERANCE:
        raise errors.ModelDataError(
            f"{path}: differs from the Keras network by {difference:.1e}, expected at most "
            f"{ONNX_TOLERANCE:.0e}; install the versions in requirements/train.txt and train again"
        )
    return difference
