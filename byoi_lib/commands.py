"""The verbs of `byoi` that know this model: `train`, `predict`, `demo`.

Found by the entry-point group `byoi.verbs`. As in `byoi.cli`, a verb imports what it
needs when it runs.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from byoi import cli_serving, errors, extras

# What a training run imports from beginning to end; checked before it begins.
_TRAINING = ("tensorflow", "onnx", "onnxruntime", "matplotlib", "tqdm")


def add_verbs(verbs: Any) -> None:
    """Add them to `argparse`'s subparsers."""
    train = verbs.add_parser("train", help="train the classifier and write a model directory")
    train.add_argument(
        "--data",
        required=True,
        metavar="sample|imdb|FILE.npz",
        help="training and held-out reviews",
    )
    train.add_argument(
        "--output", required=True, type=Path, metavar="DIR", help="model directory to write"
    )
    train.add_argument(
        "--word-index",
        type=Path,
        metavar="FILE",
        help="word index; default: imdb_word_index.json beside FILE.npz",
    )
    train.add_argument(
        "--seed", type=int, default=0, help="fixes weights, order and dropout; default: 0"
    )
    train.add_argument(
        "--plots", type=Path, metavar="DIR", help="folder for PNG plots; default: beside DIR"
    )
    train.set_defaults(run=_train)

    predict = verbs.add_parser("predict", help="classify texts: label and both probabilities")
    source = predict.add_mutually_exclusive_group(required=True)
    source.add_argument("--model-dir", type=Path, metavar="DIR", help="predict in this process")
    source.add_argument(
        "--endpoint", metavar="URL|NAME", help="predict at a server's URL or an endpoint's name"
    )
    predict.add_argument(
        "texts",
        nargs="*",
        metavar="TEXT",
        help="reviews; default, with --model-dir: some held-out ones",
    )
    predict.set_defaults(run=_predict)

    demo = verbs.add_parser(
        "demo", help="train on the sample, deploy to the emulator, predict with the SDK"
    )
    demo.add_argument(
        "--folder",
        type=Path,
        default=Path("build/demo"),
        help="working folder; default: build/demo",
    )
    demo.set_defaults(run=_demo)


def _train(options: argparse.Namespace) -> None:
    extras.require("byoi train", *_TRAINING)
    from byoi_lib import datasets

    dataset = datasets.load(options.data, word_index=options.word_index)
    from byoi_lib import report, training  # only now: TensorFlow takes seconds

    result = training.train(dataset, options.output, seed=options.seed)
    print(report.table(result))
    plots = options.plots or options.output.with_name(options.output.name + "-plots")
    for path in report.plots(result, plots):
        print(f"plot: {path}")
    print(f"model directory: {options.output}")


def _predict(options: argparse.Namespace) -> None:
    if options.endpoint:
        _predict_remotely(options.endpoint, options.texts)
        return
    from byoi_lib import inference, preprocessing
    from byoi_lib.manifest import GOLDEN_TEXTS, LABELS, Manifest
    from byoi_lib.request import Instances

    model = inference.model_fn(str(options.model_dir))
    texts, truths = options.texts, [""] * len(options.texts)
    if not texts:
        golden = Manifest.read(options.model_dir).golden[:GOLDEN_TEXTS]
        texts = [one.text for one in golden]
        truths = [f"  (true label: {LABELS[one.label]})" for one in golden]
    answers = inference.predict_fn(Instances(tuple(texts)), model).probabilities
    for text, truth, pair in zip(texts, truths, answers, strict=True):
        _show(text, pair, truth)
        unknown = preprocessing.share_unknown(text, model.vocabulary)
        if unknown > 0.5:
            print(f"  note: the vocabulary does not know {unknown:.0%} of these words")


def _predict_remotely(endpoint: str, texts: Sequence[str]) -> None:
    from byoi_lib import PredictionDeserializer, ReviewSerializer

    if not texts:
        raise errors.ConfigurationError(
            f"no text to send to {endpoint}; give one or more: "
            f'byoi predict --endpoint {endpoint} "Not bad at all."'
        )
    serializer, deserializer = ReviewSerializer(), PredictionDeserializer()
    body = serializer.serialize(list(texts))
    answer = cli_serving.send(
        endpoint, body, content_type=serializer.CONTENT_TYPE, accept=deserializer.ACCEPT[0]
    )
    for text, pair in zip(texts, deserializer.parse(answer.body), strict=True):
        _show(text, pair)


def _show(text: str, probabilities: Sequence[float], truth: str = "") -> None:
    """Print a text, its label and both probabilities."""
    from byoi_lib.manifest import LABELS

    negative, positive = probabilities
    print(text)
    print(f"  {LABELS[int(positive > negative)]}{truth}")
    print(f"  p_negative {negative:.4f}  p_positive {positive:.4f}")


def _demo(options: argparse.Namespace) -> None:
    extras.require("byoi demo", *_TRAINING, *extras.EXTRAS["aws"], *extras.EXTRAS["emulator"])
    from byoi_lib import demo

    demo.run(options.folder)
