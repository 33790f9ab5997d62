import json
import os

import beside
import dependency
from package.tools import scale


def model_fn(model_dir):
    return os.path.basename(model_dir)


def input_fn(body, content_type):
    return json.loads(body)


def predict_fn(data, model):
    return scale(data, beside.FACTOR) + dependency.EXTRA


def output_fn(prediction, accept):
    return json.dumps(prediction), accept
