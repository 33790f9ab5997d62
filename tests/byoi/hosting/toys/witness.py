"""An inference module that answers with what its container can see, or fails as it is told."""

import json
import os
import time
from pathlib import Path


def model_fn(model_dir):
    if os.environ.get("WITNESS") == "sleep":
        time.sleep(3600)
    return Path(model_dir)


def input_fn(input_data, content_type):
    return input_data.decode()


def predict_fn(data, model):
    try:
        (model / "written").touch()
    except OSError as error:
        written = os.strerror(error.errno)
    else:
        written = "yes"
    files = sorted(path.name for path in model.iterdir())
    return {"environ": dict(os.environ), "files": files, "written": written}


def output_fn(prediction, accept):
    return json.dumps(prediction), "application/json"
