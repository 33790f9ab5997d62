"""Serves the network; what is not defined here has a default: the answer's JSON."""

import keras
from byoi.formats import decode_rows, predict_rows

# Requests that are ready together are predicted together: one call takes as long for all of them.
BYOI_BATCH_SIZE = 8


def model_fn(model_dir):
    return keras.saving.load_model(f"{model_dir}/model.keras")


def input_fn(body, content_type):
    return decode_rows(body, content_type, columns=2, dtype="float32")


def predict_fn(requests, model):
    return predict_rows(requests, model.predict_on_batch)
