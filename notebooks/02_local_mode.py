# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 2. Run your container in SageMaker local mode
#
# In *local mode*, the SageMaker SDK runs your container on your machine: it starts the container
# with the model data mounted at `/opt/ml/model`, waits until `GET /ping` returns 200, and sends
# your requests to `POST /invocations`. The calls are the same as for an endpoint on AWS; only the
# instance type is `local`.
#
# ![The journey: train, serve, and where it runs](../docs/journey.svg)
#
# **You will learn**
#
# * which files the container has, and how it handles one request;
# * how to deploy, predict, run a batch transform and delete with the SDK's own classes;
# * what errors look like, and how to find out why a container does not start.
#
# **Time** about a minute; `make image` takes a few minutes the first time. **Cost** nothing: no
# AWS account, no credentials, no network. **Needs** Docker with compose, the image `byoi:latest`,
# and the model of [the first notebook](01_train.ipynb), which is trained here if it is missing.

# %%
from importlib.metadata import version

from packaging.version import Version

assert Version("2.257") <= Version(version("sagemaker")) < Version("3"), (
    "version 3 has other classes, see docs/sdk-3.md: pip install 'sagemaker[local]>=2.257,<3'"
)
print("sagemaker", Version(version("sagemaker")).major)

# %% [markdown]
# ## What is in the container
#
# SageMaker runs your image with `docker run IMAGE serve`. The container must answer `GET /ping`
# and `POST /invocations` on port 8080. These files do that:
#
# | file | purpose |
# |---|---|
# | `container/Dockerfile` | Debian, Python, nginx; dependencies from a hashed lock file; no TensorFlow |
# | `container/serve` | the program that SageMaker starts: runs nginx and gunicorn, ends when either ends |
# | `container/nginx.conf.in` | listens on port 8080, answers `/ping` itself, limits body size and time |
# | `container/gunicorn.conf.py` | the worker processes, each with the whole model |
# | `container/wsgi.py` | the Flask application of `byoi.server`, which works with any model |
# | `byoi_lib/inference.py` | the four functions of *your* model, called by the application |
#
# The path of a request is nginx → gunicorn → Flask → `input_fn` → `predict_fn` → `output_fn`, and
# back.
#
# ## The model data

# %%
from pathlib import Path

from byoi import errors, hosting, model_data
from byoi_lib import Manifest, datasets, inference, training

model_dir, archive = Path("../build/model"), Path("../build/model.tar.gz")
dataset = datasets.load("sample")
if not archive.exists():
    training.train(dataset, model_dir, progress=False)
    model_data.pack(model_dir, archive)
manifest = Manifest.read(model_dir)
print("model data:", archive.name, "| labels:", manifest.labels)

# %% [markdown]
# ## A session for local mode
#
# `hosting.LocalSession` is a subclass of the SDK's `LocalSession`, without some of its properties.
# The SDK's class requires a region, sends telemetry, copies your AWS keys into the container, uses
# port 8080 even if it is taken, and waits two minutes for a container that cannot start.
# `hosting.LocalSession` has no credentials, even if your environment has some, so nothing in this
# notebook can reach an AWS account or cost anything.

# %%
from sagemaker.local import LocalSession

session = hosting.LocalSession()
print("the SDK's own:", isinstance(session, LocalSession))
print("credentials:", session.boto_session.get_credentials())

# %% [markdown]
# ## Create a SageMaker model
#
# A SageMaker model consists of an image, model data, and an execution role. In local mode, the
# image is on this machine, the model data are a file, and the role is not used.

# %%
from sagemaker.model import Model
from sagemaker.predictor import Predictor

model = Model(
    image_uri="byoi:latest",
    model_data=f"file://{archive.resolve()}",
    role=hosting.LOCAL_ROLE,
    predictor_cls=Predictor,
    sagemaker_session=session,
)

# %% [markdown]
# ## Deploy
#
# `deploy` creates an endpoint and returns a `Predictor`. The serializer turns your Python data
# into the request body, and the deserializer turns the response body into Python data. Both use
# JSON here.
#
# `hosting.Endpoint` deletes everything later. If you do not call it, the container stops when this
# kernel ends.

# %%
from sagemaker.deserializers import JSONDeserializer
from sagemaker.serializers import JSONSerializer

predictor = model.deploy(
    initial_instance_count=1,
    instance_type="local",
    serializer=JSONSerializer(),
    deserializer=JSONDeserializer(),
)
endpoint = hosting.Endpoint(predictor)
print(session.describe_endpoint(endpoint.name)["EndpointStatus"])

# %% [markdown]
# ## Predict
#
# The request contains plain text: the container has the vocabulary and the encoder that training
# used.

# %%
reviews = ["A wonderful film, I loved it.", "A dull, clumsy and boring film."]
answer = predictor.predict({"instances": reviews})
for text, (negative, positive) in zip(reviews, answer["predictions"]):
    print(f"{'positive' if positive > negative else 'negative'} {positive:.1f}  {text}")

