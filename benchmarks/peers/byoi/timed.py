# byoi_lib.inference with a clock around each function, around the network, around Flask, and around
# what the worker does with a request's bytes. Each worker adds up nanoseconds of CPU in a file of
# its own, which where_time_goes.py reads. Behind them is a count: calls of predict_fn.
import dataclasses
import os
import time
from pathlib import Path

import flask
import numpy as np
from byoi.server.answering import Answering
from byoi.server.application import Application
from byoi.server.connections import Connection
from byoi_lib import inference
from byoi_lib.inference import BYOI_BATCH_SIZE, BYOI_THREADS

STAGES = (
    *("receiving", "answering", "application", "decoding", "prediction", "network", "response"),
)
FOLDER = Path(__file__).resolve().parent / "stages"
# Until the model is loaded, whatever is counted is nobody's request.
sums = np.zeros(len(STAGES) + 1, np.int64)


def timed(stage, function):
    place = STAGES.index(stage)

    def call(*arguments, **options):
        before = time.thread_time_ns()
        try:
            return function(*arguments, **options)
        finally:
            # The one thread of the worker that runs requests: BYOI_THREADS is 1.
            sums[place] += time.thread_time_ns() - before

    return call


class Network:
    def __init__(self, network):
        self.predict = timed("network", network.predict)


def model_fn(model_dir):
    global sums
    model = inference.model_fn(model_dir)
    FOLDER.mkdir(exist_ok=True)
    sums = np.memmap(FOLDER / str(os.getpid()), np.int64, "w+", shape=len(sums))
    return dataclasses.replace(model, network=Network(model.network))


def predict_fn(data, model):
    sums[-1] += 1
    return predict(data, model)


predict = timed("prediction", inference.predict_fn)
input_fn = timed("decoding", inference.input_fn)
output_fn = timed("response", inference.output_fn)
# A request passes either one of the two, with others or alone.
flask.Flask.wsgi_app = timed("application", flask.Flask.wsgi_app)
Application.together = timed("application", Application.together)
Connection.receive = timed("receiving", Connection.receive)
Answering.answer = timed("answering", Answering.answer)
