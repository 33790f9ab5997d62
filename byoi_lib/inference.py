"""The four inference functions of the review classifier, named as in SageMaker's toolkit.

The server calls them in this order and knows nothing else about reviews: model_fn once per
worker, then input_fn, predict_fn and output_fn for each request. The form of the request
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
from byoi_lib.preprocessing import TokenIds
from byoi_lib.request import Instances, Predictions
from byoi_lib.vocabulary import Vocabulary

RUNTIME_VARIABLE = "BYOI_RUNTIME"
THREADS_VARIABLE = "OMP_NUM_THREADS"

# Requests at once in one process: these functions share nothing that they change.
BYOI_THREADS = 4

# One call of the network gets at most this many ids, padding included. Attention needs memory
# in proportion to ids times length, and the runtime never returns it: after a request of a
# thousand IMDB reviews a worker takes 101 MB; with 8,192 ids it takes 300 MB and is no faster.
_BATCH_IDS = 1024


@dataclass(frozen=True)
class ReviewModel:
    """A model directory, loaded and checked.

    Attributes:
        network: The network in its runtime.
        vocabulary: The vocabulary that it was trained with.
        max_length: Largest number of ids of one review.
    """

    network: runtime.Network
    vocabulary: Vocabulary
    max_length: int


def model_fn(model_dir: Path | str) -> ReviewModel:
    """Load a model directory, check its files, and replay its golden texts.

    The environment chooses the runtime (`BYOI_RUNTIME`: onnx, the default, or keras)
    and the threads of one prediction (`OMP_NUM_THREADS`, 1 by default).

    Args:
        model_dir: The directory.

    Raises:
        ModelDataError: A file is missing, altered or does not fit the others, or the
            network does not answer as it did at training.
        ConfigurationError: One of the variables has another value.
    """
    return load(
        Path(model_dir),
        os.environ.get(RUNTIME_VARIABLE) or "onnx",
        threads=_threads(os.environ.get(THREADS_VARIABLE) or "1"),
    )


def load(model_dir: Path, runtime_name: str, *, threads: int = 1) -> ReviewModel:
    """Load a model directory as `model_fn` does, without reading the environment.

    Args:
        model_dir: The directory.
        runtime_name: A key of `runtime.FILES`.
        threads: Threads of one prediction, from 1 on.
    """
    manifest = Manifest.read(model_dir)
    if runtime_name in runtime.FILES:
        manifest.verify(model_dir, (runtime.FILES[runtime_name], VOCABULARY_FILE))
    vocabulary = Vocabulary.load(model_dir / VOCABULARY_FILE)
    expected = manifest.config["vocabulary_size"]
    if vocabulary.size != expected:
        cause = f"size {vocabulary.size}, the manifest says {expected}"
        remedy = "use the vocabulary that the network was trained with"
        raise errors.refusal(model_dir / VOCABULARY_FILE, cause, remedy)
    network = runtime.load(model_dir, runtime_name, threads=threads)
    model = ReviewModel(network, vocabulary, manifest.config["max_length"])
    manifest.replay(
        model_dir, lambda texts: predict_fn(Instances(tuple(texts)), model).probabilities.tolist()
    )
    return model


def input_fn(input_data: bytes | str, content_type: str) -> Instances:
    """Decode a request body; arguments and errors as in `request.decode`."""
    return request.decode(input_data, content_type)


def predict_fn(data: Instances, model: ReviewModel) -> Predictions:
    """Classify the reviews of one request.

    Args:
        data: n reviews.
        model: What `model_fn` returned; not changed, so safe to share between threads.

    Returns:
        Probabilities of shape (n, 2), float32, in the order of `data`.

    Raises:
        MalformedBody: A token id is not in the vocabulary; the message names its position.
    """
    rows = preprocessing.encode(data.texts, model.vocabulary, max_length=model.max_length)
    for number, ids in enumerate(data.token_ids, data.first):
        if ids.max() >= model.vocabulary.size:
            raise errors.MalformedBody(
                f"{data.unit} {number}, position {ids.argmax()}: {ids.max()} is not a token id, "
                f"expected a whole number from 0 to {model.vocabulary.size - 1}"
            )
        # On the right, padding would displace ids from the last `max_length`.
        rows.append(np.trim_zeros(ids)[-model.max_length :])
    probabilities = np.empty((len(rows), 2), np.float32)
    for batch in _batches(rows):
        token_ids = preprocessing.pad([rows[row] for row in batch])
        probabilities[batch] = model.network.predict(token_ids)
    return Predictions(probabilities, data.has_key)


def output_fn(prediction: Predictions, accept: str) -> tuple[bytes, str]:
    """Encode a response; arguments, results and errors as in `request.encode`."""
    return request.encode(prediction, accept)


def _batches(rows: Sequence[TokenIds]) -> list[list[int]]:
    """Group row numbers by length, so that short reviews are not padded to long ones."""
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
        f"{THREADS_VARIABLE}={value!r}: expected a whole number from 1 on; set one, or unset it"
    )
