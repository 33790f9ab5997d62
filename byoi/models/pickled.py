"""Models in a pickle or joblib file, which are loaded only on request.

A pickle is a program: whoever wrote it decides what runs when it is loaded. skops has the same
models as data.
"""

import os
import pickle
from pathlib import Path
from typing import Any

from byoi import errors
from byoi.models import model
from byoi.models.lightgbm import LightgbmModel
from byoi.models.model import Model
from byoi.models.scikit_learn import ScikitLearnModel
from byoi.models.xgboost import XgboostModel

ALLOW_VARIABLE = "BYOI_ALLOW_PICKLE"


def read(path: Path) -> Model:
    """Load a pickle or joblib file.

    Raises:
        ConfigurationError: It is not allowed, or a library that it asks for is not installed.
        ModelDataError: The file cannot be loaded.
    """
    if os.environ.get(ALLOW_VARIABLE) != "1":
        raise errors.ConfigurationError(
            f"{path.name} is a pickle, which can run any program when it is loaded, so it is not "
            "loaded by default. Save the model as data: skops.io.dump(model, 'model.skops'); or, "
            f"if you trust the file, set {ALLOW_VARIABLE}=1"
        )
    try:
        loaded = _load(path)
    except ModuleNotFoundError as error:
        raise errors.ConfigurationError(
            f"{path.name} needs the Python module {error.name}, which is not installed here; write "
            "its package into requirements.txt, and `byoi image --requirements requirements.txt "
            "--tag NAME` builds an image that has it; a module of your own goes beside "
            "code/inference.py"
        ) from error
    except Exception as error:  # a program: it may fail in any way
        raise model.unreadable(path, error) from error
    library = type(loaded).__module__.partition(".")[0]
    if type(loaded).__name__ == "Booster" and library == "xgboost":
        return XgboostModel(path, loaded)
    if type(loaded).__name__ == "Booster" and library == "lightgbm":
        return LightgbmModel(path, loaded)
    return ScikitLearnModel(path, loaded)


def _load(path: Path) -> Any:
    try:
        import joblib  # noqa: PLC0415 - comes with scikit-learn
    except ModuleNotFoundError:
        with path.open("rb") as file:
            return pickle.load(file)  # noqa: S301 - the user asked for it, by a variable
    return joblib.load(path)
