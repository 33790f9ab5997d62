import os
from pathlib import Path

import numpy as np
import onnxruntime
import orjson
from byoi_lib.preprocessing import encode, pad
from byoi_lib.vocabulary import Vocabulary
from fastapi import FastAPI, Request, Response

app = FastAPI()
folder = Path("model")
vocabulary = Vocabulary.load(folder / "vocabulary.json")
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(os.environ["OMP_NUM_THREADS"])
session = onnxruntime.InferenceSession(folder / "model.onnx", options)
name = session.get_inputs()[0].name


@app.get("/ping")
async def ping():
    return {}


@app.post("/invocations")
async def invocations(request: Request):
    instances = orjson.loads(await request.body())["instances"]
    if isinstance(instances[0], str):
        instances = encode(instances, vocabulary, max_length=512)
    # One row needs no padding.
    ids = np.array(instances, np.int32) if len(instances) == 1 else pad(instances)
    (probabilities,) = session.run(None, {name: ids})
    answer = orjson.dumps({"predictions": probabilities}, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(answer, media_type="application/json")
