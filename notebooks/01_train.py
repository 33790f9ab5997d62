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
# # 1. Train a classifier and pack it for SageMaker
#
# You have a model of your own and want it behind a SageMaker endpoint, with your own
# inference code. This first notebook makes the model, and the archive SageMaker calls
# *model data*; [the second](02_local_mode.ipynb) runs it in a container on your machine,
# [the third](03_push.ipynb) pushes that container to a registry.
#
# ![The journey: train, serve, and where it runs](../docs/journey.svg)
#
# **You will learn**
#
# * how a review becomes token ids, and why training and serving must share that code;
# * what the network is, layer by layer, and how well it does on reviews it never saw;
# * what has to be in `model.tar.gz` so that a server can trust it.
#
# **Time** about a minute. **Cost** nothing: no AWS account, no Docker, no download.

# %% [markdown]
# ## The versions this journey is written for
#
# A bare `pip install sagemaker` brings version 3, whose classes are others. The notebooks use
# version 2, whose last day is 6 July 2027, so the pin is checked here, before anything takes
# time. [docs/sdk-3.md](../docs/sdk-3.md) has every step in both versions.

# %%
from importlib.metadata import version

from packaging.version import Version

assert Version("2.257") <= Version(version("sagemaker")) < Version("3"), (
    "version 3 has other classes, see docs/sdk-3.md: pip install 'sagemaker[local]>=2.257,<3'"
)
print("sagemaker", Version(version("sagemaker")).major)

# %% [markdown]
# ## The reviews
#
# The built-in sample is made up by a seeded grammar, so it belongs to nobody and needs no
# download. (`datasets.load("imdb")` fetches the 50,000 real ones instead.) Most reviews are for
# training; the others are *held out*: the network is judged by them and never learns from them.
# Many are hard for a list of good and bad words, like the one that ends better than it begins.

# %%
from byoi import errors, model_data
from byoi_lib import (
    Manifest,
    Vocabulary,
    datasets,
    inference,
    model,
    preprocessing,
    report,
    training,
)

dataset = datasets.load("sample")
print(f"{len(dataset.train):,} reviews to learn from, {len(dataset.held_out):,} held out")
for text, label in list(zip(dataset.held_out.texts, dataset.held_out.labels))[:3]:
    print(f"\n{'positive' if label else 'negative'}: {text}")

# %% [markdown]
# ## One encoder
#
# A network reads numbers. `preprocessing.encode` turns a text into them: lower-case it, split it
# into words, and look each word up. **It is the only code in this project that does so**, and
# the server calls the very same function. That sounds obvious, and it is where the sample this
# project descends from failed: its server looked words up in its own way, so the network was
# asked about reviews nobody had written.
#
# Id 1 marks the start of a text, 2 stands for a rare word, and a word that training never saw
# is dropped.

# %%
vocabulary = Vocabulary.from_word_index(dataset.word_index, size=2_000)
words = {token_id: word.decode() for word, token_id in vocabulary.ids.items()}
(token_ids,) = preprocessing.encode(
    ["The plot is <br />NOT dull, qwertyuiop!"], vocabulary, max_length=400
)
print([words.get(token_id, "(start)") for token_id in token_ids.tolist()])

# %% [markdown]
# ## The network
#
# The transformer classifier of a well-known Keras example, with named layers. Each token gets a
# vector for its word and one for its place; the attention block lets every word look at every
# other, so that "not" can change what "dull" means; pooling makes one vector of them; and two
# numbers come out, the probabilities of *negative* and *positive*.
#
# Padding is masked in every layer and places are counted from the text's own beginning. So a
# review gets the same answer whether it is sent alone or in a batch with a longer one.

# %%
network = model.build_model(model.ModelConfig(vocabulary_size=vocabulary.size))
for layer in network.layers:
    print(f"{layer.name:<22} {layer.count_params():>8,} weights  {tuple(layer.output.shape)}")

