import sys

import inference_server
import inference_server._plugin
import joblib
import numpy as np
import orjson
from inference_server import plugin_hook


@plugin_hook()
def model_fn(model_dir):
    return joblib.load("model/model.joblib")  # the argument is always /opt/ml/model


@plugin_hook()
def input_fn(input_data, content_type):
    return np.array(orjson.loads(input_data), np.float64)


@plugin_hook()
def predict_fn(data, model):
    return model.predict(data)


@plugin_hook()
def output_fn(prediction, accept):
    return orjson.dumps(prediction, option=orjson.OPT_SERIALIZE_NUMPY), "application/json"


# A package would name this module as an entry point.
inference_server._plugin.manager().register(sys.modules[__name__])
inference_server.warmup()
app = inference_server.create_app()
