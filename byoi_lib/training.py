"""From labelled reviews to a model directory.

Reviews of unlike length in batches of like length, so that little is spent on padding.

Fitting the network: the recipe, and the passes over the batches.
"""

import math
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from byoi import errors
from byoi.digest import MANIFEST_FILE
from byoi_lib import preprocessing, runtime
from byoi_lib._tensorflow import keras, tf
from byoi_lib.datasets import Dataset
from byoi_lib.manifest import (
    KERAS_FILE,
    ONNX_FILE,
    VOCABULARY_FILE,
    Golden,
    Manifest,
    digests,
)
from byoi_lib.model import ModelConfig, build_model
from byoi_lib.report import Evaluation, Training
from byoi_lib.vocabulary import INDEX_FROM, Vocabulary

# Lengths are shaken by up to this many tokens before they are sorted, so that each
# epoch puts other reviews together.
_SHAKE_TOKENS = 16


@dataclass
class Batches:
    """Token ids and labels, cut into batches; iterate once for each epoch.

    Attributes:
        rows: n arrays of token ids.
        labels: Shape (n,), int32.
        batch_size: Most reviews in one batch.
        order: Shakes lengths and shuffles batches, anew in each epoch. None keeps
            them sorted by length.
    """

    rows: Sequence[preprocessing.TokenIds]
    labels: npt.NDArray[np.int32]
    batch_size: int
    order: np.random.Generator | None = None

    def __len__(self) -> int:
        return math.ceil(len(self.rows) / self.batch_size)

    def __iter__(self) -> Iterator[tuple[preprocessing.TokenIds, npt.NDArray[np.int32]]]:
        """Yield token ids of shape (batch, width), padded on the left, and labels (batch,)."""
        for chosen in self.indices():
            yield preprocessing.pad([self.rows[row] for row in chosen]), self.labels[chosen]

    def indices(self) -> list[npt.NDArray[np.intp]]:
        """Return the row numbers of each batch, every row in exactly one."""
        lengths = np.array([len(row) for row in self.rows], np.float64)
        if self.order is not None:
            lengths += self.order.uniform(0, _SHAKE_TOKENS, len(lengths))
        rows = np.argsort(lengths, kind="stable")
        batches = [rows[i : i + self.batch_size] for i in range(0, len(rows), self.batch_size)]
        if self.order is not None:
            batches = [batches[i] for i in self.order.permutation(len(batches))]
        return batches


@dataclass(frozen=True)
class Recipe:
    """How the network learns.

    Attributes:
        epochs: Passes over the training part.
        batch_size: Reviews in one step.
        learning_rate: Its largest value; it rises to it and falls along a cosine.
        warm_up: Share of all steps in which it rises.
    """

    epochs: int = 3
    batch_size: int = 64
    learning_rate: float = 4e-3
    warm_up: float = 0.1

    @classmethod
    def for_reviews(cls, count: int) -> Self:
        """Choose a recipe for `count` reviews: few reviews are read more often."""
        return cls(epochs=max(3, min(12, math.ceil(18_000 / max(count, 1)))))


def fit(
    network: keras.Model, train_part: Batches, curve: Batches, recipe: Recipe, progress: bool
) -> dict[str, list[float]]:
    """Train `network` in place.

    Args:
        network: Takes token ids, shape (batch, width), and gives two probabilities a row.
        train_part: What it learns from.
        curve: Held-out reviews it is judged by after each epoch.
        recipe: How it learns.
        progress: Draw a bar for each epoch on stderr.

    Returns:
        `loss`, `accuracy`, `held_out_loss` and `held_out_accuracy`: a number for each epoch.
    """
    steps = recipe.epochs * len(train_part)
    rising = int(steps * recipe.warm_up)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0,
        steps - rising,
        alpha=0.01,
        warmup_target=recipe.learning_rate,
        warmup_steps=rising,
    )
    network.compile(
        keras.optimizers.Adam(rate),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,  # a compilation for each width costs more than it saves
    )
    history = network.fit(
        _stream(train_part),
        validation_data=_stream(curve),
        epochs=recipe.epochs,
        shuffle=False,  # each pass over the batches is in another order already
        verbose=0,
        callbacks=[_Progress(recipe.epochs, len(train_part))] if progress else [],
    ).history
    names = {"val_loss": "held_out_loss", "val_accuracy": "held_out_accuracy"}
    return {names.get(name, name): values for name, values in history.items()}


