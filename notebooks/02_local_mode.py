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
# In *local mode* the SageMaker SDK does on your machine what the platform does in a data centre:
# it starts the container with the model data mounted at `/opt/ml/model`, waits for `GET /ping` to
# answer 200, and sends your requests to `POST /invocations`. The calls are those you will make for
# a real endpoint; only the instance type says `local`.
#
# ![The journey: train, serve, and where it runs](../docs/journey.svg)
#
# **You will learn**
#
# * what is in the container, file by file, and what happens to one request;
# * how to deploy, predict, batch-transform and delete with the SDK's own classes;
# * how errors reach you, and where to look when a container does not start.
#
# **Time** about a minute, and a few for `make image` the first time. **Cost** nothing: no AWS
# account, no credentials, no network. **Needs** Docker with compose, the image `byoi:latest`, and
# the model of [the first notebook](01_train.ipynb), which is trained here where it is missing.

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
# SageMaker runs your image as `docker run IMAGE serve` and asks two things of it: answer
# `GET /ping` and `POST /invocations` on port 8080. Everything else is yours. In this one:
#
# | file | its part |
# |---|---|
# | `container/Dockerfile` | Debian, Python, nginx; dependencies from a hashed lock; no TensorFlow |
# | `container/serve` | what SageMaker starts: runs nginx and gunicorn, ends when either ends |
# | `container/nginx.conf.in` | takes port 8080, answers `/ping` itself, limits body and time |
# | `container/gunicorn.conf.py` | two worker processes, each with the whole model |
# | `container/wsgi.py` | the Flask application: `byoi.server`, which knows no reviews |
# | `byoi_lib/inference.py` | the four functions of *your* model, called by the application |
#
# A request goes nginx → gunicorn → Flask → `input_fn` → `predict_fn` → `output_fn` and back.
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
# The SDK's `LocalSession` wants a region, tells its authors what you do, copies your AWS keys into
# the container, uses port 8080 whoever else has it, and gives a container that cannot start two
# minutes before it says so. `byoi.hosting` has the same class without that: everything you
# know about `LocalSession` holds. It has no credentials, whatever your environment holds, so
# nothing you do here can reach an account or cost anything.

# %%
from sagemaker.local import LocalSession

session = hosting.LocalSession()
print("the SDK's own:", isinstance(session, LocalSession))
print("credentials:", session.boto_session.get_credentials())

# %% [markdown]
# ## A model, in SageMaker's sense
#
# Three things: an image, model data, and a role the container acts under. In local mode the image
# is one on this machine, the model data a file, and the role is never looked at.

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
# `deploy` creates an endpoint and returns a `Predictor`. The serializer makes the request's body of
# your Python data, the deserializer Python data of the response. Both talk JSON here.
#
# `hosting.Endpoint` takes over the clean-up. If you forget it, the container ends with this kernel.

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
# Text goes in as it is: the container has the vocabulary and the one encoder that training used.

# %%
reviews = ["A wonderful film, I loved it.", "A dull, clumsy and boring film."]
answer = predictor.predict({"instances": reviews})
for text, (negative, positive) in zip(reviews, answer["predictions"]):
    print(f"{'positive' if positive > negative else 'negative'} {positive:.1f}  {text}")

# %% [markdown]
# Is that the model of the first notebook? Two hundred reviews it never saw, asked of the endpoint
# and of the same files loaded here, have to get the same answers.

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
# The same endpoint reads and writes JSON Lines, CSV and NumPy arrays; the SDK's serializers fit.
# [docs/formats.md](../docs/formats.md) has the whole table.

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
# Many rows and no one waiting: SageMaker starts a container, sends your files through it, writes
# one output file for each, and stops it. Row 7 of the output belongs to row 7 of the input.

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
# **A request the container refuses.** It answers with an error status and a JSON body that says
# what it got and what it expected. The SDK's own local mode would hand you that body as if it were
# a prediction; here it is the `ModelError` that AWS raises, with the container's words in it.

# %%
runtime = session.sagemaker_runtime_client
try:
    predictor.predict({"instances": []})
except runtime.exceptions.ModelError as error:
    said = json.loads(error.response["OriginalMessage"])
    print(error.response["OriginalStatusCode"], said["error"], "|", said["message"])

# %% [markdown]
# **A container that cannot start.** An image that is not there, a port that is taken, a model that
# cannot be loaded: the error comes within seconds, with the cause and the end of the container's
# log. While an endpoint lives, `endpoint.log` is the file with all its container writes.

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
# More messages and their remedies stand in [troubleshooting](../docs/troubleshooting.md).
#
# ## Clean up
#
# `delete` removes the endpoint, its configuration and the model, stops the container, and removes
# the container, its network and its files. `remains` asks for each of them again.

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
# * [03_push](03_push.ipynb): push the image to a registry, as SageMaker on AWS needs it.
# * In a script, `with hosting.endpoint(image, archive, session=session) as predictor:` does deploy
#   and clean-up in one line.
# * Train in the container, too: `make image TARGET=tensorflow`, then `Estimator("byoi:tensorflow",
#   hosting.LOCAL_ROLE, 1, "local", sagemaker_session=session).fit()`.
