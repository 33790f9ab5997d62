"""An inference module that streams what a JSON list asks for.

A text is a piece, a number a wait in seconds; "DO:..." misbehaves.
"""

import json
import os
import sys
import time

from byoi import errors


def model_fn(model_dir):
    return os.getpid()


def input_fn(input_data, content_type):
    return json.loads(input_data)


def predict_fn(data, model):
    return [step.replace("DO:pid", str(model)) if isinstance(step, str) else step for step in data]


def output_fn(prediction, accept, context):
    return pieces(prediction, context), "text/plain"


def pieces(steps, context):
    try:
        for step in steps:
            if isinstance(step, float):
                time.sleep(step)
            elif step == "DO:raise":
                raise ValueError("the secret cause")
            elif step == "DO:exit":
                sys.exit(1)
            elif step == "DO:malformed":
                raise errors.MalformedBody("received nonsense, expected sense")
            elif step == "DO:attributes":
                context.custom_attributes = "from the stream"
            elif step == "DO:object":
                yield object()
            else:
                yield step
    finally:
        sys.stdout.write(f"closed {context.get_request_id()}\n")
