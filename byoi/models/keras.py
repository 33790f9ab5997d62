"""Keras's own files, run by TensorFlow.

Source: Keras 3's API, `keras.saving.load_model`, `Model.predict_on_batch`.
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

IMAGE = "make image TARGET=tensorflow"


class KerasModel:
    """One Keras file; nothing of it is unpickled, and no Lambda layer is run.

    Attributes:
        signature: Inputs and outputs by the names of the model.
        BYOI_THREADS: One prediction at a time: TensorFlow has threads of its own.
    """

    BYOI_THREADS = 1

    def __init__(self, path: Path) -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        tensorflow = model.library(path, "tensorflow", image=IMAGE)
        keras = model.library(path, "keras", image=IMAGE)
        try:
            self._model = keras.saving.load_model(path, compile=False, safe_mode=True)
        except Exception as error:  # what a file may lack is Keras's business
            raise model.unreadable(path, error) from error
        self._refusal = tensorflow.errors.InvalidArgumentError
        if not getattr(self._model, "inputs", None):
            raise errors.ConfigurationError(
                f"{path.name} is a {type(self._model).__name__} whose file does not say what it "
                "takes; save a functional or sequential model, or add code/inference.py"
            )
        self.signature = Signature(
            tuple(_tensor(one.name, one) for one in self._model.inputs),
            tuple(_tensor(name, one) for name, one in _outputs(self._model)),
        )

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run the model, as described in `Model`."""
        one_only = next(iter(inputs.values())) if len(inputs) == 1 else dict(inputs)
        try:
            given = self._model.predict_on_batch(one_only)
        except self._refusal as error:
            raise model.refused(error) from error
        names = [one.name for one in self.signature.outputs]
        if isinstance(given, dict):
            return {name: np.asarray(given[name]) for name in names}
        given = given if isinstance(given, list | tuple) else [given]
        return {name: np.asarray(array) for name, array in zip(names, given, strict=True)}


def _outputs(network: Any) -> list[tuple[str, Any]]:
    """Return names and symbolic tensors of what a network gives."""
    given = getattr(network, "output", None)
    if isinstance(given, dict):
        return list(given.items())
    names = getattr(network, "output_names", None) or [model.PREDICTION]
    if len(set(names)) < len(names):  # one layer, twice
        names = [f"output_{number}" for number in range(len(names))]
    return list(zip(names, network.outputs, strict=True))


def _tensor(name: str, symbolic: Any) -> Tensor:
    dtype, shape = symbolic.dtype, symbolic.shape
    return Tensor(name, "str" if dtype == "string" else dtype, tuple(shape))
