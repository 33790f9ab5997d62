"""What every model that is served without a script has, and what its module may use."""

import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from byoi import errors
from byoi.formats import elements
from byoi.formats.elements import Array
from byoi.formats.signature import Signature, Tensor

THREADS_VARIABLE = "OMP_NUM_THREADS"
# The name of the one input of a model whose file names none, and of the one output.
ROWS = "rows"
PREDICTION = "prediction"


class Model(Protocol):
    """A loaded model.

    Attributes:
        signature: What it takes and gives.
        BYOI_THREADS: How many predictions may run at once.
    """

    signature: Signature
    BYOI_THREADS: int

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run the model.

        Args:
            inputs: Of the signature's names, shapes and types.

        Returns:
            The outputs, by name, in the order of the signature.

        Raises:
            MalformedBody: The model cannot take these values.
        """


def library(path: Path, module: str, *, package: str = "", image: str = "") -> Any:
    """Import the library that runs a file.

    Args:
        path: The model file, for the message.
        module: What is imported.
        package: What is installed; by default the same name.
        image: The command that makes an image of this repository with it, if there is one.

    Raises:
        ConfigurationError: It is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        top = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != top:
            raise
        raise errors.ConfigurationError(
            f"{path.name} needs the Python package {package or top}, which is not installed here; "
            "write it into requirements.txt, and `byoi image --requirements requirements.txt "
            f"--tag NAME` builds an image that has it{image and f'; so does `{image}`'}"
        ) from error


def unreadable(path: Path, error: BaseException) -> errors.ModelDataError:
    """Return the error of a file that its library cannot load, in one line."""
    return errors.refusal(
        path,
        f"cannot be loaded ({type(error).__name__}: {str(error)[:500]})",
        "write the file again with the version of the library that is installed here",
    )


def refused(error: BaseException) -> errors.MalformedBody:
    """Return the error of inputs whose names, types and shapes fit, and that the model refuses."""
    # After that, XGBoost's text has addresses of its program.
    reason = " ".join(str(error).partition("Stack trace")[0].split())
    return errors.MalformedBody(f"the model refuses these values: {reason[:500]}")


def threads() -> int:
    """Return the threads of one prediction; other requests need processors, too.

    Raises:
        ConfigurationError: `OMP_NUM_THREADS` is not a whole number from 1 on.
    """
    value = os.environ.get(THREADS_VARIABLE) or "1"
    if value.isascii() and value.isdigit() and int(value) > 0:
        return int(value)
    raise errors.ConfigurationError(
        f"{THREADS_VARIABLE}={value!r}: expected a whole number from 1 on; set one, or unset it"
    )


def table(names: Sequence[str], width: int | None, dtype: str) -> tuple[Tensor, ...]:
    """Return the inputs of a model of tables: its columns by name, or one input of all columns.

    Args:
        names: Of the columns, in their order; none where the file has none.
        width: How many columns there are, where there are no names; None for any number.
        dtype: Of all columns.
    """
    if names:
        return tuple(Tensor(name, dtype, (None,)) for name in names)
    return (Tensor(ROWS, dtype, (None, width)),)


def stacked(inputs: Mapping[str, Array], tensors: Sequence[Tensor]) -> Array:
    """Return the inputs that `table` describes as one array of shape (rows, columns)."""
    if len(tensors[0].shape) == 2:
        return inputs[tensors[0].name]
    return np.stack([inputs[one.name] for one in tensors], axis=1)


def outputs(
    predict: Callable[[Mapping[str, Array]], Mapping[str, Array]],
    inputs: Sequence[Tensor],
    samples: Mapping[str, Any] | None = None,
) -> tuple[Tensor, ...]:
    """Return what a model gives, by asking it once: most files do not say it.

    Args:
        predict: The model's.
        inputs: What it takes.
        samples: A value for inputs of one value a row, where 0 or an empty text would be refused.
    """
    row = {}
    for one in inputs:
        dtype = elements.dtype_of(one)
        shape = [size or 1 for size in one.shape]
        value = (samples or {}).get(one.name, "" if dtype.kind in "UO" else 0)
        row[one.name] = np.full(shape, value, object if dtype.kind == "U" else dtype)
    return tuple(
        Tensor(name, dtype_name(array), (None, *array.shape[1:]))
        for name, array in predict(row).items()
    )


def dtype_name(array: Array) -> str:
    """Return the name that a signature has for the type of an array."""
    is_text = array.dtype.kind in "OUT"
    return "str" if is_text else str(array.dtype)
