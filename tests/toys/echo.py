"""An inference module that answers with what it was given; a body `DO:...` makes it misbehave."""

import json
import os
import platform
import re
import sys
import time

from byoi import errors

# It keeps nothing.
BYOI_THREADS = 4


def model_fn(model_dir):
    return {"model_dir": model_dir, "type": type(model_dir).__name__}


def input_fn(input_data, content_type):
    if isinstance(input_data, str):
        input_data = input_data.encode("utf-8")
    if content_type.startswith("application/unknown"):
        raise errors.UnsupportedContentType(f"received {content_type!r}, expected another")
    if input_data == b"DO:malformed":
        raise errors.MalformedBody("received DO:malformed, expected sense " + "x" * 5000)
    return {"bytes": len(input_data), "content_type": content_type, "text": _start(input_data)}


def predict_fn(data, model):
    command, _, argument = data["text"].partition(" ")
    if command == "DO:sleep":
        time.sleep(float(argument))
    elif command == "DO:never":
        while True:
            time.sleep(0.1)
    elif command == "DO:hold":  # one call into C that keeps the interpreter lock for hours
        re.match(r"(a+)+$", "a" * 60 + "b")
    elif command == "DO:raise":
        raise ValueError("the secret cause")
    elif command == "DO:model_data":
        raise errors.ModelDataError("the secret file is broken")
    elif command == "DO:exit":
        sys.exit(1)
    elif command == "DO:die":
        os._exit(1)
    elif command == "DO:print":
        sys.stdout.write("printed by the module\n")
    return {**data, **model, "pid": os.getpid(), "host": platform.node()}


def output_fn(prediction, accept, context):
    if context.custom_attributes is not None:
        context.custom_attributes = context.custom_attributes
    if "application/unknown" in accept:
        raise errors.NotAcceptable(f"received Accept {accept!r}, expected another")
    if prediction["text"] == "DO:wrong type":
        return object()
    body = json.dumps({**prediction, "accept": accept})
    if prediction["text"] == "DO:body only":
        return body
    if prediction["text"] == "DO:bytearray":
        return bytearray(body.encode()), "application/json"
    return body, "application/json"


def _start(body):
    return body[:60].decode("utf-8", errors="replace")
