"""Replacements for AWS's container libraries, for scripts that import them.

The parts of `sagemaker_inference` and of its predecessor `sagemaker_containers` that scripts use
behave as in AWS's libraries. Any other part, and any other container library of AWS, raises an
error that says what to write instead. A library that is installed is used instead of this.

Sources: sagemaker-inference-toolkit 1.10.1, content_types.py, decoder.py, encoder.py, errors.py,
utils.py; sagemaker-containers 2.8, _content_types.py, _encoders.py, _worker.py, _errors.py.
"""

import importlib
import importlib.abc
import importlib.machinery
import io
import json
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from werkzeug.wrappers import Response as _Response

from byoi import errors
from byoi.formats import content_types

ANY = "*/*"
OCTET_STREAM = "application/octet-stream"
NPZ = "application/x-npz"
# Other libraries of AWS's containers, which have no replacement here.
_OTHERS = (
    *("mlio", "mms", "sagemaker_algorithm_toolkit", "sagemaker_huggingface_inference_toolkit"),
    *("sagemaker_mxnet_serving_container", "sagemaker_pytorch_serving_container"),
    *("sagemaker_sklearn_container", "sagemaker_sklearn_extension", "sagemaker_training"),
    *("sagemaker_tensorflow_serving_container", "sagemaker_xgboost_container", "ts"),
)


class UnsupportedFormatError(errors.UnsupportedContentType):
    """A content type that a decoder or an encoder does not know."""

    def __init__(self, content_type: str, **_: Any) -> None:
        super().__init__(f"content type {content_type!r:.100} is not supported by the script")


class BaseInferenceToolkitError(Exception):
    """An error whose HTTP status the script chooses.

    Args:
        status_code: 400 to 599.
        message: For the client.
        phrase: For the status line, which HTTP no longer shows.
    """

    def __init__(self, status_code: int, message: str, phrase: str) -> None:
        super().__init__(status_code, message, phrase)
        self.status_code = status_code
        self.message = message
        self.phrase = phrase


class GenericInferenceToolkitError(BaseInferenceToolkitError):
    """`BaseInferenceToolkitError` with optional message and phrase."""

    def __init__(
        self, status_code: int, message: str | None = None, phrase: str | None = None
    ) -> None:
        message = message or "Invalid Request"
        super().__init__(status_code, message, phrase or message)


class Response(_Response):
    """A response as `output_fn` of scripts for the older framework returns it."""

    def __init__(  # noqa: PLR0913, PLR0917 - sagemaker_containers' own
        self,
        response: Any = None,
        accept: str | None = None,
        status: int = 200,
        headers: Any = None,
        mimetype: str | None = None,
        direct_passthrough: bool = False,
    ) -> None:
        mimetype = accept or mimetype or content_types.JSON
        super().__init__(response, status, headers, mimetype, direct_passthrough=direct_passthrough)


def install() -> None:
    """Make the libraries importable; the finder is last, so an installed library comes first."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname in _MODULES:
            is_package = any(name.startswith(f"{fullname}.") for name in _MODULES)
            return importlib.machinery.ModuleSpec(fullname, self, is_package=is_package)
        return None

    def create_module(self, _spec: importlib.machinery.ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        vars(module).update(_MODULES[module.__name__]())
        is_package = hasattr(module, "__path__")

        def missing(name: str) -> Any:
            # `from package import module` looks for an attribute first, then imports the module.
            fullname = f"{module.__name__}.{name}"
            if name.startswith("__") or fullname in _MODULES:
                raise AttributeError(name)
            if is_package:
                return _Absent(fullname)
            raise _refusal(fullname)

        # Refuse names at their use: a script may import one without using it.
        module.__getattr__ = missing  # type: ignore[method-assign] # PEP 562


class _Absent:
    """A module without replacement: importing it works, using it is refused."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise _refusal(f"{self._name}.{name}")

    def __call__(self, *_: Any, **__: Any) -> Any:
        raise _refusal(self._name)


def explain(error: ModuleNotFoundError) -> errors.ConfigurationError | None:
    """Return the error to show instead, None if the module is not one of AWS's libraries."""
    name = error.name or ""
    top = name.partition(".")[0]
    return _refusal(name) if top in _OTHERS or top in _MODULES else None