# %% [markdown]
# This checks that the endpoint serves the model of the first notebook: for 200 held-out reviews,
# the endpoint and the same files loaded here must give the same probabilities.

# %%
import json

import numpy as np

texts, labels = list(dataset.held_out.texts[:200]), np.array(dataset.held_out.labels[:200])
served = np.array(predictor.predict({"instances": texts})["predictions"])
loaded = inference.model_fn(model_dir)
data = inference.input_fn(json.dumps({"instances": texts}).encode(), "application/json")
offline = inference.predict_fn(data, loaded).probabilities
accuracy = (served.argmax(axis=1) == labels).mean()
print(f"accuracy through the endpoint: more than {int(accuracy * 10) * 10} %")
print("the same as offline to 1e-5:", np.abs(served - offline).max() <= 1e-5)

# %% [markdown]
# ## Other formats
#
# The endpoint also reads and writes JSON Lines, CSV and NumPy arrays, with the SDK's serializers.
# [docs/formats.md](../docs/formats.md) lists all formats.

# %%
from sagemaker.deserializers import CSVDeserializer, JSONLinesDeserializer
from sagemaker.serializers import CSVSerializer, JSONLinesSerializer

pairs = [
    (JSONLinesSerializer(), JSONLinesDeserializer(), reviews),
    (CSVSerializer(), CSVDeserializer(), [[text] for text in reviews]),
]
for serializer, deserializer, rows in pairs:
    client = Predictor(endpoint.name, session, serializer, deserializer)
    answers = np.array(client.predict(rows), float)
    print(f"{serializer.CONTENT_TYPE:<22} {[manifest.labels[i] for i in answers.argmax(axis=1)]}")

# %% [markdown]
# ## Batch transform
#
# A batch transform predicts whole files: SageMaker starts a container, sends your files to it,
# writes one output file for each, and stops it. Row 7 of the output belongs to row 7 of the input.

# %%
batch = Path("../build/batch")
(batch / "in").mkdir(parents=True, exist_ok=True)
(batch / "in" / "reviews.jsonl").write_text("".join(json.dumps(t) + "\n" for t in texts))
transformer = model.transformer(
    instance_count=1,
    instance_type="local",
    output_path=f"file://{batch.resolve()}/out",
    accept="application/jsonlines",
    assemble_with="Line",
)
rows = f"file://{batch.resolve()}/in"
transformer.transform(rows, content_type="application/jsonlines", split_type="Line")
lines = (batch / "out" / "reviews.jsonl.out").read_text().splitlines()
same = np.abs([json.loads(line) for line in lines] - served).max() <= 1e-5
print(len(texts), "rows in,", len(lines), "out | the endpoint's answers, in its order:", same)

# %% [markdown]
# ## What can go wrong
#
# **A request that the container refuses.** The container returns an error status and a JSON body
# that says what was received and what was expected. The SDK's own local mode would return this
# body as if it were a prediction. Here you get the same `ModelError` as on AWS, with the
# container's message.

# %%
runtime = session.sagemaker_runtime_client
try:
    predictor.predict({"instances": []})
except runtime.exceptions.ModelError as error:
    said = json.loads(error.response["OriginalMessage"])
    print(error.response["OriginalStatusCode"], said["error"], "|", said["message"])

# %% [markdown]
# **A container that cannot start.** If the image does not exist, the port is taken or the model
# cannot be loaded, you get an error within seconds, with the cause and the end of the container's
# log. While an endpoint runs, `endpoint.log` is the file with the container's output.

# %%
damaged = Path("../build/damaged")
model_data.unpack(archive, damaged)
(damaged / "model.onnx").write_bytes(b"cut short")
for image in ("byoi:latest", "byoi:not-built"):
    try:
        hosting.Endpoint.deploy(image, damaged, session=session)
    except errors.HostingError as error:
        print(str(error).splitlines()[0], "| names model.onnx:", "model.onnx" in str(error))

# %% [markdown]
# [Troubleshooting](../docs/troubleshooting.md) lists other error messages with their fixes.
#
# ## Clean up
#
# `delete` removes the endpoint, its configuration and the model; it stops the container and
# removes it with its network and files. `remains` checks that each of them is gone.

# %%
import shutil

endpoint.delete()
for directory in (batch, damaged):
    shutil.rmtree(directory)
assert endpoint.remains() == []
print("cleaned up; remains:", endpoint.remains())

# %% [markdown]
# ## What next
#
# * [03_push](03_push.ipynb): push the image to a registry, which SageMaker on AWS needs.
# * In a script, `with hosting.endpoint(image, archive, session=session) as predictor:` deploys,
#   and deletes everything at the end of the block.
# * Train in a container: `make image TARGET=tensorflow`, then `Estimator("byoi:tensorflow",
#   hosting.LOCAL_ROLE, 1, "local", sagemaker_session=session).fit()`.
