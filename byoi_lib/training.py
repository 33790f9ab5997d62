"""Training: from labelled reviews to a model directory.

The reviews are encoded, batched by similar length to minimise padding, and fitted; the
network is evaluated on the held-out part, exported, and written with its vocabulary and manifest.
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

# Added to the lengths at random, up to this many tokens, before reviews are sorted by length:
# otherwise each epoch would have the same batches.
_NOISE_TOKENS = 16
# Held-out reviews of the learning curves; the final accuracy is that of all.
_CURVE_REVIEWS = 1_000
_PREDICTION_BATCH = 256
# Golden texts are the held-out reviews nearest to this length: easy to read.
_GOLDEN_TOKENS = 40
# Packages whose versions the manifest records.
_MAKERS = ("byoi", "keras", "tensorflow", "onnx", "onnxruntime", "numpy")
_FASTER = "change byoi_lib/export.py as the network was changed, for a graph of fewer nodes"


@dataclass
class Batches:
    """Reviews in batches of similar length; iterate once per epoch.

    Attributes:
        rows: n arrays of token ids, shape (length,), int32.
        labels: Shape (n,), int32, 1 = positive, 0 = negative.
        batch_size: Largest number of reviews in one batch.
        order: Changes and shuffles the batches in each epoch; None keeps them sorted by length.
    """

    rows: Sequence[preprocessing.TokenIds]
    labels: npt.NDArray[np.int32]
    batch_size: int
    order: np.random.Generator | None = None

    def __len__(self) -> int:
        return math.ceil(len(self.rows) / self.batch_size)

    def __iter__(self) -> Iterator[tuple[preprocessing.TokenIds, npt.NDArray[np.int32]]]:
        """Yield token ids (batch, width), padded on the left, and labels (batch,); both int32."""
        for chosen in self.indices():
            yield preprocessing.pad([self.rows[row] for row in chosen]), self.labels[chosen]

    def indices(self) -> list[npt.NDArray[np.intp]]:
        """Return the row numbers of each batch, shape (batch,); every row is in exactly one."""
        lengths = np.array([len(row) for row in self.rows], np.float64)
        if self.order is not None:
            lengths += self.order.uniform(0, _NOISE_TOKENS, len(lengths))
        rows = np.argsort(lengths, kind="stable")
        batches = [rows[i : i + self.batch_size] for i in range(0, len(rows), self.batch_size)]
        if self.order is not None:
            batches = [batches[i] for i in self.order.permutation(len(batches))]
        return batches


@dataclass(frozen=True)
class Recipe:
    """The options of the fit.

    Attributes:
        epochs: Passes over the training part.
        batch_size: Reviews per step.
        learning_rate: The maximum: the rate rises to it linearly, then falls along a cosine.
        warm_up: Share of all steps in which the rate rises, from 0 to 1.
    """

    epochs: int = 3
    batch_size: int = 64
    learning_rate: float = 4e-3
    warm_up: float = 0.1

    @classmethod
    def for_reviews(cls, count: int) -> Self:
        """Choose the recipe for `count` training reviews: the fewer reviews, the more epochs."""
        return cls(epochs=max(3, min(12, math.ceil(18_000 / max(count, 1)))))


def fit(
    network: keras.Model, train_part: Batches, curve: Batches, recipe: Recipe, progress: bool
) -> dict[str, list[float]]:
    """Train `network` in place.

    Args:
        network: Takes token ids, shape (batch, width), int32, and returns probabilities, shape
            (batch, 2), float32.
        train_part: The training reviews.
        curve: Held-out reviews to evaluate the network on after each epoch.
        recipe: The options of the fit.
        progress: Draw a progress bar for each epoch on stderr.

    Returns:
        As `Training.history`.
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
        jit_compile=False,  # compiling for each width costs more than it saves
    )
    history = network.fit(
        _stream(train_part),
        validation_data=_stream(curve),
        epochs=recipe.epochs,
        shuffle=False,  # `Batches` shuffles
        verbose=0,
        callbacks=[_Progress(recipe.epochs, len(train_part))] if progress else [],
    ).history
    names = {"val_loss": "held_out_loss", "val_accuracy": "held_out_accuracy"}
    return {names.get(name, name): values for name, values in history.items()}


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
        dataset: Training and held-out reviews.
        model_dir: Created if necessary; may hold an earlier model directory.
        config: Sizes of the network; None chooses them by the lengths of the reviews. The
            vocabulary is never larger than that of the data.
        recipe: The options of the fit; None chooses them by the number of reviews.
        seed: Fixes weights, order and dropout; equal arguments on one machine give
            equal accuracy.
        progress: Draw a progress bar for each epoch on stderr.

    Raises:
        ConfigurationError: `model_dir` holds files of another kind.
        DatasetError: The word index cannot be used.
        ModelDataError: The ONNX file does not answer as the network does.
        MissingPackageError: The network was changed, and its export needs another package.
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
    runtime.check_export(learner)
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
    # Save without optimizer state: it triples the file and inference never reads it.
    network = build_model(config)
    network.set_weights(learner.get_weights())

    evaluation = Evaluation(dataset.held_out.labels, predict(network, held_out_rows))
    network.save(model_dir / KERAS_FILE)
    reason = runtime.write_onnx(network, model_dir / ONNX_FILE)
    if reason:
        tqdm.write(f"note: {ONNX_FILE} answers slowly: {reason}; {_FASTER}", file=sys.stderr)
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
    """Classify reviews in Keras.

    Args:
        network: As for `fit`.
        rows: n arrays of token ids, shape (length,), int32.

    Returns:
        Shape (n, 2), float32, `[p_negative, p_positive]`, in the order of `rows`.
    """
    step = tf.function(network, input_signature=[tf.TensorSpec((None, None), tf.int32)])
    probabilities = np.empty((len(rows), 2), np.float32)
    batches = Batches(rows, np.zeros(len(rows), np.int32), _PREDICTION_BATCH)
    for chosen in batches.indices():
        probabilities[chosen] = step(preprocessing.pad([rows[row] for row in chosen])).numpy()
    return probabilities


