"""Accuracy and time of training on IMDB, beside the network of the Keras example.

    .venv/bin/python benchmarks/training.py ../shared/data/imdb/imdb.npz

For each seed it trains ours with default options (every step of `byoi train`), then the Keras
code example "Text classification with Transformer" for two epochs on the same reviews, each
in a process of its own, one after the other, so that both meet the same machine. It prints
a Markdown table.

`--choose` trains and judges on parts of the train half only (20,000 and 5,000 reviews, a
fixed choice): what options are chosen by, so that the test half stays unseen.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from byoi_lib import datasets, training
from byoi_lib._tensorflow import keras, tf

# Of the example: vocabulary, length, embedding, heads, feed-forward units, batch, epochs.
VOCABULARY, LENGTH, DIM, HEADS, UNITS, BATCH, EPOCHS = 20_000, 200, 32, 2, 32, 32, 2
CHOOSE_SEED, CHOOSE_HELD_OUT = 12_345, 5_000


class ExampleBlock(keras.layers.Layer):
    """The example's TransformerBlock."""

    def __init__(self) -> None:
        super().__init__()
        layers = keras.layers
        self.att = layers.MultiHeadAttention(num_heads=HEADS, key_dim=DIM)
        self.ffn = keras.Sequential([layers.Dense(UNITS, activation="relu"), layers.Dense(DIM)])
        self.layernorm1 = layers.LayerNormalization(epsilon=1e-6)
        self.layernorm2 = layers.LayerNormalization(epsilon=1e-6)
        self.dropout1, self.dropout2 = layers.Dropout(0.1), layers.Dropout(0.1)

    def build(self, input_shape: Any) -> None:
        """Make the weights."""
        self.att.build(input_shape, input_shape)
        for part in (self.ffn, self.layernorm1, self.layernorm2):
            part.build(input_shape)
        self.built = True

    def call(self, inputs: Any, training: Any = None) -> Any:
        """As in the example."""
        attended = self.dropout1(self.att(inputs, inputs), training=training)
        out1 = self.layernorm1(inputs + attended)
        return self.layernorm2(out1 + self.dropout2(self.ffn(out1), training=training))


class ExampleEmbedding(keras.layers.Layer):
    """The example's TokenAndPositionEmbedding."""

    def __init__(self) -> None:
        super().__init__()
        self.token_emb = keras.layers.Embedding(VOCABULARY, DIM)
        self.pos_emb = keras.layers.Embedding(LENGTH, DIM)

    def build(self, input_shape: Any) -> None:
        """Make the tables."""
        self.token_emb.build(input_shape)
        self.pos_emb.build((LENGTH,))
        self.built = True

    def call(self, x: Any) -> Any:
        """As in the example."""
        return self.token_emb(x) + self.pos_emb(keras.ops.arange(LENGTH))


def example(dataset: datasets.Dataset, seed: int) -> dict[str, float]:
    """Train the example's network for two epochs, compiled and fitted as it is there."""
    parts = [
        keras.utils.pad_sequences(
            [[1, *(r + 3 if r + 3 < VOCABULARY else 2 for r in ranks)] for ranks in part.ranks],
            maxlen=LENGTH,
        )
        for part in (dataset.train, dataset.held_out)
    ]
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    inputs = layers.Input((LENGTH,))
    x = ExampleBlock()(ExampleEmbedding()(inputs))
    x = layers.Dropout(0.1)(layers.GlobalAveragePooling1D()(x))
    x = layers.Dropout(0.1)(layers.Dense(20, activation="relu")(x))
    network = keras.Model(inputs, layers.Dense(2, activation="softmax")(x))
    started_s = time.monotonic()
    network.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    network.fit(parts[0], dataset.train.labels, batch_size=BATCH, epochs=EPOCHS, verbose=0)
    fit_s = time.monotonic() - started_s
    _, accuracy = network.evaluate(parts[1], dataset.held_out.labels, batch_size=256, verbose=0)
    return {"accuracy": accuracy, "fit_s": fit_s, "total_s": time.monotonic() - started_s}


def ours(dataset: datasets.Dataset, seed: int) -> dict[str, float]:
    """Train with default options, model directory and checks included."""
    with tempfile.TemporaryDirectory() as directory:
        done = training.train(dataset, Path(directory), seed=seed, progress=False)
    return {"accuracy": done.held_out_accuracy, "fit_s": done.fit_s, "total_s": done.total_s}


def chosen_from_train(dataset: datasets.Dataset) -> datasets.Dataset:
    """Return the train half alone, cut into two parts that are always the same."""
    order = np.random.default_rng(CHOOSE_SEED).permutation(len(dataset.train))

    def part(rows: Any) -> datasets.Reviews:
        ranks = dataset.train.ranks
        return datasets.Reviews(dataset.train.labels[rows], ranks=[ranks[row] for row in rows])

    return replace(
        dataset, held_out=part(order[:CHOOSE_HELD_OUT]), train=part(order[CHOOSE_HELD_OUT:])
    )


def main() -> None:
    """Run every seed of both networks and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, metavar="imdb.npz")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--choose", action="store_true", help="leave the test half unseen")
    parser.add_argument("--only", choices=["ours", "example"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        dataset = datasets.load(options.data)
        dataset = chosen_from_train(dataset) if options.choose else dataset
        run = {"ours": ours, "example": example}[options.only]
        print(json.dumps(run(dataset, options.seeds[0])))
        return
    print(f"{time.strftime('%Y-%m-%d')}, {platform.processor() or platform.machine()}, ", end="")
    print(f"{len(tf.config.list_physical_devices('CPU'))} device, Python ", end="")
    print(f"{platform.python_version()}, TensorFlow {metadata.version('tensorflow')}, ", end="")
    print(f"Keras {metadata.version('keras')}\n")
    print("| seed | accuracy | fit | whole run | example's accuracy | its fit | ratio of fits |")
    print("|--:|--:|--:|--:|--:|--:|--:|", flush=True)
    accuracies, ratios = [], []
    for seed in options.seeds:
        mine, other = (_separate(options, name, seed) for name in ("ours", "example"))
        accuracies.append(mine["accuracy"])
        ratios.append(mine["fit_s"] / other["fit_s"])
        print(
            f"| {seed} | {mine['accuracy']:.4f} | {mine['fit_s']:.1f} s | {mine['total_s']:.1f} s "
            f"| {other['accuracy']:.4f} | {other['fit_s']:.1f} s | {ratios[-1]:.2f} |",
            flush=True,
        )
    print(f"\nmedian accuracy {statistics.median(accuracies):.4f}, ", end="")
    print(f"median ratio {statistics.median(ratios):.2f}")


def _separate(options: argparse.Namespace, name: str, seed: int) -> dict[str, float]:
    """Run one training in a process of its own."""
    command = [sys.executable, __file__, str(options.data), "--only", name, "--seeds", str(seed)]
    command += ["--choose"] if options.choose else []
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


if __name__ == "__main__":
    main()
