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
# # 6. Your own model
#
# This notebook trains a scikit-learn model on generated data and deploys it. You write a script
# with two functions. At the end, the same model is served from one ONNX file without a script.
#
# **It runs on this machine**: in SageMaker local mode, then against [the
# emulator](../docs/emulator.md). With `BYOI_PLATFORM=aws`, `BYOI_ROLE_ARN` and `BYOI_BUCKET` in
# the environment, the same cells deploy to your AWS account.
#
# ![The journey: train, serve, and where it runs](../docs/journey.svg)
#
# **You will learn**
#
# * which functions a script has, and how `entry_point` brings it into the container;
# * how to build an image with the packages that your model needs;
# * how a model file is served without a script, and how it responds to an invalid request.
#
# **Time** about a minute, and another minute for the image the first time. **Cost** nothing on
# this machine; on AWS the price of two `ml.m5.large` while they run. **Needs** Docker with
# compose, the image `byoi:latest` (`make image`), and a package index for scikit-learn. Without
# Docker, local mode is skipped and the emulator runs the same server as processes.

# %%
from importlib.metadata import version

from packaging.version import Version

assert Version("2.257") <= Version(version("sagemaker")) < Version("3"), (
    "version 3 has other classes, see docs/sdk-3.md: pip install 'sagemaker[local]>=2.257,<3'"
)
print("sagemaker", Version(version("sagemaker")).major)

# %% [markdown]
# ## Train
#
# The data are points on two half moons. A small neural network learns to which moon a point
# belongs.

# %%
from sklearn.datasets import make_moons
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

points, moons = make_moons(1_000, noise=0.2, random_state=7)
learned, asked, known, right = train_test_split(points, moons, random_state=7)
network = MLPClassifier((20, 20), max_iter=2_000, random_state=7)
classifier = make_pipeline(StandardScaler(), network)
classifier.fit(learned, known)
offline = classifier.predict_proba(asked)
accuracy = classifier.score(asked, right)
print(f"{len(asked)} points held out; accuracy: more than {int(accuracy * 10) * 10} %")

# %% [markdown]
# The colour is the predicted probability at each place; the points are the held-out ones. The
# model is uncertain only where the moons meet.

# %%
from matplotlib import pyplot
from sklearn.inspection import DecisionBoundaryDisplay

axes = pyplot.figure(figsize=(7, 3.2)).subplots()
settings = {"response_method": "predict_proba", "levels": 20, "cmap": "PuOr", "alpha": 0.8}
DecisionBoundaryDisplay.from_estimator(classifier, points, ax=axes, **settings)
axes.scatter(*asked.T, c=right, cmap="PuOr", edgecolors="white", s=25)
axes.set(xlabel="first number", ylabel="second number", title="which moon?")
pyplot.show()

# %% [markdown]
# ## Your files
#
# You provide a file with the model, and a script. `model_fn` loads the file once in each worker,
# and `predict_fn` gets the numbers of a request. Functions that the script does not define have
# defaults, which read and write JSON, CSV and NPY. For your own project, `byoi init` writes such a
# script.

# %%
from pathlib import Path

import joblib

from byoi import deployment, emulator, hosting, model_data

own, made = Path("own_model"), Path("../build/moons")
folder = made / "model"
folder.mkdir(parents=True, exist_ok=True)
joblib.dump(classifier, folder / "classifier.joblib")
packed = model_data.pack(folder, folder.with_suffix(".tar.gz"), needs_manifest=False)
print("model data:", packed.names)
print((own / "inference.py").read_text())

# %% [markdown]
# ## An image with your packages
#
# The serving image has NumPy and ONNX Runtime. Your image also needs scikit-learn, in the version
# that saved the model: `byoi image` writes a short Dockerfile and builds it. Without Docker, the
# server uses the packages of this environment.

# %%
import subprocess
import sys

