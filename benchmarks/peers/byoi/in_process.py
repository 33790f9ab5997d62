# The functions of byoi_lib.inference without a server, in the environment of the server. A job is
# read from stdin as JSON, and its result is printed as JSON; targets.py has both.
import itertools
import json
import sys
import time
from pathlib import Path

from byoi_lib import inference

TYPE = "application/json"


def rate(model, bodies, duration_s):
    """Encode and predict body after body; return requests a second."""
    data = itertools.cycle([inference.input_fn(body, TYPE) for body in bodies])
    inference.predict_fn(next(data), model)
    print("ready", flush=True)
    sys.stdin.readline()
    began_s, count = time.perf_counter(), 0
    while (spent_s := time.perf_counter() - began_s) < duration_s:
        inference.predict_fn(next(data), model)
        count += 1
    return count / spent_s


def milliseconds(model, bodies, calls):
    """Answer each body in turn; return the mean of a call for each."""
    found = []
    for body in bodies:
        began_s = time.perf_counter()
        for _ in range(calls):
            data = inference.input_fn(body, TYPE)
            inference.output_fn(inference.predict_fn(data, model), TYPE)
        found.append((time.perf_counter() - began_s) / calls * 1e3)
    return found


if __name__ == "__main__":
    job = json.loads(sys.stdin.readline())
    model = inference.load(Path(job["model"]), "onnx")
    if "duration_s" in job:
        result = rate(model, job["bodies"], job["duration_s"])
    else:
        result = [milliseconds(model, job["bodies"], job["calls"]) for _ in range(job["rounds"])]
    print(json.dumps(result))
