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
# A forgotten endpoint costs money every hour, and the kernel that made it is long gone. This
# notebook finds everything this project ever made in your account and region, shows it, and
# deletes it.
#
# **It runs on this machine**, against [the emulator](../docs/emulator.md), and leaves a few things
# lying about first, to have something to find. With `BYOI_PLATFORM=aws`, `BYOI_ROLE_ARN` and
# `BYOI_BUCKET` in the environment it looks through your account and makes nothing.
#
# ![The journey: train, serve, and where it runs](../docs/journey.svg)
#
# **You will learn**
#
# * how tags, and not a notebook's memory, say what belongs to whom and until when;
# * what an endpoint leaves behind besides itself, and how to delete what expired, or everything;
# * how to look for it from the command line.
#
# **Time** half a minute; on AWS an endpoint takes a few minutes to go. **Cost** none: it ends what
# costs. **Needs** no Docker.

# %%
from importlib.metadata import version

from packaging.version import Version

assert Version("2.257") <= Version(version("sagemaker")) < Version("3"), (
    "version 3 has other classes, see docs/sdk-3.md: pip install 'sagemaker[local]>=2.257,<3'"
)
print("sagemaker", Version(version("sagemaker")).major)

# %% [markdown]
# ## Where it looks

# %%
from byoi import deployment, emulator, errors, model_data
from byoi_lib import datasets, training

rehearsal = emulator.rehearse()
account = deployment.connect()
print("on this machine:", rehearsal.is_emulated)

# %% [markdown]
# ## Something to find
#
# Nothing was forgotten in an emulator that is a second old. So two endpoints are deployed from the
# command line, one to be kept for a day, the other for a second, and nobody writes down their
# names.

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
# ## What runs
#
# The same as `byoi endpoints`. An endpoint is ours if it has the tag `byoi:endpoint`; everything
# else in the account is never touched.

# %%
from datetime import UTC, datetime

found = deployment.find_endpoints(account)
for one in found:
    expiry = "expired" if one.is_expired(datetime.now(UTC)) else "not expired"
    print(f"{one.name}: {one.status}, {expiry}, {len(one.parts)} parts")

# %% [markdown]
# ## Delete what is over
#
# The same as `byoi delete --expired`. Each endpoint goes with its configuration and its model,
# which the console leaves behind.

# %%
deployment.delete_endpoints(account, deployment.find_expired(found, datetime.now(UTC)))
print("still there:", [one.name for one in deployment.find_endpoints(account)])

# %% [markdown]
# ## Everything this project ever made
#
# Endpoints, and what lies around them: stacks, model data in the bucket, log groups, the image
# repository. `byoi/deployment/inventory.py` says for each kind what makes it ours.

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
# A name that is not ours. Nothing is deleted then, also of the names beside it, and the error says
# how to delete it if you mean it.

# %%
try:
    deployment.delete_endpoints(account, ["somebody-elses"])
except errors.HostingError as error:
    print("refused:", error)

# %% [markdown]
# ## Clean up
#
# That was all; only the emulator itself is left. On this machine, images are left as well:
# `docker images 'byoi*'` lists them, and containers end with what started them. On AWS, an image of
# your own, such as that of [06_your_own_model](06_your_own_model.ipynb), stays in the repository of
# its name: `aws ecr delete-repository --repository-name NAME --force`.

# %%
rehearsal.stop()

# %% [markdown]
# ## What next
#
# * `byoi delete --expired` in a job that runs every hour ends what somebody forgot.
# * [01_train](01_train.ipynb): begin again.
