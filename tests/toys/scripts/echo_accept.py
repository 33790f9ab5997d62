import json


def model_fn(model_dir):
    return 3


def input_fn(body, content_type):
    return json.loads(body)


def predict_fn(data, model):
    return [model * number for number in data]


def output_fn(prediction, accept):
    return json.dumps(prediction), accept