class _Progress(keras.callbacks.Callback):  # type: ignore[misc]
    """One bar for each epoch, on stderr, so that stdout holds results only."""

    def __init__(self, epochs: int, steps: int) -> None:
        super().__init__()
        self._epochs, self._steps = epochs, steps

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        self._bar = tqdm(
            total=self._steps,
            desc=f"epoch {epoch + 1}/{self._epochs}",
            unit="batch",
            # In a log each step of the bar is a line.
            mininterval=0.1 if sys.stderr.isatty() else 5.0,
        )

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        self._bar.update()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        logs = logs or {}
        self._bar.set_postfix(
            {name: f"{logs[name]:.3f}" for name in ("loss", "accuracy", "val_accuracy")}
        )
        self._bar.close()


def _stream(batches: Batches) -> tf.data.Dataset:
    """Let TensorFlow make the next batch while it works on this one; widths stay free."""

    def generate() -> Iterator[Any]:
        yield from batches

    signature = (tf.TensorSpec((None, None), tf.int32), tf.TensorSpec((None,), tf.int32))
    stream = tf.data.Dataset.from_generator(generate, output_signature=signature)
    return stream.apply(tf.data.experimental.assert_cardinality(len(batches))).prefetch(2)


__all__ = ["Recipe", "Training", "train"]

# Held-out reviews shown in the learning curves; the final accuracy is that of all.
_CURVE_REVIEWS = 1_000
_GOLDEN_TOKENS = 40
_PREDICTION_BATCH = 256
_MAKERS = ("byoi", "keras", "tensorflow", "tf2onnx", "onnx", "onnxruntime", "numpy")


def train(  # noqa: PLR0913 - each of them is one decision of the caller
    dataset: Dataset,
    model_dir: Path,
    *,
    config: ModelConfig | None = None,
    recipe: Recipe | None = None,
    seed: int = 0,
    progress: bool = True,
) -> Training:
    """Fit the classifier and write network, vocabulary and manifest to `model_dir`.

    Args:
        dataset: Reviews to learn from and to be judged by.
        model_dir: Made where absent; may hold an earlier model directory.
        config: Sizes of the network, by default those that suit the lengths of the
            reviews; the vocabulary is no larger than the data's.
        recipe: How it learns, by default what suits the number of reviews.
        seed: Fixes weights, order and dropout; equal arguments on one machine give
            equal accuracy.
        progress: Draw a bar for each epoch on stderr.

    Raises:
        ConfigurationError: `model_dir` holds files of another kind.
        DatasetError: The word index cannot be used.
        ModelDataError: The ONNX file does not answer as the network does.
    """
    started_s = time.monotonic()
    recipe = recipe or Recipe.for_reviews(len(dataset.train))
    _prepare(model_dir)
    words = max(dataset.word_index.values(), default=1) + INDEX_FROM + 1
    size = min((config or ModelConfig).vocabulary_size, words)
    vocabulary = Vocabulary.from_word_index(dataset.word_index, size=size)
    length = (config or ModelConfig).max_length
    train_rows = dataset.train.token_ids(vocabulary, max_length=length)
    config = config or ModelConfig.for_lengths(len(row) for row in train_rows)
    config = replace(config, vocabulary_size=size)
    held_out_rows = dataset.held_out.token_ids(vocabulary, max_length=config.max_length)
    points = min(_CURVE_REVIEWS, len(held_out_rows))
    curve = np.unique(np.linspace(0, len(held_out_rows) - 1, points, dtype=int))

    keras.utils.set_random_seed(seed)
    learner = build_model(config)
    fit_started_s = time.monotonic()
    history = fit(
        learner,
        Batches(train_rows, dataset.train.labels, recipe.batch_size, np.random.default_rng(seed)),
        Batches(
            [held_out_rows[row] for row in curve], dataset.held_out.labels[curve], _PREDICTION_BATCH
        ),
        recipe,
        progress,
    )
    fit_s = time.monotonic() - fit_started_s
    # The optimizer's memory would make the file three times as large, and serves nobody.
    network = build_model(config)
    network.set_weights(learner.get_weights())

    evaluation = Evaluation(dataset.held_out.labels, predict(network, held_out_rows))
    network.save(model_dir / KERAS_FILE)
    runtime.write_onnx(network, model_dir / ONNX_FILE)
    difference = runtime.compare_onnx(network, model_dir / ONNX_FILE, held_out_rows)
    vocabulary.save(model_dir / VOCABULARY_FILE)
    Manifest(
        created_with={"python": platform.python_version()}
        | {maker: metadata.version(maker) for maker in _MAKERS},
        config=asdict(config),
        files=digests(model_dir),
        training_data={
            "name": dataset.name,
            "sha256": dataset.sha256,
            "reviews": len(dataset.train),
            "held_out_reviews": len(dataset.held_out),
            "seed": seed,
        }
        | asdict(recipe),
        held_out_accuracy=evaluation.accuracy,
        golden=_golden(dataset, held_out_rows, vocabulary, config, model_dir),
    ).write(model_dir)
    return Training(
        model_dir=model_dir,
        data_name=dataset.name,
        note=dataset.note,
        train_reviews=len(dataset.train),
        evaluation=evaluation,
        history=history,
        fit_s=fit_s,
        total_s=time.monotonic() - started_s,
        onnx_difference=difference,
    )