def _prepare(model_dir: Path) -> None:
    """Create the directory, or check that it holds nothing but a model directory's files."""
    ours = {KERAS_FILE, ONNX_FILE, VOCABULARY_FILE, MANIFEST_FILE}
    model_dir.mkdir(parents=True, exist_ok=True)
    foreign = sorted({path.name for path in model_dir.iterdir()} - ours)
    if foreign:
        raise errors.ConfigurationError(
            f"{model_dir}: holds {', '.join(foreign[:3])}, expected an empty directory or an "
            "earlier model directory; name another one"
        )
    # Without a manifest, a half-written directory is refused instead of served.
    (model_dir / MANIFEST_FILE).unlink(missing_ok=True)


def _golden(
    dataset: Dataset,
    rows: Sequence[preprocessing.TokenIds],
    vocabulary: Vocabulary,
    config: ModelConfig,
    model_dir: Path,
) -> tuple[Golden, ...]:
    """Choose two short held-out reviews of each label and record the answers of ONNX Runtime."""
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


class _Progress(keras.callbacks.Callback):  # type: ignore[misc]
    """A progress bar per epoch, on stderr, so that stdout has the results only."""

    def __init__(self, epochs: int, steps: int) -> None:
        super().__init__()
        self._epochs, self._steps = epochs, steps

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        self._bar = tqdm(
            total=self._steps,
            desc=f"epoch {epoch + 1}/{self._epochs}",
            unit="batch",
            # In a log, each update of the bar is a line.
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
    """Prepare the next batches during a step; the width may differ from batch to batch."""

    def generate() -> Iterator[Any]:
        yield from batches

    signature = (tf.TensorSpec((None, None), tf.int32), tf.TensorSpec((None,), tf.int32))
    stream = tf.data.Dataset.from_generator(generate, output_signature=signature)
    return stream.apply(tf.data.experimental.assert_cardinality(len(batches))).prefetch(2)
