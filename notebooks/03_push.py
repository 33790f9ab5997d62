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
# SageMaker pulls your image from a registry. This notebook pushes it to a registry on your
# machine, reads it back, checks that SageMaker would accept it, and verifies that the pushed image
# gives the same predictions as the trained model. Without `REGISTRY`, the same command pushes to
# the Amazon ECR of your account.
#
# ![The journey: train, serve, and where it runs](../docs/journey.svg)
#
# **You will learn**
#
# * what `build_and_push.sh` does, and why it names an image by its digest;
# * the two properties of an image that SageMaker refuses, and how to check them before you deploy;
# * how to deploy exactly the image that was pushed.
#
# **Time** about two minutes; the first build of the image takes longer. **Cost** nothing: no AWS
# account. **Needs** Docker, and Debian's package `docker-registry` for the registry.

# %% [markdown]
# ## Check the version of the SDK
#
# The notebooks use version 2 of the SDK; version 3 has other classes
# ([docs/sdk-3.md](../docs/sdk-3.md) shows both).

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
# This uses the model directory of [the first notebook](01_train.ipynb). If there is none, the
# model is trained now.

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
# ## Start a registry
#
# Debian's package `docker-registry` contains a registry with the same protocol as any other. The
# Docker engine accepts registries on addresses that begin with 127 without a certificate, so no
# set-up is necessary.

# %%
registry = local.LocalRegistry()
print("a registry listens on", registry.address.split(":")[0])

# %% [markdown]
# ## Build and push
#
# `build_and_push.sh` builds the image for the instance type that you name, tags it with the git
# commit, pushes it, and reads the manifest back. Its messages go to stderr. The only line on
# stdout is the immutable address of the image, `repository@sha256:...`. A tag such as `latest` can
# be moved to another image while your endpoint runs; a digest cannot.

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
# ## Check the pushed image
#
# SageMaker's `CreateModel` accepts only Docker's manifest of a single image. By default, current
# builders write an OCI index with attestations. It looks the same in `docker images`, but
# SageMaker refuses it with *Unsupported manifest media type*. The second property is the platform:
# an image built on an ARM laptop fails on an x86 instance with *exec format error*. The script has
# checked both properties; this cell shows them.

# %%
repository, digest = image_uri.removeprefix(f"{registry.address}/").split("@")
remote = Registry(registry.address)
manifest = remote.manifest(repository, digest)
print(manifest.media_type)
print(remote.platform(repository, manifest))

# %% [markdown]
# ## Deploy the pushed image
#
# This uses local mode as in [the second notebook](02_local_mode.ipynb), but with the immutable
# address of the image. On AWS the call is the same, with another `session` and `instance_type`.
# The model needs an explicit name, because the SDK would derive one from the address, and a name
# must not contain `@`.

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
# This compares the accuracy on all held-out reviews, sent as plain text to the pushed image, with
# the accuracy measured during training:

# %%
texts, labels = dataset.held_out.texts, dataset.held_out.labels
answers = predictor.predict(list(texts))
accuracy = float((answers.argmax(axis=1) == labels).mean())
offline = Manifest.read(model_dir).held_out_accuracy
print("accuracy through the endpoint as in training:", abs(accuracy - offline) < 0.002)

# %% [markdown]
# ## What can go wrong
#
# If the image was built for another processor than the instance type has, the check reports it
# now. Without the check, the deployment would fail after minutes, and only the log would show the
# cause:

# %%
try:
    needed = deployment.platform_of("ml.c7g.large")
    deployment.check_image(remote, repository, digest, needed)
except errors.RegistryError as error:
    print("refused:", str(error).split(f"{digest}: ")[1].split(".")[0])

# %% [markdown]
# [Troubleshooting](../docs/troubleshooting.md#image-and-push) lists other error messages.
#
# ## Clean up
#
# This deletes the endpoint, its configuration, the model and the container, the registry with its
# content, and the tags that the push added to the image.

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
# * Push to your account: run the same command without `REGISTRY`, with your AWS credentials. It
#   creates the repository if it is missing, with scanning on push and expiry of untagged images.
# * Use your own model: [Your own model](../README.md#your-own-model) in the README.
