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
# # 4. Deploy
#
# The image, the model data and a role become an endpoint: a machine of AWS's that runs your
# container and answers whoever may call it. This notebook pushes, uploads, deploys, predicts,
# replaces the model by a better one while requests go on, and deletes everything.
#
# **It runs on this machine**, against [the emulator](../docs/emulator.md): AWS's APIs on
# localhost, and behind them your container. With `BYOI_PLATFORM=aws`, `BYOI_ROLE_ARN` and
# `BYOI_BUCKET` in the environment the same cells talk to your account.
#
# ![The journey: train, serve, and where it runs](../docs/journey.svg)
#
# **You will learn**
#
# * how `Model(...).deploy(...)` and `Predictor.predict` work, with nothing between you and the SDK;
# * how a model is replaced without a failed request, and how to see that none failed;
# * what an error looks like, and what is left to delete.
#
# **Time** about two minutes on this machine, about 15 on AWS. **Cost** nothing on this machine; on
# AWS the price of one `ml.m5.large` while it runs. **Needs** Docker for the image; without it the
# emulator runs the same server as processes.

# %%
from importlib.metadata import version

from packaging.version import Version

assert Version("2.257") <= Version(version("sagemaker")) < Version("3"), (
    "version 3 has other classes, see docs/sdk-3.md: pip install 'sagemaker[local]>=2.257,<3'"
)
print("sagemaker", Version(version("sagemaker")).major)

# %% [markdown]
# ## Where it runs
#
# `rehearse` starts an emulator and leads boto3 and the SDK to it, by environment variables only.
# Inside `byoi emulator run -- jupyter lab`, or with `BYOI_PLATFORM=aws`, it starts nothing.

# %%
import os

from byoi import deployment, emulator, errors, hosting, model_data, traffic
from byoi_lib import PredictionDeserializer, ReviewSerializer, datasets, training

rehearsal = emulator.rehearse()
role, name = os.environ["BYOI_ROLE_ARN"], "byoi-reviews"
print("on this machine:", rehearsal.is_emulated)

# %% [markdown]
# ## Two models
#
# Yours of [the first notebook](01_train.ipynb), and an earlier attempt at it that saw only 300
# reviews. The attempt is deployed first.

# %%
from dataclasses import replace
from pathlib import Path

dataset, model_dir = datasets.load("sample"), Path("../build/model")
if not (model_dir / "manifest.json").exists():
    training.train(dataset, model_dir, progress=False)
few = datasets.Reviews(dataset.train.labels[:300], dataset.train.texts[:300])
attempt = training.train(replace(dataset, train=few), Path("../build/attempt"), progress=False)
archives = [
    model_data.pack(folder, folder.with_suffix(".tar.gz")).path
    for folder in (Path("../build/attempt"), model_dir)
]
print("the attempt's accuracy is below 80 %:", attempt.held_out_accuracy < 0.8)

# %% [markdown]
# ## Push and upload
#
# The image goes to Amazon ECR, by [the script of the third notebook](03_push.ipynb), the model data
# to S3. Behind the emulated ECR stands a real registry, so this is a real push.

# %%
import subprocess

image_uri = "byoi:latest"
if rehearsal.runs_images:
    pushed = subprocess.run(["../build_and_push.sh", "byoi"], capture_output=True, text=True)
    assert pushed.returncode == 0, pushed.stderr
    image_uri = pushed.stdout.strip()
print("the image's address names its content:", "@sha256:" in image_uri)

# %%
session = hosting.aws_session()
uris = [
    session.upload_data(str(path), key_prefix=f"byoi/{name}/{number}")
    for number, path in enumerate(archives, start=1)
]
print([uri.split(name)[-1] for uri in uris])

# %% [markdown]
# ## Deploy
#
# SageMaker's `Model` is an image, model data and a role; `deploy` creates it, an endpoint
# configuration and an endpoint. The tags say whose it is and until when, so that
# `byoi endpoints` and `byoi delete --expired` find it when this kernel is gone.
#
# `deploy` would wait by itself, in steps of half a minute; `deployment.wait` looks more often.

# %%
from datetime import UTC, datetime, timedelta

from sagemaker.model import Model
from sagemaker.predictor import Predictor

machine = {"initial_instance_count": 1, "instance_type": "ml.m5.large"}
marks = deployment.make_tags(name, expires=datetime.now(UTC) + timedelta(hours=8))
first, second = (
    Model(image_uri, uri, role, Predictor, name=f"{name}-{number}", sagemaker_session=session)
    for number, uri in enumerate(uris, start=1)
)
predictor = first.deploy(endpoint_name=name, tags=marks, wait=False, **machine)
print(deployment.wait(session.sagemaker_client, name)["EndpointStatus"])

