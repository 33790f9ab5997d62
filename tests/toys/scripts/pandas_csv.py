import os
from io import StringIO

import pandas as pd


def model_fn(model_dir):
    with open(os.path.join(model_dir, "slope.txt")) as file:
        return float(file.read())


def input_fn(request_body, request_content_type):
    if request_content_type != "text/csv":
        raise ValueError(f"Unsupported content type: {request_content_type}")
    return pd.read_csv(StringIO(request_body), header=None)


def predict_fn(input_data, model):
    return input_data * model


def output_fn(prediction, accept):
    if accept == "text/csv":
        return prediction.to_csv(header=False, index=False), accept
    return prediction.to_json(orient="values"), "application/json"
