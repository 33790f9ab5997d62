"""What every model that is served without a script has, and what its module may use."""

import importlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from byoi import errors
from byoi.formats.elements import Array
from byoi.formats.signature import Signature

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


def library(path: Path, module: str, package: str = "") -> Any:
    """Import the library that runs a file.

    Args:
        path: The model file, for the message.
        module: What is imported.
        package: What is installed; by default the same name.

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
            f"write it into requirements.txt, and `byoi image --requirements requirements.txt "
            "--tag NAME` builds an image that has it"
        ) from error


def unreadable(path: Path, error: BaseException) -> errors.ModelDataError:
    """Return the error of a file that its library cannot load, in one line."""
    return errors.refusal(
        path,
        f"cannot be loaded ({type(error).__name__}: {str(error)[:500]})",
        "write the file again with the version of the library that is installed here",
    )


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
