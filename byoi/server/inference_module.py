"""The inference module: its functions, and how the server finds it.

Source of the names and arguments: sagemaker-inference-toolkit, transformer.py.
"""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from byoi import errors
from byoi.server import aws_libraries, records, requirements
from byoi.server.handler import Handler
from byoi.server.settings import Settings

FUNCTIONS = ("model_fn", "input_fn", "predict_fn", "output_fn")


class InferenceModule(Protocol):
    """The functions of an inference module; all may raise a `RequestError`.

    Each may take one more argument, the request's `Context`. `transform_fn(model, input_data,
    content_type, accept)` may take the place of the last three.
    """

    def model_fn(self, model_dir: str) -> Any:
        """Load the model; called once per worker, before it serves."""

    def input_fn(self, input_data: bytes | str, content_type: str) -> Any:
        """Decode a request body; `content_type` is the raw header, "" if absent.

        JSON, JSON Lines and `text/*` arrive as text, other types as bytes. By default
        `byoi.formats.numbers.decode`.
        """

    def predict_fn(self, data: Any, model: Any) -> Any:
        """Run the model on the result of `input_fn`; by default calls `predict` or the model."""

    def output_fn(self, prediction: Any, accept: str) -> Any:
        """Encode the result of `predict_fn`: return a body, or a body and its media type.

        By default `byoi.formats.numbers.encode`.
        """


def find(  # noqa: PLR0913 - keywords with a default
    name: str,
    code_dir: Path | None = None,
    *,
    is_installed: bool = False,
    batch_size: int = 0,
    is_batch: bool = False,
    has_record_errors: bool = False,
) -> Handler:
    """Import an inference module and return its functions.

    Args:
        name: A dotted name, or the path of a `.py` file, whose folder is added to `sys.path`.
        code_dir: Added to `sys.path` if it exists, and so is its folder `lib`, into which the SDK
            packs `dependencies`.
        is_installed: Whether pip has installed `code_dir`'s requirements.txt for this start.
        batch_size: As `Settings.batch_size`.
        is_batch: As `Settings.is_batch`; record errors are for batch transforms only.
        has_record_errors: As `Settings.record_errors`; the module may also ask for them.

    Raises:
        ConfigurationError: There is no such module, its functions cannot be called, or a package
            of `code_dir`'s requirements.txt is missing.
    """
    aws_libraries.install()
    if code_dir is not None:
        if not is_installed:
            requirements.check(code_dir)
        for folder in (code_dir / "lib", code_dir):
            _make_importable(folder)
    try:
        module = _from_file(Path(name)) if name.endswith(".py") else _from_name(name)
    except ModuleNotFoundError as error:
        # The finder does not raise it: a script may catch the failed import.
        if refusal := aws_libraries.explain(error):
            raise refusal from error
        raise
    asked = records.are_errors_asked(module, name)
    kind = records.RecordHandler if is_batch and (has_record_errors or asked) else Handler
    return kind(module, name, batch_size=batch_size)


def folders(name: str, code_dir: Path | None = None) -> tuple[Path, ...]:
    """Return the folders of the user's code, as far as they are known.

    Args:
        name: As `find`; the folder of a dotted name is known once the module is imported.
        code_dir: As `find`.
    """
    found = [code_dir.resolve()] if code_dir is not None and code_dir.is_dir() else []
    if name.endswith(".py"):
        found += [Path(name).absolute().parent, Path(name).resolve().parent]
    elif name.partition(".")[0] != "byoi":  # the module that serves a model file is not the user's
        for one in (name.partition(".")[0], name):
            if file := getattr(sys.modules.get(one), "__file__", None):
                found.append(Path(file).parent)
    return tuple(dict.fromkeys(found))


def folders_of(settings: Settings) -> tuple[Path, ...]:
    """Return the folders of the user's code for the given settings."""
    return folders(settings.module(), settings.code_directory())


def _from_name(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # the module exists; one that it imports does not
        raise errors.ConfigurationError(
            f"BYOI_INFERENCE_MODULE={name!r} cannot be found: no module named {error.name!r}; "
            "give a module that Python can import or the path of a .py file"
        ) from error


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise errors.ConfigurationError(
            f"the inference module {str(path)!r}: no such file in {Path.cwd()}; "
            "BYOI_INFERENCE_MODULE, or SAGEMAKER_PROGRAM with SAGEMAKER_SUBMIT_DIRECTORY, names it"
        )
    _make_importable(path.resolve().parent)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise errors.ConfigurationError(f"{str(path)!r} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def _make_importable(folder: Path) -> None:
    if folder.is_dir() and str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
