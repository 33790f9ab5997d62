"""Answer with what three models predict: a row of three numbers for each row of numbers."""

from pathlib import Path

import joblib
import lightgbm
import numpy as np
import shapes
import xgboost


def model_fn(model_dir):
    folder = Path(model_dir)
    return (
        joblib.load(folder / shapes.SCIKIT_LEARN),
        lightgbm.Booster(model_file=folder / shapes.LIGHTGBM),
        xgboost.Booster(model_file=folder / shapes.XGBOOST),
    )


def predict_fn(data, model):
    forest, light, boosted = model
    found = forest.predict(data), light.predict(data), boosted.predict(xgboost.DMatrix(data))
    return np.transpose(found)
