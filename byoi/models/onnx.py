"""ONNX files, run by ONNX Runtime, which is in the plain image.

The maps of a classifier that skl2onnx exported (ZipMap) become an array of shape (rows, classes),
in the order of the classes.

Source: ONNX Runtime's Python API; onnx.proto (the names of the types).
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from byoi import errors
from byoi.formats.elements import Array
from byoi.formats.signature import Signature, Tensor
from byoi.models import model

_DTYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(bool)": "bool",
    "tensor(string)": "str",
    **{
        f"tensor({sign}int{bits})": f"{sign}int{bits}"
        for sign in ("", "u")
        for bits in (8, 16, 32, 64)
    },
}
# What ZipMap gives: for each row the probability of each class.
_MAPS = ("seq(map(string,tensor(float)))", "seq(map(int64,tensor(float)))")


class OnnxModel:
    """One ONNX file.

    Attributes:
        signature: From the file; an axis with a name has any size.
        BYOI_THREADS: A session may be used by several requests at once.
    """

    BYOI_THREADS = 4

    def __init__(self, path: Path) -> None:
        # It reports its use to its makers unless told not to.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        onnxruntime = model.library(path, "onnxruntime")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = model.threads()
        options.inter_op_num_threads = 1
        # Threads that spin while they wait take the processor from other requests.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.enable_mem_pattern = False  # plans memory for each size, and sizes vary
        options.log_severity_level = 4  # not its errors, which are raised as well
        try:
            self._session = onnxruntime.InferenceSession(
                path, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's errors have no class in common
            raise model.unreadable(path, error) from error
        states = onnxruntime.capi.onnxruntime_pybind11_state
        # Of one node, with inputs that fit the signature: an index, or sizes that do not go
        # together. Memory, for one, is another error.
        self._refusals = (states.InvalidArgument, states.Fail, states.RuntimeException)
        self.signature = Signature(
            tuple(_input(one, path) for one in self._session.get_inputs()),
            tuple(_output(one, path) for one in self._session.get_outputs()),
        )

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run the model, as described in `Model`."""
        try:
            outputs = self._session.run(None, dict(inputs))
        except self._refusals as error:
            raise model.refused(error) from error
        return {
            one.name: _unzipped(output)
            for one, output in zip(self.signature.outputs, outputs, strict=True)
        }


def _input(node: Any, path: Path) -> Tensor:
    if node.type not in _DTYPES:
        raise _unserved(path, "input", node)
    return Tensor(node.name, _DTYPES[node.type], _shape(node))


def _output(node: Any, path: Path) -> Tensor:
    if node.type in _MAPS:
        return Tensor(node.name, "float32", (None, None))
    if node.type not in _DTYPES:
        raise _unserved(path, "output", node)
    return Tensor(node.name, _DTYPES[node.type], _shape(node))


def _shape(node: Any) -> tuple[int | None, ...]:
    return tuple(size if isinstance(size, int) and size > 0 else None for size in node.shape)


def _unserved(path: Path, role: str, node: Any) -> errors.ConfigurationError:
    return errors.ConfigurationError(
        f"{path.name}: the {role} {node.name!r} is a {node.type}, and served without a script are "
        "tensors of numbers, booleans and texts; export the model with those, or add "
        "code/inference.py"
    )


def _unzipped(output: Any) -> Array:
    if isinstance(output, list):
        return np.array([list(row.values()) for row in output], np.float32)
    return np.asarray(output)
