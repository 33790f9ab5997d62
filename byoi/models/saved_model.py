"""TensorFlow's SavedModel: the signature `serving_default`, or the only one.

Texts are UTF-8, in and out. Source: TensorFlow's guide "Using the SavedModel format".
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
from byoi.models.keras import IMAGE

_DEFAULT = "serving_default"


class SavedModel:
    """One SavedModel.

    Args:
        path: Its directory.

    Attributes:
        signature: As the signature of the file has it.
        BYOI_THREADS: One prediction at a time: TensorFlow has threads of its own.
    """

    BYOI_THREADS = 1

    def __init__(self, path: Path) -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        self._tensorflow = model.library(path, "tensorflow", image=IMAGE)
        try:
            # Kept: the functions do not keep the variables alive.
            self._loaded = self._tensorflow.saved_model.load(str(path))
        except Exception as error:  # TensorFlow's errors have no class in common
            raise model.unreadable(path, error) from error
        functions = self._loaded.signatures
        if _DEFAULT not in functions and len(functions) != 1:
            raise errors.ConfigurationError(
                f"{path.name} has the signatures {', '.join(sorted(functions)) or 'none'}, "
                f"expected {_DEFAULT}, or one only; export the model with it, or add "
                "code/inference.py"
            )
        self._function = functions[_DEFAULT if _DEFAULT in functions else next(iter(functions))]
        inputs = self._function.structured_input_signature[1]
        given = self._function.structured_outputs
        self.signature = Signature(
            tuple(_tensor(path, name, one) for name, one in sorted(inputs.items())),
            tuple(_tensor(path, name, one) for name, one in sorted(given.items())),
        )

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run the model, as described in `Model`."""
        try:
            given = self._function(
                **{name: self._tensorflow.constant(array) for name, array in inputs.items()}
            )
        except self._tensorflow.errors.InvalidArgumentError as error:
            raise model.refused(error) from error
        return {one.name: _array(given[one.name].numpy()) for one in self.signature.outputs}


def _tensor(path: Path, name: str, spec: Any) -> Tensor:
    dtype = "str" if spec.dtype.name == "string" else spec.dtype.name
    is_plain = dtype == "str" or np.dtype(spec.dtype.as_numpy_dtype).kind in "fiub"
    if not is_plain or spec.shape.rank is None:
        raise errors.ConfigurationError(
            f"{path.name}: {name!r} is a {dtype} of shape {spec.shape}, and served without a "
            "script are numbers, booleans and texts with a known number of axes; export the model "
            "with those, or add code/inference.py"
        )
    return Tensor(name, dtype, tuple(spec.shape.as_list()))


def _array(given: Any) -> Array:
    """Return an output; texts come as bytes."""
    array: Array = np.asarray(given)
    if not array.dtype.hasobject:
        return array
    texts = [one.decode("utf-8", "replace") for one in array.ravel().tolist()]
    return np.array(texts, object).reshape(array.shape)
