"""The one model file of a directory, and the library that runs it.

Files are told by their endings, and where an ending says little, by their first bytes: a `.json` is
a model only if XGBoost wrote it.
"""

import enum
from pathlib import Path
from typing import NamedTuple

from byoi import errors


class Kind(enum.Enum):
    """The format of a model file; the value is how messages name it."""

    ONNX = "ONNX: one *.onnx"
    KERAS = "Keras: one *.keras"
    SAVED_MODEL = "TensorFlow SavedModel: a directory with saved_model.pb"
    XGBOOST = "XGBoost, as save_model writes it: *.ubj, *.json, *.xgb, *.bst, *.model"
    LIGHTGBM = "LightGBM, as save_model writes it: *.txt, *.lgb, *.model"
    SKOPS = "scikit-learn, as skops.io.dump writes it: *.skops"
    PICKLE = "pickle: *.pkl, *.pickle, *.joblib, with BYOI_ALLOW_PICKLE=1"


class ModelFile(NamedTuple):
    """A file, or the directory of a SavedModel, and its format."""

    path: Path
    kind: Kind


_SAVED_MODEL = "saved_model.pb"
_ENDINGS = {
    ".onnx": Kind.ONNX,
    ".keras": Kind.KERAS,
    ".ubj": Kind.XGBOOST,
    ".skops": Kind.SKOPS,
    ".pkl": Kind.PICKLE,
    ".pickle": Kind.PICKLE,
    ".joblib": Kind.PICKLE,
}
# The first bytes decide. The last is a name without ending: what SageMaker's XGBoost writes.
_OPEN_ENDINGS = (".json", ".xgb", ".bst", ".txt", ".lgb", ".model", "")
_HEAD_BYTES = 64


def find(model_dir: Path) -> ModelFile | None:
    """Return the one model file of a directory, None if there is none.

    Looked for is in the directory itself, and, for a SavedModel, two levels below it: TensorFlow
    Serving has the number of a version, AWS's container a name above that.

    Raises:
        ConfigurationError: There are several, or the directory cannot be read.
    """
    try:
        # Without hidden files: macOS puts one beside each file of an archive.
        entries = sorted(path for path in model_dir.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise errors.ConfigurationError(
            f"the model directory {model_dir} cannot be read: {error.strerror}; BYOI_MODEL_DIR "
            "names another one"
        ) from error
    found = [ModelFile(path, kind) for path in entries if path.is_file() and (kind := _kind(path))]
    for pattern in ("", "*/", "*/*/"):
        paths = sorted(model_dir.glob(pattern + _SAVED_MODEL))
        found += [ModelFile(path.parent, Kind.SAVED_MODEL) for path in paths]
    if len(found) > 1:
        names = ", ".join(str(one.path.relative_to(model_dir)) for one in found)
        raise errors.ConfigurationError(
            f"{model_dir} holds {len(found)} models, {names}; keep one, or add code/inference.py, "
            "whose model_fn chooses"
        )
    return found[0] if found else None


def _kind(path: Path) -> Kind | None:
    ending = path.suffix.lower()
    if ending in _ENDINGS:
        return _ENDINGS[ending]
    if ending not in _OPEN_ENDINGS:
        return None
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise errors.ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    # Both of XGBoost's formats, JSON and UBJSON, begin with the same key.
    if head.startswith(b"{") and b"learner" in head:
        return Kind.XGBOOST
    return Kind.LIGHTGBM if head.startswith(b"tree\n") else None
