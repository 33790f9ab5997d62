"""The four inference functions of the review classifier, named as in SageMaker's toolkit.

The server calls them in this order and knows nothing else about reviews: model_fn once per
worker, then input_fn, predict_fn and output_fn for each request. The form of the request
travels with the data from function to function, so they share no state.

Source: sagemaker-inference-toolkit README, "Implement a custom inference handler".
"""

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np
import numpy.typing as npt

from byoi import errors
from byoi_lib import preprocessing, request, runtime
from byoi_lib.manifest import VOCABULARY_FILE, Manifest
from byoi_lib.preprocessing import TokenIds
from byoi_lib.request import Instances, Predictions
from byoi_lib.vocabulary import Vocabulary

RUNTIME_VARIABLE = "BYOI_RUNTIME"
THREADS_VARIABLE = "OMP_NUM_THREADS"

# Requests at once in one process. More would win little, since a request is computing all the time,
# and each would be handed from one thread to another.
BYOI_THREADS = 1
# Requests that `predict_fn` takes in one call, where several are ready together: eight short
# reviews cost the network what one costs.
BYOI_BATCH_SIZE = 8

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


@overload
def predict_fn(data: Instances, model: ReviewModel) -> Predictions: ...


@overload
def predict_fn(data: Sequence[Instances], model: ReviewModel) -> list[Predictions]: ...


def predict_fn(
    data: Instances | Sequence[Instances], model: ReviewModel
) -> Predictions | list[Predictions]:
    """Classify the reviews of one request, or of several in one go.

    Args:
        data: n reviews, or those of each of several requests.
        model: What `model_fn` returned; not changed, so safe to share between threads.

    Returns:
        Probabilities of shape (n, 2), float32, in the order of `data`; of several requests a list,
        one for each.

    Raises:
        MalformedBody: A token id is not in the vocabulary; the message names its position. Of
            several requests none gets an answer then, so the others have to be asked again.
    """
    if isinstance(data, Instances):
        return Predictions(_classify(_rows(data, model), model), data.has_key)
    rows = [_rows(one, model) for one in data]
    probabilities = _classify(list(itertools.chain.from_iterable(rows)), model)
    ends = itertools.accumulate(map(len, rows))
    return [
        Predictions(probabilities[end - len(its) : end], one.has_key)
        for one, its, end in zip(data, rows, ends, strict=True)
    ]


def output_fn(prediction: Predictions, accept: str) -> tuple[bytes, str]:
    """Encode a response; arguments, results and errors as in `request.encode`."""
    return request.encode(prediction, accept)


def _rows(data: Instances, model: ReviewModel) -> list[TokenIds]:
    """Return the token ids of each review, without padding, at most `max_length`."""
    rows = preprocessing.encode(data.texts, model.vocabulary, max_length=model.max_length)
    is_checked = data.largest < model.vocabulary.size
    for number, ids in enumerate(data.token_ids, data.first):
        if not is_checked and ids.max() >= model.vocabulary.size:
            raise errors.MalformedBody(
                f"{data.unit} {number}, position {ids.argmax()}: {ids.max()} is not a token id, "
                f"expected a whole number from 0 to {model.vocabulary.size - 1}"
            )
        # On the right, padding would displace ids from the last `max_length`.
        rows.append(_without_padding(ids)[-model.max_length :])
    return rows


def _without_padding(ids: TokenIds) -> TokenIds:
    """Return token ids from the first to the last that is not 0; `np.trim_zeros` takes 14 us."""
    if ids[0] and ids[-1]:
        return ids
    used = np.flatnonzero(ids)
    return ids[used[0] : used[-1] + 1]


def _classify(rows: Sequence[TokenIds], model: ReviewModel) -> npt.NDArray[np.float32]:
    """Return the probabilities of each row: shape (rows, 2), float32."""
    if len(rows) == 1:
        return model.network.predict(preprocessing.pad(rows))
    probabilities = np.empty((len(rows), 2), np.float32)
    for batch in _batches(rows):
        found = model.network.predict(preprocessing.pad([rows[row] for row in batch]))
        for row, probability in zip(batch, found, strict=True):
            probabilities[row] = probability
    return probabilities


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