rehearsal, image = emulator.rehearse(), "byoi:latest"
needed = made / "image" / "requirements.txt"
needed.parent.mkdir(exist_ok=True)
needed.write_text(f"scikit-learn=={version('scikit-learn')}\n")
if rehearsal.runs_images:
    image = "byoi-moons:latest"
    build = [sys.executable, "-m", "byoi.cli", "image", needed.parent, "--tag", image]
    built = subprocess.run(build, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
print("on this machine:", rehearsal.is_emulated)

# %% [markdown]
# ## Deploy in local mode
#
# `entry_point` is the script, and `source_dir` is its folder, with everything that it imports. The
# SDK adds them to the archive with the model data and passes their names to the container.

# %%
from sagemaker.deserializers import JSONDeserializer
from sagemaker.model import Model
from sagemaker.predictor import Predictor
from sagemaker.serializers import JSONSerializer

script = {"entry_point": "inference.py", "source_dir": str(own), "predictor_cls": Predictor}
codecs = {"serializer": JSONSerializer(), "deserializer": JSONDeserializer()}
if rehearsal.runs_images:
    where = {"role": hosting.LOCAL_ROLE, "sagemaker_session": hosting.LocalSession()}
    model = Model(image, f"file://{packed.path.resolve()}", **script, **where)
    endpoint = hosting.Endpoint(model.deploy(1, "local", **codecs))
    print("the first point:", [round(one, 1) for one in endpoint.predictor.predict(asked[:1])[0]])
    endpoint.delete()
    print("remains:", endpoint.remains())

# %% [markdown]
# ## Deploy on the emulator or on AWS
#
# Now the image is pushed to ECR, the model data are uploaded to S3, and the execution role is
# used.

# %%
import os
from datetime import UTC, datetime, timedelta

session, role, name = hosting.aws_session(), os.environ["BYOI_ROLE_ARN"], "byoi-moons"
if rehearsal.runs_images:
    pushed = subprocess.run(["../build_and_push.sh", image], capture_output=True, text=True)
    assert pushed.returncode == 0, pushed.stderr
    image = pushed.stdout.strip()
data = session.upload_data(str(packed.path), key_prefix=f"byoi/{name}")
later = datetime.now(UTC) + timedelta(hours=8)
print("the image's address names its content:", "@sha256:" in image)

# %% [markdown]
# The `Model` is the same as before; the tags record the owner and the expiry. For all held-out
# points, the endpoint must give the same probabilities as the model in this notebook.

# %%
import numpy as np

bucket = f"s3://{session.default_bucket()}/byoi/{name}"
model = Model(
    image, data, role, name=name, code_location=bucket, sagemaker_session=session, **script
)
machine = {"initial_instance_count": 1, "instance_type": "ml.m5.large", "wait": False, **codecs}
marks = deployment.make_tags(name, expires=later)
predictor = model.deploy(endpoint_name=name, tags=marks, **machine)
print(deployment.wait(session.sagemaker_client, name)["EndpointStatus"])
served = np.array(predictor.predict(asked))
print("the same as offline to 1e-6:", np.abs(served - offline).max() <= 1e-6)

# %% [markdown]
# ## Deploy the same model without a script
#
# A model file that declares its inputs and outputs needs no script. An ONNX file does:
# `model.onnx`, alone in the model data, is served as it is. For ONNX, the image needs no
# scikit-learn, so `byoi:latest` is enough. Files of Keras, XGBoost and LightGBM are served in the
# same way if the image has their library.

# %%
import skl2onnx

alone = made / "onnx"
alone.mkdir(exist_ok=True)
exported = skl2onnx.to_onnx(classifier, points[:1].astype("float32"))
(alone / "model.onnx").write_bytes(exported.SerializeToString())
lone = model_data.pack(alone, alone.with_suffix(".tar.gz"), needs_manifest=False)
data = session.upload_data(str(lone.path), key_prefix=f"byoi/{name}")
model = Model(image, data, role, Predictor, name=f"{name}-onnx", sagemaker_session=session)
marks = deployment.make_tags(model.name, expires=later)
plain = model.deploy(endpoint_name=model.name, tags=marks, **machine)
print(deployment.wait(session.sagemaker_client, model.name)["EndpointStatus"], lone.names)
answers = plain.predict({"instances": asked})["predictions"]
served = np.array([one["output_probability"] for one in answers])
print("the same as offline to 1e-5:", np.abs(served - offline).max() <= 1e-5)

# %% [markdown]
# ## What can go wrong
#
# **A request of the wrong shape.** With the script, scikit-learn raises an exception, and the
# client gets a 500 with a request id; the cause is in the log. Without a script, every request is
# checked against the signature in the file, and the client gets a 400 with the name of the input,
# what was received and what was expected.

# %%
import json

runtime = session.sagemaker_runtime_client
for endpoint_name, body in ((name, b"[[1, 2, 3]]"), (model.name, b'{"instances": [[1, 2, 3]]}')):
    request = {"EndpointName": endpoint_name, "ContentType": "application/json", "Body": body}
    try:
        runtime.invoke_endpoint(**request)
    except runtime.exceptions.ModelError as error:
        said = json.loads(error.response["OriginalMessage"])
        print(error.response["OriginalStatusCode"], said["error"], "|", said["message"])

# %% [markdown]
# **A missing package.** The container ends with one line that names the package. Add it to the
# `requirements.txt` of the image. [Troubleshooting](../docs/troubleshooting.md) lists other error
# messages.
#
# ## Clean up
#
# The endpoints and everything that belongs to them are found by tags and names. The image is
# deleted from the registry and from this machine.

# %%
import shutil

account = deployment.connect()
for thing in [one for one in deployment.find_everything(account) if name in one.name]:
    thing.delete()
left = [str(one) for one in deployment.find_everything(account) if name in one.name]
assert left == [], left
if rehearsal.runs_images:
    account.client("ecr").delete_repository(repositoryName=name, force=True)
rehearsal.stop()
if rehearsal.runs_images:
    found = subprocess.check_output(["docker", "images", "--quiet", "byoi-moons"], text=True)
    subprocess.run(["docker", "image", "rm", "--force", *found.split()], capture_output=True)
shutil.rmtree(made)
print("cleaned up; left:", left)

# %% [markdown]
# ## What next
#
# * `byoi init NAME --kind sklearn` writes a project like this one, with a test and a sample
#   request; `byoi serve --reload` in its folder runs your changes as soon as you save them.
# * [docs/your-own-model.md](../docs/your-own-model.md) shows how to migrate AWS's own sample, file
#   by file.
# * To stream a response, let `output_fn` yield, and call `Predictor.predict_stream`.