def predict(
    network: keras.Model, rows: Sequence[preprocessing.TokenIds]
) -> npt.NDArray[np.float32]:
    """Return the probabilities of n reviews, shape (n, 2), float32, in the order of `rows`."""
    step = tf.function(network, input_signature=[tf.TensorSpec((None, None), tf.int32)])
    probabilities = np.empty((len(rows), 2), np.float32)
    batches = Batches(rows, np.zeros(len(rows), np.int32), _PREDICTION_BATCH)
    for chosen in batches.indices():
        probabilities[chosen] = step(preprocessing.pad([rows[row] for row in chosen])).numpy()
    return probabilities


def _prepare(model_dir: Path) -> None:
    """Make the directory; what is in it already must be a model directory's files."""
    ours = {KERAS_FILE, ONNX_FILE, VOCABULARY_FILE, MANIFEST_FILE}
    model_dir.mkdir(parents=True, exist_ok=True)
    foreign = sorted({path.name for path in model_dir.iterdir()} - ours)
    if foreign:
        raise errors.ConfigurationError(
            f"{model_dir}: holds {', '.join(foreign[:3])}, expected an empty directory or an "
            "earlier model directory; name another one"
        )
    # Without its manifest a half-written directory is refused instead of served.
    (model_dir / MANIFEST_FILE).unlink(missing_ok=True)


def _golden(
    dataset: Dataset,
    rows: Sequence[preprocessing.TokenIds],
    vocabulary: Vocabulary,
    config: ModelConfig,
    model_dir: Path,
) -> tuple[Golden, ...]:
    """Answer two held-out reviews of each label that are easy to read: near 40 words."""
    near = sorted(range(len(rows)), key=lambda row: abs(len(rows[row]) - _GOLDEN_TOKENS))
    labels = dataset.held_out.labels
    chosen = [row for label in (1, 0) for row in [r for r in near if labels[r] == label][:2]]
    exported = runtime.OnnxNetwork(model_dir / ONNX_FILE, threads=1)
    golden = []
    for row in chosen:
        text = dataset.held_out_text(row)
        token_ids = preprocessing.encode([text], vocabulary, max_length=config.max_length)
        negative, positive = exported.predict(preprocessing.pad(token_ids))[0].tolist()
        golden.append(Golden(text, int(labels[row]), (negative, positive)))
    return tuple(golden)
