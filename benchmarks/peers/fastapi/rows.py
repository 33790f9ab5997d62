import joblib
import numpy as np
import orjson
from fastapi import FastAPI, Request, Response

app = FastAPI()
model = joblib.load("model/model.joblib")


@app.get("/ping")
async def ping():
    return {}


@app.post("/invocations")
async def invocations(request: Request):
    rows = np.array(orjson.loads(await request.body()), np.float64)
    answer = orjson.dumps(model.predict(rows), option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(answer, media_type="application/json")
