"""The runtimes of the network: ONNX Runtime in the container, or Keras.

A process with ONNX Runtime takes 90 MB and starts in a fraction of a second; Keras needs
TensorFlow, which is imported only on request. Training exports the network to ONNX and
verifies that both runtimes give the same answers, to `ONNX_TOLERANCE`.
"""

import contextlib
import io
import os
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from byoi import errors, extras
from byoi_lib import preprocessing
from byoi_lib.manifest import KERAS_FILE, LABELS, ONNX_FILE
from byoi_lib.preprocessing import TokenIds

Probabilities = npt.NDArray[np.float32]

# The file that each runtime reads.
FILES = {"onnx": ONNX_FILE, "keras": KERAS_FILE}

# Largest difference between the probabilities of both runtimes, and the reviews compared.
ONNX_TOLERANCE = 1e-5
COMPARED_ROWS = 1_000
_BATCH_ROWS = 50
# Texts of random words that show whether the graph of `export` fits a network.
_PROBED_ROWS = 32

_RETRAIN = "train again with the versions installed here"


class Network(Protocol):
    """A loaded network; safe to share between threads."""

    def predict(self, token_ids: TokenIds) -> Probabilities:
        """Classify reviews.

        Args:
            token_ids: Shape (n, width), int32, 0 as padding.

        Returns:
            Shape (n, 2), float32, `[p_negative, p_positive]`, each from 0 to 1.

        Raises:
            ModelDataError: The network returns another shape or dtype.
        """


def load(model_dir: Path, runtime: str, *, threads: int = 1) -> Network:
    """Load the network of a model directory.

    Args:
        model_dir: Where the network's file lies.
        runtime: A key of `FILES`.
        threads: Threads of one prediction in ONNX Runtime; other workers need processors, too.

    Raises:
        ConfigurationError: There is no such runtime.
        ModelDataError: The file cannot be loaded.
    """
    if runtime == "onnx":
        return OnnxNetwork(model_dir / ONNX_FILE, threads)
    if runtime == "keras":
        return KerasNetwork(model_dir / KERAS_FILE)
    raise errors.ConfigurationError(
        f"runtime {runtime!r} is not one of {', '.join(FILES)}; name one"
    )


