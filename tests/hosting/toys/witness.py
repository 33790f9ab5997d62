"""An inference module that answers with what its container can see, or fails as it is told."""

import json
import os
import time


def model_fn(model_dir):
    command = os.environ.get("WITNESS", "")
    if command == "sleep":
        time.sleep(3600)
    if command == "fail":
        raise ValueError("the cause that must be shown")
    return str(model_dir)


def input_fn(input_data, content_type):
    return input_data.decode()


def predict_fn(data, model):
    try:
        open(os.path.join(model, "written"), "w").close()
    except OSError as error:
        written = type(error).__name__ + " " + os.strerror(error.errno)
    else:
        written = "yes"
    return {"environ": dict(os.environ), "files": sorted(os.listdir(model)), "written": written}


def output_fn(prediction, accept):
    return json.dumps(prediction), "application/json"
