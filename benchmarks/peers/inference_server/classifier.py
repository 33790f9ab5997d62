import os
import sys
from pathlib import Path

import inference_server
import inference_server._plugin
import numpy as np
import onnxruntime
import orjson
from byoi_lib.preprocessing import encode, pad
from byoi_lib.vocabulary import Vocabulary
from inference_server import plugin_hook


@plugin_hook()
def model_fn(model_dir):
    folder = Path("model")  # the argument is always /opt/ml/model
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ["OMP_NUM_THREADS"])
    session = onnxruntime.InferenceSession(folder / "model.onnx", options)
    return session, Vocabulary.load(folder / "vocabulary.json")


@plugin_hook()
def input_fn(input_data, content_type):
    return orjson.loads(input_data)["instances"]


@plugin_hook()
def predict_fn(data, model):
    session, vocabulary = model
    if isinstance(data[0], str):
        data = encode(data, vocabulary, max_length=512)
    # One row needs no padding.
    ids = np.array(data, np.int32) if len(data) == 1 else pad(data)
    return session.run(None, {session.get_inputs()[0].name: ids})[0]


@plugin_hook()
def output_fn(prediction, accept):
    answer = orjson.dumps({"predictions": prediction}, option=orjson.OPT_SERIALIZE_NUMPY)
    return answer, "application/json"


# A package would name this module as an entry point.
inference_server._plugin.manager().register(sys.modules[__name__])
inference_server.warmup()
app = inference_server.create_app()
