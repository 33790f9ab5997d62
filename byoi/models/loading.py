"""A model directory to its loaded model."""

from collections.abc import Callable
from pathlib import Path

from byoi import errors
from byoi.models import files, pickled
from byoi.models.files import Kind
from byoi.models.keras import KerasModel
from byoi.models.lightgbm import LightgbmModel
from byoi.models.model import Model
from byoi.models.onnx import OnnxModel
from byoi.models.saved_model import SavedModel
from byoi.models.scikit_learn import ScikitLearnModel
from byoi.models.xgboost import XgboostModel

_LOADERS: dict[Kind, Callable[[Path], Model]] = {
    Kind.ONNX: OnnxModel,
    Kind.KERAS: KerasModel,
    Kind.SAVED_MODEL: SavedModel,
    Kind.XGBOOST: XgboostModel.read,
    Kind.LIGHTGBM: LightgbmModel.read,
    Kind.SKOPS: ScikitLearnModel.read,
    Kind.PICKLE: pickled.read,
}
_COMPRESSED = tuple(f".{kind}.gz" for kind in ("joblib", "pkl", "pickle"))
_PICKLE = b"\x80"  # from protocol 2 on


def load(model_dir: Path) -> Model:
    """Load the one model of a directory.

    Raises:
        ConfigurationError: There is none, or more than one, or its library is not installed.
        ModelDataError: The library cannot load the file.
    """
    found = files.find(model_dir)
    if found is None:
        raise errors.ConfigurationError(_nothing(model_dir))
    return _LOADERS[found.kind](found.path)


def _nothing(model_dir: Path) -> str:
    names = sorted(path.name for path in model_dir.iterdir())
    holds = f"holds {', '.join(names[:10])}{', ...' * (len(names) > 10)}" if names else "is empty"
    return (
        f"{model_dir} {holds}: nothing that can be served{_near(model_dir)}. Expected "
        "code/inference.py, or the directory that `byoi train` writes, with manifest.json, or one "
        "model: "
        f"{'; '.join(kind.value for kind in Kind)}. --module FILE.py or BYOI_INFERENCE_MODULE "
        "names a script elsewhere"
    )


def _near(model_dir: Path) -> str:
    """Return what nearly is a model, and how it becomes one, for the message; often nothing."""
    for path in sorted(model_dir.iterdir()):
        if path.name.startswith("."):
            continue
        if path.suffix == ".sav" or path.name.endswith(_COMPRESSED):
            return f" ({path.name}: rename a pickle to *.pkl, one of joblib to *.joblib)"
        if path.is_file() and not path.suffix and _begins(path, _PICKLE):
            return f" ({path.name} is a pickle: rename it to {path.name}.pkl)"
        if path.is_dir():
            try:
                inner = files.find(path)
            except errors.ConfigurationError:  # several, or not to be read
                continue
            if inner is not None:
                return f" ({inner.path.relative_to(model_dir)}: a model goes one folder up)"
    return ""


def _begins(path: Path, head: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(head)) == head
    except OSError:  # the message says what is there, whatever can be read
        return False
