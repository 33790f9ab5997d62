"""Serves the regression; what is not defined here has a default: the answer's JSON."""

import xgboost
from byoi.formats import decode_rows


def model_fn(model_dir):
    return xgboost.Booster(model_file=f"{model_dir}/model.ubj")


def input_fn(body, content_type):
    return decode_rows(body, content_type, columns=2, dtype="float32")


def predict_fn(data, model):
    return model.inplace_predict(data)
