import os
import pickle

import numpy as np


def model_fn(model_dir):
    with open(os.path.join(model_dir, "model.pkl"), "rb") as file:
        return pickle.load(file)


def predict_fn(input_data, model):
    return model.predict_proba(np.atleast_2d(input_data))


def output_fn(prediction, accept):
    rows = [",".join(f"{value:.3f}" for value in row) for row in prediction]
    return "\n".join(rows), "text/csv"
