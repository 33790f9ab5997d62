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
# # 99. Clean up
#
# A forgotten endpoint costs money every hour. This notebook finds everything that this project
# created in your account and region, shows it, and deletes it.
#
# **It runs on this machine**, against [the emulator](../docs/emulator.md), where it first creates
# two endpoints to find. With `BYOI_PLATFORM=aws`, `BYOI_ROLE_ARN` and `BYOI_BUCKET` in the
# environment, it searches your AWS account and creates nothing.
#
# ![The journey: train, serve, and where it runs](../docs/journey.svg)
#
# **You will learn**
#
# * how tags record the owner and the expiry of a resource;
# * which resources belong to an endpoint, and how to delete the expired ones, or all;
# * how to list them on the command line.
#
# **Time** half a minute; on AWS the deletion of an endpoint takes a few minutes. **Cost** none.
# Docker is not needed.

# %%
from importlib.metadata import version

from packaging.version import Version

assert Version("2.257") <= Version(version("sagemaker")) < Version("3"), (
    "version 3 has other classes, see docs/sdk-3.md: pip install 'sagemaker[local]>=2.257,<3'"
)
print("sagemaker", Version(version("sagemaker")).major)

# %% [markdown]
# ## Connect

# %%
from byoi import deployment, emulator, errors, model_data
from byoi_lib import datasets, training

rehearsal = emulator.rehearse()
account = deployment.connect()
print("on this machine:", rehearsal.is_emulated)

# %% [markdown]
# ## Create endpoints to find
#
# A new emulator has no endpoints. Therefore this cell deploys two from the command line: one
# expires after a day, the other after a second.

# %%
import subprocess
import sys
from pathlib import Path

model_dir, archive = Path("../build/model"), Path("../build/model.tar.gz")
deploy = [Path(sys.executable).with_name("byoi"), "deploy", "byoi:latest", "--model-data", archive]
if not (model_dir / "manifest.json").exists():
    training.train(datasets.load("sample"), model_dir, progress=False)
packed = model_data.pack(model_dir, archive)

# %%
lasting = {"byoi-kept": "1d", "byoi-over": "1s"}
for name in lasting if rehearsal.is_emulated else ():
    command = [*deploy, "--name", name, "--expires", lasting[name]]
    subprocess.run(command, check=True, capture_output=True)

# %% [markdown]
# ## List the endpoints
#
# This is the same as `byoi endpoints`. An endpoint belongs to this project if it has the tag
# `byoi:endpoint`. Nothing else in the account is ever changed.

# %%
from datetime import UTC, datetime

found = deployment.find_endpoints(account)
for one in found:
    expiry = "expired" if one.is_expired(datetime.now(UTC)) else "not expired"
    print(f"{one.name}: {one.status}, {expiry}, {len(one.parts)} parts")

# %% [markdown]
# ## Delete the expired endpoints
#
# This is the same as `byoi delete --expired`. It deletes each endpoint with its configuration and
# its model, which remain if you delete an endpoint in the console.

# %%
deployment.delete_endpoints(account, deployment.find_expired(found, datetime.now(UTC)))
print("still there:", [one.name for one in deployment.find_endpoints(account)])

# %% [markdown]
# ## Delete everything that this project created
#
# Besides endpoints, this finds stacks, model data in the bucket, log groups, and the image
# repository. `byoi/deployment/inventory.py` says for each kind how it is recognised.

# %%
everything = deployment.find_everything(account)
print("kinds:", sorted({one.kind for one in everything}))

# %%
for thing in everything:
    thing.delete()
left = [str(one) for one in deployment.find_everything(account)]
assert left == [], left
print("cleaned up; left:", left)

# %% [markdown]
# ## What can go wrong
#
# If a name is not an endpoint of this project, nothing is deleted, not even the other endpoints in
# the same call. The error says how to delete it anyway.

# %%
try:
    deployment.delete_endpoints(account, ["somebody-elses"])
except errors.HostingError as error:
    print("refused:", error)

# %% [markdown]
# ## Clean up
#
# Only the emulator is left; this cell stops it. On this machine, images are left as well: `docker
# images 'byoi*'` lists them. On AWS, an image of your own, such as that of
# [06_your_own_model](06_your_own_model.ipynb), stays in the repository of its name: `aws ecr
# delete-repository --repository-name NAME --force`.

# %%
rehearsal.stop()

# %% [markdown]
# ## What next
#
# * Run `byoi delete --expired` in an hourly job to delete forgotten endpoints.
# * [01_train](01_train.ipynb) is the first notebook.
