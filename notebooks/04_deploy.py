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
# This notebook deploys an endpoint from an image, model data and an execution role. It pushes the
# image, uploads the model data, deploys, predicts, replaces the model while requests are running,
# and deletes everything.
#
# **It runs on this machine**, against [the emulator](../docs/emulator.md), which provides AWS's
# APIs on localhost and runs your container. With `BYOI_PLATFORM=aws`, `BYOI_ROLE_ARN` and
# `BYOI_BUCKET` in the environment, the same cells use your AWS account.
#
# ![The journey: train, serve, and where it runs](../docs/journey.svg)
#
# **You will learn**
#
# * how `Model(...).deploy(...)` and `Predictor.predict` of the unmodified SDK work;
# * how to replace a model without a failed request, and how to verify that none failed;
# * what errors look like, and what to delete at the end.
#
# **Time** about two minutes on this machine, about 15 on AWS. **Cost** nothing on this machine; on
# AWS the price of one `ml.m5.large` while it runs. **Needs** Docker for the image; without Docker,
# the emulator runs the same server as processes.

# %%
from importlib.metadata import version

from packaging.version import Version

assert Version("2.257") <= Version(version("sagemaker")) < Version("3"), (
    "version 3 has other classes, see docs/sdk-3.md: pip install 'sagemaker[local]>=2.257,<3'"
)
print("sagemaker", Version(version("sagemaker")).major)

# %% [markdown]
# ## Start the emulator
#
# `rehearse` starts an emulator and sets the environment variables that point boto3 and the SDK at
# it. Inside `byoi emulator run -- jupyter lab`, or with `BYOI_PLATFORM=aws`, it starts nothing.

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
# The first model to deploy is an early attempt, trained on only 300 reviews. The second is the
# model of [the first notebook](01_train.ipynb).

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
# The image is pushed to Amazon ECR with [the script of the third notebook](03_push.ipynb), and the
# model data are uploaded to S3. The emulated ECR uses a real registry, so this is a real push.

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
# SageMaker's `Model` consists of an image, model data and an execution role. `deploy` creates the
# model, an endpoint configuration and an endpoint. The tags record the owner and the expiry, so
# that `byoi endpoints` and `byoi delete --expired` find the endpoint when this kernel is gone.
#
# Without `wait=False`, `deploy` checks the status only every 30 s; `deployment.wait` checks more
# often.

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
# This measures the latency of 300 single requests. It includes the time for the client's signature
# and the network; on AWS, the network takes longer and the instance is another machine.

# %%
import time

moments = [time.perf_counter()]
for text in texts[:300]:
    predictor.predict([text])
    moments.append(time.perf_counter())
traffic.latency_histogram([after - before for before, after in zip(moments, moments[1:])])

# %% [markdown]
# ## Update the endpoint without a failed request
#
# `update_endpoint` starts a new container next to the old one, which serves requests until the new
# one is healthy. Meanwhile, two threads send the same review again and again: the positive review
# to which the first model gave the lowest probability.

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
# **A request that the container refuses** raises `ModelError` with the container's message.
# `OriginalStatusCode` is the status of the container. Its log is in CloudWatch Logs, on the
# emulator and on AWS.

# %%
import json

runtime = session.sagemaker_runtime_client
try:
    runtime.invoke_endpoint(EndpointName=name, Body=b'{"instances": 7}', ContentType="text/html")
except runtime.exceptions.ModelError as error:
    said = json.loads(error.response["OriginalMessage"])
    print(error.response["OriginalStatusCode"], said["error"])

# %% [markdown]
# **A container that never becomes healthy.** AWS reports *did not pass the ping health check*.
# `deployment.deploy`, which `byoi deploy` calls, shows the container's log while it waits, names
# the cause, and deletes what it created. Here the image is told to run a module that it does not
# have.

# %%
account, variables = deployment.connect(), {"BYOI_INFERENCE_MODULE": "my_inference"}
plan = deployment.Plan(f"{name}-broken", image_uri, uris[1], role, environment=variables)
try:
    deployment.deploy(account, plan)
except errors.EndpointFailedError as error:
    lines = str(error).splitlines()
    print("names the module:", any("my_inference" in line for line in lines), "|", lines[-1])

# %% [markdown]
# [Troubleshooting](../docs/troubleshooting.md) lists other error messages.
#
# ## Clean up
#
# The tags identify everything that belongs to the endpoint, including the replaced model. Uploads
# and logs are found by their names. The last lines verify that nothing is left. The image stays in
# its repository; [99_clean_up](99_clean_up.ipynb) deletes it.

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
# * [05_api_gateway](05_api_gateway.ipynb): an HTTP API in front of the endpoint, for clients
#   without SageMaker permissions.
# * On the command line: `byoi deploy IMAGE --name NAME --model-data build/model.tar.gz` first
#   checks for everything that would make the deployment fail, and prints the price and the expiry.
# * If something failed and the kernel is gone, run [99_clean_up](99_clean_up.ipynb).
