"""From labelled reviews to a model directory."""

import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path

import numpy as np
import numpy.typing as npt

from byoi_lib import errors, onnx_file, preprocessing, runtime
from byoi_lib.batches import Batches
from byoi_lib.datasets import Dataset
from byoi_lib.evaluation import Evaluation, Training
from byoi_lib.fitting import Recipe, fit
from byoi_lib.golden import Golden
from byoi_lib.manifest import (
    KERAS_FILE,
    MANIFEST_FILE,
    ONNX_FILE,
    VOCABULARY_FILE,
    Manifest,
    digests,
)
from byoi_lib.model import ModelConfig, build_model
from byoi_lib.quiet_tensorflow import keras, tf
from byoi_lib.vocabulary import INDEX_FROM, Vocabulary

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
    onnx_file.write(network, model_dir / ONNX_FILE)
    difference = onnx_file.compare(network, model_dir / ONNX_FILE, held_out_rows)
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
