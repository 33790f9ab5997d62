# byoi_lib.inference with a clock around each function, around the network and around Flask.
# Each worker adds up nanoseconds of CPU in a file of its own, which where_time_goes.py reads.
import dataclasses
import os
import threading
import time
from pathlib import Path

import flask
import numpy as np
from byoi_lib import inference
from byoi_lib.inference import BYOI_THREADS

STAGES = ("application", "decoding", "prediction", "network", "response")
FOLDER = Path(__file__).resolve().parent / "stages"
lock = threading.Lock()
sums = None


def timed(stage, function):
    place = STAGES.index(stage)

    def call(*arguments):
        before = time.thread_time_ns()
        try:
            return function(*arguments)
        finally:
            spent = time.thread_time_ns() - before
            with lock:
                sums[place] += spent

    return call


class Network:
    def __init__(self, network):
        self.predict = timed("network", network.predict)


def model_fn(model_dir):
    global sums
    FOLDER.mkdir(exist_ok=True)
    file = FOLDER / str(os.getpid())
    sums = np.memmap(file, np.int64, "w+", shape=len(STAGES))
    model = inference.model_fn(model_dir)
    return dataclasses.replace(model, network=Network(model.network))


input_fn = timed("decoding", inference.input_fn)
predict_fn = timed("prediction", inference.predict_fn)
output_fn = timed("response", inference.output_fn)
application = timed("application", flask.Flask.wsgi_app)
flask.Flask.wsgi_app = lambda *arguments: application(*arguments)
