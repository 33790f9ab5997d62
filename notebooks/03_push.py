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
# # 3. Push the image
#
# SageMaker pulls your container from a registry. This notebook pushes it to one that runs on
# your machine, reads back what arrived, checks that SageMaker would take it, and proves that
# what was pushed answers like what was trained. With `REGISTRY` left out, the same command
# pushes to your account's Amazon ECR.
#
# ![The journey: train, serve, and where it runs](../docs/journey.svg)
#
# **You will learn**
#
# * what `build_and_push.sh` does, and why an image is named by its digest;
# * the two things about a pushed image that make SageMaker refuse it, and how to see them
#   before SageMaker does;
# * how to deploy exactly what was pushed.
#
# **Time** about two minutes, more the first time an image is built. **Cost** nothing: no AWS
# account. **Needs** Docker, and Debian's `docker-registry` as a registry of your own.

# %% [markdown]
# ## The versions this journey is written for
#
# Version 3 of the SDK has other classes ([docs/sdk-3.md](../docs/sdk-3.md) shows them), so the
# pin is checked before anything takes time.

# %%
from importlib.metadata import version

from packaging.version import Version

assert Version("2.257") <= Version(version("sagemaker")) < Version("3"), (
    "version 3 has other classes, see docs/sdk-3.md: pip install 'sagemaker[local]>=2.257,<3'"
)
print("sagemaker", Version(version("sagemaker")).major)

# %% [markdown]
# ## The model
#
# The model directory that [the first notebook](01_train.ipynb) left; where there is none, it is
# trained now.

# %%
from pathlib import Path

from byoi import Registry, deployment, errors, hosting, local, model_data
from byoi_lib import Manifest, PredictionDeserializer, ReviewSerializer, datasets, training

dataset, model_dir = datasets.load("sample"), Path("../build/model")
if not (model_dir / "manifest.json").exists():
    training.train(dataset, model_dir, progress=False)
packed = model_data.pack(model_dir, Path("../build/model.tar.gz"))
print("model data:", packed.path.name)

# %% [markdown]
# ## A registry of your own
#
# The program Debian packages as `docker-registry` speaks the protocol every registry speaks.
# The Docker engine trusts addresses that begin with 127 without a certificate, so nothing has to
# be set up.

# %%
registry = local.LocalRegistry()
print("a registry listens on", registry.address.split(":")[0])

# %% [markdown]
# ## Build and push
#
# `build_and_push.sh` builds for the instance type you name, tags with the git commit, pushes, and
# reads the manifest back. Everything it says goes to stderr; the one line on stdout is the
# image's immutable address, `repository@sha256:...`. A tag such as `latest` can be moved to another
# image while your endpoint lives; a digest cannot.

# %%
import os
import subprocess

environ = {**os.environ, "REGISTRY": registry.address, "INSTANCE_TYPE": "ml.m5.large"}
command = ["../build_and_push.sh", "byoi"]
pushed = subprocess.run(command, env=environ, capture_output=True, text=True)
assert pushed.returncode == 0, pushed.stderr
image_uri = pushed.stdout.strip()
print("pushed:", image_uri.replace(registry.address, "registry").split("@")[0], "by its sha256")

# %% [markdown]
# ## What arrived
#
# SageMaker's `CreateModel` takes one kind of manifest: Docker's, for one image. Builders of today
# like to write an OCI index with attestations beside the image, which looks the same in
# `docker images` and is refused with *Unsupported manifest media type*. And an image built on an
# ARM laptop ends on an x86 instance with *exec format error*. The script has checked both; here
# is what it looked at.

# %%
repository, digest = image_uri.removeprefix(f"{registry.address}/").split("@")
remote = Registry(registry.address)
manifest = remote.manifest(repository, digest)
print(manifest.media_type)
print(remote.platform(repository, manifest))

# %% [markdown]
# ## Deploy what was pushed
#
# Local mode again, as in [the second notebook](02_local_mode.ipynb), this time with the image's
# immutable address. On AWS the call is the same: `session` and `instance_type` differ. The names
# are given, because the SDK would make them from the address, and `@` is not allowed in one.

# %%
from sagemaker.model import Model
from sagemaker.predictor import Predictor
from sagemaker.utils import name_from_base

session, name = hosting.LocalSession(), name_from_base("byoi-pushed")
model = Model(
    name=name,
    image_uri=image_uri,
    model_data=f"file://{packed.path.resolve()}",
    role=hosting.LOCAL_ROLE,
    predictor_cls=Predictor,
    sagemaker_session=session,
)

# %%
predictor = model.deploy(
    endpoint_name=name,
    initial_instance_count=1,
    instance_type="local",
    serializer=ReviewSerializer(),
    deserializer=PredictionDeserializer(),
)
endpoint = hosting.Endpoint(predictor)
print(session.describe_endpoint(name)["EndpointStatus"])

# %%
reviews = ["A wonderful film, I loved it.", "A dull, clumsy and boring film."]
for review, (negative, positive) in zip(reviews, predictor.predict(reviews)):
    print(f"{'positive' if positive > negative else 'negative'}: {review}")

# %% [markdown]
# Two reviews prove little. All held-out reviews, as raw text through the pushed image, against
# what the network answered for them when it was trained:

# %%
texts, labels = dataset.held_out.texts, dataset.held_out.labels
answers = predictor.predict(list(texts))
accuracy = float((answers.argmax(axis=1) == labels).mean())
offline = Manifest.read(model_dir).held_out_accuracy
print("accuracy through the endpoint as in training:", abs(accuracy - offline) < 0.002)

# %% [markdown]
# ## What can go wrong
#
# The instance type needs another processor than the image was built for. Without the check you
# would learn it from a log, minutes after the deployment began:

# %%
try:
    needed = deployment.platform_of("ml.c7g.large")
    deployment.check_image(remote, repository, digest, needed)
except errors.RegistryError as error:
    print("refused:", str(error).split(f"{digest}: ")[1].split(".")[0])

# %% [markdown]
# Other messages stand in [troubleshooting](../docs/troubleshooting.md#image-and-push).
#
# ## Clean up
#
# Endpoint, configuration, model, container; the registry with what it holds; and the names the
# push gave to the image.

# %%
endpoint.delete()
registry.stop()
(tag,) = [word for word in pushed.stderr.split() if word.startswith(f"{registry.address}/byoi:")]
subprocess.run(["docker", "rmi", tag], capture_output=True, check=True)
subprocess.run(["docker", "rmi", image_uri], capture_output=True)
left = subprocess.run(["docker", "images", "--quiet", tag], capture_output=True, text=True)
assert endpoint.remains() == [] and left.stdout == ""
print("cleaned up; left:", endpoint.remains())

# %% [markdown]
# ## What next
#
# * Push to your account: the same command without `REGISTRY`, with your AWS credentials. The
#   repository is created if it is missing, scans what is pushed, and expires untagged images.
# * Put in your own model: [Your own model](../README.md#your-own-model) in the README.