class OnnxNetwork:
    """A network in ONNX Runtime.

    Attributes:
        path: The file that it was loaded from.
    """

    def __init__(self, path: Path, threads: int) -> None:
        # From version 1.32 on it reports usage to its vendor unless this is set first.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        extras.require("model.onnx", "onnxruntime")
        import onnxruntime  # noqa: PLC0415 - the Keras runtime does not need it

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Threads that spin while waiting double the processor time of a review.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # The C library is faster for a short review (49 us instead of 54), no slower for long
        # ones, and gives memory back after a large request.
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 3  # errors only, which are raised as well
        try:
            self._session = onnxruntime.InferenceSession(
                path, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's errors have no class in common
            raise errors.refusal(path, f"cannot be loaded ({error})", _RETRAIN) from error
        self.path = path
        # By position: exporters choose names such as "Identity:0".
        self._input = self._session.get_inputs()[0].name
        self._output = self._session.get_outputs()[0].name

    def predict(self, token_ids: TokenIds) -> Probabilities:
        """Classify reviews, as described in `Network`."""
        (output,) = self._session.run([self._output], {self._input: token_ids})
        return _checked(output, len(token_ids), self.path)


class KerasNetwork:
    """A network in Keras.

    Attributes:
        path: The file that it was loaded from.
    """

    def __init__(self, path: Path) -> None:
        extras.require("BYOI_RUNTIME=keras", "tensorflow")
        from byoi_lib import model  # noqa: F401, PLC0415 - registers the layers
        from byoi_lib._tensorflow import keras  # noqa: PLC0415 - takes seconds

        try:
            self._network = keras.models.load_model(path, compile=False)
        except Exception as error:  # Keras raises any type, depending on the file's content
            raise errors.refusal(path, f"cannot be loaded ({error})", _RETRAIN) from error
        self.path = path

    def predict(self, token_ids: TokenIds) -> Probabilities:
        """Classify reviews, as described in `Network`."""
        # Called directly: `predict` would set up a data pipeline, 40 ms per request.
        return _checked(np.asarray(self._network(token_ids)), len(token_ids), self.path)


def write_onnx(network: Any, path: Path, *, find: Callable[[str], object] = extras.find) -> str:
    """Export a Keras network to ONNX.

    The graph is that of `export.make_graph` if it answers as the network does, for texts of
    random words. Otherwise Keras exports the network, in more nodes, which take more time.

    Args:
        network: Takes token ids of shape (batch, length), int32. The file accepts any batch, and
            any length up to the network's largest, or beyond it with padding.
        path: Where the file goes.
        find: Tells whether a package can be used; None is no.

    Returns:
        Why Keras exported the network, empty if it did not.

    Raises:
        MissingPackageError: Keras has to export the network, and tf2onnx is not installed.
    """
    reason = _write_compact(network, path)
    if reason:
        if find("tf2onnx") is None:
            raise errors.MissingPackageError(
                f"{reason}, so that byoi_lib/export.py does not fit it, and Keras's own exporter "
                "needs the Python package tf2onnx, which is not installed; install tf2onnx with "
                "pip, or change byoi_lib/export.py as the network was changed"
            )
        _write_with_keras(network, path)
    return reason


def check_export(network: Any, *, find: Callable[[str], object] = extras.find) -> None:
    """Check before training that `write_onnx` will have what it needs; a second or less.

    Args:
        network: The Keras network, trained or not.
        find: As for `write_onnx`.

    Raises:
        MissingPackageError: As in `write_onnx`.
    """
    if find("tf2onnx") is None:
        with tempfile.TemporaryDirectory() as folder:
            write_onnx(network, Path(folder) / ONNX_FILE, find=find)


def compare_onnx(network: Any, path: Path, rows: Sequence[TokenIds]) -> float:
    """Verify that an ONNX file answers as the Keras network that it was exported from.

    Keras gets reviews of similar length together, ONNX Runtime gets them in their order, each
    batch padded to its longest, so the comparison covers padding as well.

    Args:
        network: The Keras network.
        path: The ONNX file.
        rows: n arrays of token ids, shape (length,), int32; the first `COMPARED_ROWS` are used.

    Returns:
        The largest difference between two probabilities for the same review.

    Raises:
        ModelDataError: The difference is above `ONNX_TOLERANCE`.
    """
    difference = _difference(network, path, rows[:COMPARED_ROWS])
    if not difference <= ONNX_TOLERANCE:
        raise errors.ModelDataError(
            f"{path}: differs from the Keras network by {difference:.1e}, expected at most "
            f"{ONNX_TOLERANCE:.0e}; install the versions in requirements/train.txt and train again"
        )
    return difference


def _write_compact(network: Any, path: Path) -> str:
    """Write the graph of `export`; return why it does not fit the network, empty if it does."""
    from byoi_lib import export  # noqa: PLC0415 - needs onnx, which a server does not have

    try:
        export.write(network, path)
    except export.UnknownNetworkError as error:
        return str(error)
    embedding = network.get_layer("embedding")
    random = np.random.default_rng(0)
    rows = [
        random.integers(1, embedding.vocabulary_size, length, np.int32)
        for length in random.integers(1, embedding.max_length + 1, _PROBED_ROWS)
    ]
    difference = _difference(network, path, rows)
    if difference <= ONNX_TOLERANCE:
        return ""
    return f"the network's layers compute something else (answers differ by {difference:.1e})"


def _write_with_keras(network: Any, path: Path) -> None:
    from byoi_lib._tensorflow import keras  # noqa: PLC0415 - takes seconds

    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        # Keras looks up `np.object`, for which NumPy 2 warns.
        warnings.filterwarnings("ignore", message=".*np.object", category=FutureWarning)
        network.export(
            path,
            format="onnx",
            verbose=False,
            input_signature=[keras.InputSpec(shape=(None, None), dtype="int32", name="token_ids")],
        )


def _difference(network: Any, path: Path, rows: Sequence[TokenIds]) -> float:
    """Return the largest difference between the answers of a Keras network and a file."""
    exported = OnnxNetwork(path, threads=1)
    by_length = sorted(range(len(rows)), key=lambda row: len(rows[row]))
    expected = np.empty((len(rows), 2), np.float32)
    answers = np.empty((len(rows), 2), np.float32)
    for start in range(0, len(rows), _BATCH_ROWS):
        similar = by_length[start : start + _BATCH_ROWS]
        expected[similar] = np.asarray(network(preprocessing.pad([rows[row] for row in similar])))
        mixed = slice(start, start + _BATCH_ROWS)
        answers[mixed] = exported.predict(preprocessing.pad(rows[mixed]))
    return float(np.abs(expected - answers).max())


def _checked(output: Any, rows: int, path: Path) -> Probabilities:
    """Return the network's output if it has the shape (rows, 2) and dtype float32."""
    expected = (rows, len(LABELS))
    if output.shape != expected or output.dtype != np.float32:
        cause = f"gives shape {output.shape} of {output.dtype}, expected {expected} of float32"
        raise errors.refusal(path, cause, "export a network with one probability per label")
    probabilities: Probabilities = output
    return probabilities