def _refusal(name: str) -> errors.ConfigurationError:
    return errors.ConfigurationError(
        f"the script uses {name}, of AWS's own containers, which is not here: read the body in "
        "input_fn and write the answer in output_fn yourself, by byoi.formats for example, or "
        "install the library into the image"
    )


def _content_types() -> dict[str, Any]:
    return {
        "ANY": ANY,
        "CSV": content_types.CSV,
        "JSON": content_types.JSON,
        "NPY": content_types.NPY,
        "NPZ": NPZ,
        "OCTET_STREAM": OCTET_STREAM,
        "UTF8_TYPES": [content_types.JSON, content_types.CSV],
    }


def _decoder() -> dict[str, Any]:
    import numpy as np  # noqa: PLC0415 - for scripts that use it

    def from_csv(text: str, dtype: Any = None) -> Any:
        return np.genfromtxt(io.StringIO(text), dtype=dtype, delimiter=",")

    def from_npz(body: bytes) -> Any:
        return importlib.import_module("scipy.sparse").load_npz(io.BytesIO(body))

    readers: dict[str, Callable[[Any], Any]] = {
        # An array of objects would be a pickle, which can run any code of the client.
        content_types.NPY: lambda body: np.load(io.BytesIO(body), allow_pickle=False),
        content_types.CSV: from_csv,
        content_types.JSON: lambda text: np.array(json.loads(text)),
        NPZ: from_npz,
    }

    def decode(obj: Any, content_type: str) -> Any:
        """Return the array that a body holds."""
        if content_type not in readers:
            raise UnsupportedFormatError(content_type)
        return readers[content_type](obj)

    return {
        "csv_to_numpy": from_csv,
        "decode": decode,
        "json_to_numpy": readers[content_types.JSON],
        "npy_to_numpy": readers[content_types.NPY],
    }


def _encoder() -> dict[str, Any]:
    import numpy as np  # noqa: PLC0415 - as above

    def listed(value: Any) -> Any:
        return value.tolist() if hasattr(value, "tolist") else json.JSONEncoder().default(value)

    def to_npy(values: Any) -> bytes:
        stream = io.BytesIO()
        np.save(stream, values)
        return stream.getvalue()

    def to_csv(values: Any) -> str:
        stream = io.StringIO()
        np.savetxt(stream, values, delimiter=",", fmt="%s")
        return stream.getvalue()

    writers: dict[str, Callable[[Any], Any]] = {
        content_types.NPY: to_npy,
        content_types.CSV: to_csv,
        content_types.JSON: lambda values: json.dumps(values, default=listed),
    }

    def encode(array_like: Any, content_type: str) -> Any:
        """Return the body for an array."""
        if content_type not in writers:
            raise UnsupportedFormatError(content_type)
        return writers[content_type](array_like)

    return {
        "SUPPORTED_CONTENT_TYPES": set(writers),
        "array_to_csv": to_csv,
        "array_to_json": writers[content_types.JSON],
        "array_to_npy": to_npy,
        "encode": encode,
    }


def _errors() -> dict[str, Any]:
    return {
        "BaseInferenceToolkitError": BaseInferenceToolkitError,
        "GenericInferenceToolkitError": GenericInferenceToolkitError,
        "UnsupportedFormatError": UnsupportedFormatError,
    }


def _utils() -> dict[str, Any]:
    return {"parse_accept": lambda accept: accept.replace(" ", "").split(",")}


def _worker() -> dict[str, Any]:
    return {"Response": Response}


_MODULES: dict[str, Callable[[], dict[str, Any]]] = {
    "sagemaker_inference": dict,
    "sagemaker_inference.content_types": _content_types,
    "sagemaker_inference.decoder": _decoder,
    "sagemaker_inference.encoder": _encoder,
    "sagemaker_inference.errors": _errors,
    "sagemaker_inference.utils": _utils,
    "sagemaker_containers": dict,
    "sagemaker_containers.beta": dict,
    "sagemaker_containers.beta.framework": dict,
    "sagemaker_containers.beta.framework.content_types": _content_types,
    "sagemaker_containers.beta.framework.encoders": lambda: _decoder() | _encoder(),
    "sagemaker_containers.beta.framework.env": dict,
    "sagemaker_containers.beta.framework.errors": _errors,
    "sagemaker_containers.beta.framework.modules": dict,
    "sagemaker_containers.beta.framework.transformer": dict,
    "sagemaker_containers.beta.framework.worker": _worker,
}
