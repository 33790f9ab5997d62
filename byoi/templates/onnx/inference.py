"""Serves the classes that the network gives. Without this file, all of its outputs are served."""

import onnxruntime
from byoi.formats import decode_rows


def model_fn(model_dir):
    return onnxruntime.InferenceSession(f"{model_dir}/model.onnx")


def input_fn(body, content_type):
    return decode_rows(body, content_type, columns=2, dtype="float32")


def predict_fn(data, session):
    return session.run(["label"], {"X": data})[0]
