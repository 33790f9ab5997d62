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
        f"{model_dir} {holds}: nothing that can be served. Wanted is code/inference.py, or the "
        f"directory that `byoi train` writes, with manifest.json, or one model: "
        f"{'; '.join(kind.value for kind in Kind)}. --module FILE.py or BYOI_INFERENCE_MODULE "
        "names a script elsewhere"
    )
