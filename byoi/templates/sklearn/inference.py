"""Serves the classifier; what is not defined here has a default: predict, and the answer's JSON."""

import joblib
from byoi.formats import decode_rows


def model_fn(model_dir):
    return joblib.load(f"{model_dir}/model.joblib")


def input_fn(body, content_type):
    return decode_rows(body, content_type, columns=2)
