import io

import numpy as np


def model_fn(model_dir):
    return 0.5


def input_fn(body, content_type):
    return np.load(io.BytesIO(body), allow_pickle=False)


def predict_fn(data, model):
    return data * model


def output_fn(prediction, accept):
    stream = io.BytesIO()
    np.save(stream, prediction)
    return stream.getvalue(), "application/x-npy"