# %% [markdown]
# ## Predict

# %%
predictor.serializer, predictor.deserializer = ReviewSerializer(), PredictionDeserializer()
texts, labels = list(dataset.held_out.texts), dataset.held_out.labels
answers = predictor.predict(texts)
accuracy = float((answers.argmax(axis=1) == labels).mean())
same = abs(accuracy - attempt.held_out_accuracy) < 0.002
print("accuracy through the endpoint as in training:", same)

# %% [markdown]
# How long does an answer take? Three hundred reviews, one at a time. Part of it is the client's
# signature and the way there and back; on AWS that way is longer, and the machine another.

# %%
import time

moments = [time.perf_counter()]
for text in texts[:300]:
    predictor.predict([text])
    moments.append(time.perf_counter())
traffic.latency_histogram([after - before for before, after in zip(moments, moments[1:])])

# %% [markdown]
# ## A better model, and no failed request
#
# `update_endpoint` starts the new container beside the old one, which answers until the new one is
# healthy. Two threads keep asking about one review while that happens: the positive one that the
# attempt found most negative.

# %%
review = texts[int((answers[:, 1] - labels).argmin())]
second.create(instance_type=machine["instance_type"], tags=marks)
with traffic.going_on(lambda: float(predictor.predict([review])[0][1])) as requests:
    predictor.update_endpoint(model_name=second.name, tags=marks, wait=False, **machine)
    deployment.wait(session.sagemaker_client, name)
    time.sleep(2)
print("requests:", "many" if len(requests.exchanges) > 20 else len(requests.exchanges))
print("failed:", len(requests.failures))
traffic.timeline(requests.exchanges, label="probability of positive")

# %%
accuracy = float((predictor.predict(texts).argmax(axis=1) == labels).mean())
print(f"accuracy through the endpoint: more than {int(accuracy * 10) * 10} %")
first_and_last = [requests.exchanges[place].answer > 0.5 for place in (0, -1)]
print("the review was called positive, at first and at last:", first_and_last)

# %% [markdown]
# ## What can go wrong
#
# **A request the container refuses** comes back as `ModelError`, with the container's own words.
# `OriginalStatusCode` is the container's, and its log is in CloudWatch Logs, here as there.

# %%
import json

runtime = session.sagemaker_runtime_client
try:
    runtime.invoke_endpoint(EndpointName=name, Body=b'{"instances": 7}', ContentType="text/html")
except runtime.exceptions.ModelError as error:
    said = json.loads(error.response["OriginalMessage"])
    print(error.response["OriginalStatusCode"], said["error"])

# %% [markdown]
# **A container that never becomes healthy.** AWS says *did not pass the ping health check*.
# `deployment.deploy`, which is `byoi deploy` on the command line, waits with the container's log in
# sight, names the cause, and leaves nothing behind. Here the image is told to run a module it does
# not have.

# %%
account, variables = deployment.connect(), {"BYOI_INFERENCE_MODULE": "my_inference"}
plan = deployment.Plan(f"{name}-broken", image_uri, uris[1], role, environment=variables)
try:
    deployment.deploy(account, plan)
except errors.EndpointFailedError as error:
    lines = str(error).splitlines()
    print("names the module:", any("my_inference" in line for line in lines), "|", lines[-1])

# %% [markdown]
# More messages stand in [troubleshooting](../docs/troubleshooting.md).
#
# ## Clean up
#
# The tags find everything the endpoint had, also the model that was replaced. Uploads and logs are
# found by the name they carry. What is left is asked for, not believed. The image stays in its
# repository; [99_clean_up](99_clean_up.ipynb) deletes that, too.

# %%
for thing in [one for one in deployment.find_everything(account) if name in one.name]:
    thing.delete()
left = [str(one) for one in deployment.find_everything(account) if name in one.name]
assert left == [], left
print("cleaned up; left:", left)
rehearsal.stop()

# %% [markdown]
# ## What next
#
# * [05_api_gateway](05_api_gateway.ipynb): an address that everybody may call, without AWS's
#   signatures.
# * On the command line: `byoi deploy IMAGE --name NAME --model-data build/model.tar.gz` looks for
#   what would fail before anything is made, says what it costs and when it expires.
# * Something went wrong and the kernel is gone? [99_clean_up](99_clean_up.ipynb).