# %% [markdown]
# ## Train it
#
# One call: encode, fit, judge by the held-out reviews, save for Keras, export to ONNX, check
# that both give the same answers, and write the model directory. On the command line the same
# is `byoi train --data sample --output build/model`, which also draws a progress bar.

# %%
from pathlib import Path

model_dir = Path("../build/model")
trained = training.train(dataset, model_dir, progress=False)
print(f"accuracy on held-out reviews: more than {int(trained.held_out_accuracy * 10) * 10} %")
print("ONNX and Keras agree to 1e-5:", trained.onnx_difference <= 1e-5)

# %% [markdown]
# ## How well does it do?
#
# The learning curves show whether another epoch would help: where the held-out line stops rising
# while the training line goes on, the network begins to learn its reviews by heart.

# %%
report.learning_curves(trained.history)

# %% [markdown]
# The confusion matrix shows which kind of error it makes, and the calibration plot whether its
# probabilities mean what they say: of the reviews it calls positive with 0.9, are nine in ten
# positive?

# %%
report.confusion_matrix(trained.evaluation)

# %%
report.calibration(trained.evaluation)

# %% [markdown]
# ## The model directory
#
# What the container will get. `model.onnx` is what it runs: ONNX Runtime starts in a fraction of
# a second and keeps TensorFlow out of the image. `manifest.json` has the digest of each file and
# a few *golden texts* with the answers the network gave; a server that loads the directory
# replays them and refuses to serve when an answer differs.

# %%
manifest = Manifest.read(model_dir)
print(sorted(path.name for path in model_dir.iterdir()))
print("labels:", manifest.labels, "| golden texts:", len(manifest.golden))

# %% [markdown]
# ## Ask it
#
# These are the four functions the server calls, with SageMaker's own names: `model_fn` once when
# it starts, the other three for each request. Your own model gets behind an endpoint by a module
# with these four functions.

# %%
import json

loaded = inference.model_fn(model_dir)
request = {"instances": ["A wonderful film, I loved it.", "A dull, clumsy and boring film."]}
data = inference.input_fn(json.dumps(request).encode(), "application/json")
prediction = inference.predict_fn(data, loaded)
body, content_type = inference.output_fn(prediction, "application/json")
for text, (negative, positive) in zip(request["instances"], json.loads(body)["predictions"]):
    print(f"{'positive' if positive > negative else 'negative'}: {text}")

# %% [markdown]
# ## Pack it
#
# SageMaker takes one gzip tar without a parent folder and unpacks it to `/opt/ml/model`. The same
# directory always packs to the same bytes, so its digest can name the model.

# %%
packed = model_data.pack(model_dir, Path("../build/model.tar.gz"))
again = model_data.pack(model_dir, Path("../build/again.tar.gz"))
print("packed twice, same digest:", packed.sha256 == again.sha256)

# %% [markdown]
# ## What can go wrong
#
# A file is damaged on its way, or a vocabulary of another training run gets into the directory.
# The network would still answer, wrongly. Loading refuses instead, and says what to do:

# %%
damaged = Path("../build/damaged")
model_data.unpack(packed.path, damaged)
(damaged / "vocabulary.json").write_text('{"size": 2000, "words": "the a of"}')
try:
    inference.model_fn(damaged)
except errors.ModelDataError as error:
    print(error)

# %% [markdown]
# Other messages you may meet stand in [troubleshooting](../docs/troubleshooting.md), each with its
# remedy.
#
# ## Clean up
#
# What this notebook only made to show something goes. The model directory and `model.tar.gz` stay:
# the next notebook deploys them.

# %%
import shutil

shutil.rmtree(damaged)
again.path.unlink()
assert not damaged.exists() and not again.path.exists()
print("cleaned up; kept:", model_dir.name, "and", packed.path.name)

# %% [markdown]
# ## What next
#
# * [02_local_mode](02_local_mode.ipynb): the same model in the container, started by SageMaker's SDK
#   on your machine.
# * Train on the real thing: `byoi train --data imdb --output build/imdb`.
# * Put in your own model: [Your own model](../README.md#your-own-model) in the README.
