"""The inference module: its four functions, and how the server finds it.

Source of the names and arguments: sagemaker-inference-toolkit, transformer.py.
"""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from byoi import errors

FUNCTIONS = ("model_fn", "input_fn", "predict_fn", "output_fn")


class InferenceModule(Protocol):
    """The four functions of an inference module; all may raise a `RequestError`."""

    def model_fn(self, model_dir: str) -> Any:
        """Load the model; called once per worker, before it serves."""

    def input_fn(self, input_data: bytes, content_type: str) -> Any:
        """Decode a request body; `content_type` is the raw header, "" if absent."""

    def predict_fn(self, data: Any, model: Any) -> Any:
        """Run the model on the result of `input_fn`."""

    def output_fn(self, prediction: Any, accept: str) -> Any:
        """Encode the result of `predict_fn`: a body, or a body and its media type."""


def find(name: str) -> InferenceModule:
    """Import an inference module and check that it has the four functions.

    Args:
        name: A dotted name, or the path of a `.py` file, whose folder is added to `sys.path`.

    Raises:
        ConfigurationError: There is no such module, or one of the functions is missing.
    """
    module: Any = _from_file(Path(name)) if name.endswith(".py") else _from_name(name)
    absent = [function for function in FUNCTIONS if not callable(getattr(module, function, None))]
    if absent:
        raise errors.ConfigurationError(
            f"BYOI_INFERENCE_MODULE={name!r} defines no {' and no '.join(absent)}; "
            f"an inference module has {', '.join(FUNCTIONS)}"
        )
    found: InferenceModule = module
    return found


def _from_name(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # the module exists, and imports another one that does not
        raise errors.ConfigurationError(
            f"BYOI_INFERENCE_MODULE={name!r} cannot be found: no module named {error.name!r}; "
            "give a module that Python can import or the path of a .py file"
        ) from error


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise errors.ConfigurationError(
            f"BYOI_INFERENCE_MODULE={str(path)!r}: no such file in {Path.cwd()}"
        )
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise errors.ConfigurationError(f"BYOI_INFERENCE_MODULE={str(path)!r} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module
