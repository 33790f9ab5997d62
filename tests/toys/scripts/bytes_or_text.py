import json


def model_fn(model_dir):
    return None


def input_fn(body, content_type):
    if isinstance(body, (bytes, bytearray)):
        body = body.decode("utf-8")
    return body


def predict_fn(data, model):
    return data.upper()


def output_fn(prediction, accept):
    return json.dumps(prediction).encode("utf-8"), "application/json"
