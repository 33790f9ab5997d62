"""The four inference functions of the built-in classifier, named as SageMaker's toolkit does.

The server calls them in order and knows nothing else of reviews: model_fn once a
worker, then input_fn, predict_fn and output_fn for each request. The request's form
travels with the data from function to function, so they share no state.

Source: sagemaker-inference-toolkit README, "Implement a custom inference handler".
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from byoi import errors
from byoi_lib import preprocessing, request, runtime
from byoi_lib.manifest import VOCABULARY_FILE, Manifest
from byoi_lib.request import Instances, Predictions, TokenIds
from byoi_lib.vocabulary import Vocabulary

RUNTIME_VARIABLE = "BYOI_RUNTIME"
THREADS_VARIABLE = "OMP_NUM_THREADS"

# One call to the network takes at most this many ids, padding included. Attention needs
# memory in proportion to ids times length, and the runtime keeps what it once took: a
# thousand IMDB reviews in one request end at 101 MB, with 8,192 ids at 300 MB, no faster.
_BATCH_IDS = 1024


@dataclass(frozen=True)
class ReviewModel:
    """What one model directory holds, loaded and checked.

    Attributes:
        network: The network in its runtime.
        vocabulary: The vocabulary it was trained with.
        max_length: Most ids of one review.
    """

    network: runtime.Network
    vocabulary: Vocabulary
    max_length: int


def model_fn(model_dir: Path | str) -> ReviewModel:
    """Load a model directory, check its files, and replay its golden texts.

    The environment chooses the runtime (`BYOI_RUNTIME`: onnx, the default, or keras)
    and the threads of one prediction (`OMP_NUM_THREADS`, 1 by default).

    Raises:
        ModelDataError: A file is missing, altered or does not fit the others, or the
            network does not answer as it did when it was trained.
        ConfigurationError: One of the variables has another value.
    """
    return load(
        Path(model_dir),
        os.environ.get(RUNTIME_VARIABLE) or "onnx",
        threads=_threads(os.environ.get(THREADS_VARIABLE) or "1"),
    )


def load(model_dir: Path, runtime_name: str, *, threads: int = 1) -> ReviewModel:
    """As `model_fn`, with the runtime and its threads as arguments."""
    manifest = Manifest.read(model_dir)
    if runtime_name in runtime.FILES:
        manifest.verify(model_dir, (runtime.FILES[runtime_name], VOCABULARY_FILE))
    vocabulary = Vocabulary.load(model_dir / VOCABULARY_FILE)
    expected = manifest.config["vocabulary_size"]
    if vocabulary.size != expected:
        cause = f"size {vocabulary.size}, the manifest says {expected}"
        remedy = "put the vocabulary there that the network was trained with"
        raise errors.refusal(model_dir / VOCABULARY_FILE, cause, remedy)
    network = runtime.load(model_dir, runtime_name, threads=threads)
    model = ReviewModel(network, vocabulary, manifest.config["max_length"])
    manifest.replay(
        model_dir, lambda texts: predict_fn(Instances(tuple(texts)), model).probabilities.tolist()
    )
    return model


def input_fn(input_data: bytes, content_type: str) -> Instances:
    """Return the reviews in a request body; arguments and errors as in `request.decode`."""
    return request.decode(input_data, content_type)


def predict_fn(data: Instances, model: ReviewModel) -> Predictions:
    """Return the probabilities of each review.

    Args:
        data: n reviews.
        model: What `model_fn` returned; not changed, safe to share between threads.

    Returns:
        n pairs, in the order of `data`.

    Raises:
        MalformedBody: A token id is not in the vocabulary; the message names its position.
    """
    rows = preprocessing.encode(data.texts, model.vocabulary, max_length=model.max_length)
    for number, ids in enumerate(data.token_ids, data.first):
        if ids.max() >= model.vocabulary.size:
            raise errors.MalformedBody(
                f"{data.unit} {number}, position {ids.argmax()}: {ids.max()} is no token id, "
                f"expected a whole number from 0 to {model.vocabulary.size - 1}"
            )
        # Padding says nothing, and on the right it would push ids out of the last ones.
        rows.append(np.trim_zeros(ids)[-model.max_length :])
    probabilities = np.empty((len(rows), 2), np.float32)
    for batch in _batches(rows):
        token_ids = preprocessing.pad([rows[row] for row in batch])
        probabilities[batch] = model.network.predict(token_ids)
    return Predictions(probabilities, data.has_key)


def output_fn(prediction: Predictions, accept: str) -> tuple[bytes, str]:
    """Return response body and media type; arguments and errors as in `request.encode`."""
    return request.encode(prediction, accept)


def _batches(rows: Sequence[TokenIds]) -> list[list[int]]:
    """Group row numbers by length, so that a short review does not wait for a long one."""
    batches: list[list[int]] = []
    # Longest first: the first row of a batch is its width.
    for row in sorted(range(len(rows)), key=lambda row: -len(rows[row])):
        if batches and (len(batches[-1]) + 1) * len(rows[batches[-1][0]]) <= _BATCH_IDS:
            batches[-1].append(row)
        else:
            batches.append([row])
    return batches


def _threads(value: str) -> int:
    if value.isascii() and value.isdigit() and int(value) > 0:
        return int(value)
    raise errors.ConfigurationError(
        f"{THREADS_VARIABLE} is {value!r}, expected a whole number from 1 on; set one, or unset it"
    )
