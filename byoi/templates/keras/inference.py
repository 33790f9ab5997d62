"""Serves the network; what is not defined here has a default: the answer's JSON."""

import keras
from byoi.formats import decode_rows


def model_fn(model_dir):
    return keras.saving.load_model(f"{model_dir}/model.keras")


def input_fn(body, content_type):
    return decode_rows(body, content_type, columns=2, dtype="float32")


def predict_fn(data, model):
    return model.predict_on_batch(data)
