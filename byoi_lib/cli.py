"""The `byoi` command: each verb is one call into the library.

A verb imports what it needs when it runs, so that `byoi serve` starts without
TensorFlow and `byoi --help` without anything.
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from byoi_lib import cli_deployment, cli_emulator, contract, errors


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; 0 on success, 1 on a deliberate error, 2 on a wrong command line."""
    options = _parser().parse_args(arguments)
    # TensorFlow's remarks about processors and CUDA would hide what a verb prints.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        return int(options.run(options) or 0)
    except errors.ByoiError as error:
        print(f"byoi: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="byoi", description="Bring your own inference to Amazon SageMaker."
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    train = verbs.add_parser("train", help="train the classifier and write a model directory")
    train.add_argument(
        "--data", required=True, metavar="sample|imdb|FILE.npz", help="reviews to learn from"
    )
    train.add_argument("--output", required=True, type=Path, metavar="DIR", help="model directory")
    train.add_argument(
        "--word-index", type=Path, metavar="FILE", help="imdb_word_index.json of FILE.npz"
    )
    train.add_argument("--seed", type=int, default=0, help="fixes weights, order and dropout")
    train.add_argument("--plots", type=Path, metavar="DIR", help="where the PNG plots go")
    train.set_defaults(run=_train)

    pack = verbs.add_parser("pack", help="pack a model directory into model.tar.gz")
    pack.add_argument("model_dir", type=Path, metavar="DIR")
    pack.add_argument("archive", type=Path, metavar="FILE.tar.gz")
    pack.set_defaults(run=_pack)

    serve = verbs.add_parser("serve", help="serve a model directory in the foreground")
    serve.add_argument("--model-dir", required=True, type=Path, metavar="DIR")
    serve.add_argument("--port", type=int, default=contract.PORT, metavar="N")
    serve.add_argument(
        "--module", help="inference module, a name or a .py file; default: the classifier's"
    )
    serve.set_defaults(run=_serve)

    predict = verbs.add_parser("predict", help="classify texts without a server")
    predict.add_argument("--model-dir", required=True, type=Path, metavar="DIR")
    predict.add_argument("texts", nargs="*", metavar="TEXT", help="default: held-out reviews")
    predict.set_defaults(run=_predict)

    invoke = verbs.add_parser("invoke", help="send texts to a running endpoint")
    invoke.add_argument(
        "url", metavar="URL|NAME", help="for example http://localhost:8080, or an endpoint's name"
    )
    invoke.add_argument("texts", nargs="+", metavar="TEXT")
    invoke.set_defaults(run=_invoke)

    cli_deployment.add_verbs(verbs)
    cli_emulator.add_verbs(verbs)

    demo = verbs.add_parser(
        "demo", help="train on the sample, deploy to the emulator, predict with the SDK"
    )
    demo.add_argument("--folder", type=Path, default=Path("build/demo"), help="where it works")
    demo.set_defaults(run=_demo)
    return parser


def _train(options: argparse.Namespace) -> None:
    from byoi_lib import datasets

    dataset = datasets.load(options.data, word_index=options.word_index)
    from byoi_lib import report, training

    result = training.train(dataset, options.output, seed=options.seed)
    print(report.table(result))
    plots = options.plots or options.output.with_name(options.output.name + "-plots")
    for path in report.plots(result, plots):
        print(f"plot: {path}")
    print(f"model directory: {options.output}")


def _pack(options: argparse.Namespace) -> None:
    from byoi_lib import model_data

    packed = model_data.pack(options.model_dir, options.archive)
    print(f"{packed.path}\nsha256 {packed.sha256}\n{packed.size_bytes:,} bytes")


def _serve(options: argparse.Namespace) -> int:
    from byoi_lib.serving import settings, supervisor

    environ = {
        # Reachable from this machine only, unless the user wants more.
        "BYOI_BIND_ADDRESS": "127.0.0.1",
        **os.environ,
        "BYOI_MODEL_DIR": str(options.model_dir.absolute()),
        contract.BIND_TO_PORT_VARIABLE: str(options.port),
    }
    if options.module:
        environ["BYOI_INFERENCE_MODULE"] = options.module
    return supervisor.serve(settings.Settings.from_environ(environ), environ)


def _predict(options: argparse.Namespace) -> None:
    from byoi_lib import inference, preprocessing
    from byoi_lib.golden import LABELS
    from byoi_lib.instances import Instances
    from byoi_lib.manifest import GOLDEN_TEXTS, Manifest

    model = inference.model_fn(str(options.model_dir))
    texts, truths = options.texts, [""] * len(options.texts)
    if not texts:
        golden = Manifest.read(options.model_dir).golden[:GOLDEN_TEXTS]
        texts = [one.text for one in golden]
        truths = [f"  (true label: {LABELS[one.label]})" for one in golden]
    answers = inference.predict_fn(Instances(tuple(texts)), model).probabilities
    for text, truth, (negative, positive) in zip(texts, truths, answers, strict=True):
        print(text)
        print(f"  {LABELS[int(positive > negative)]}{truth}")
        print(f"  p_negative {negative:.4f}  p_positive {positive:.4f}")
        unknown = preprocessing.share_unknown(text, model.vocabulary)
        if unknown > 0.5:
            print(f"  note: the vocabulary does not know {unknown:.0%} of these words")


def _invoke(options: argparse.Namespace) -> None:
    from byoi_lib import golden, invocation

    # A URL has a colon, a name of SageMaker's none.
    if ":" in options.url:
        probabilities = invocation.invoke(options.url, options.texts)
    else:
        from byoi_lib import deployment
        from byoi_lib.deployment import invoking

        runtime = deployment.connect().runtime
        probabilities = invoking.invoke(runtime, options.url, options.texts)
    for text, (negative, positive) in zip(options.texts, probabilities, strict=True):
        print(text)
        print(
            f"  {golden.LABELS[int(positive > negative)]}"
            f"  p_negative {negative:.4f}  p_positive {positive:.4f}"
        )


def _demo(options: argparse.Namespace) -> None:
    from byoi_lib import demo

    demo.run(options.folder)


if __name__ == "__main__":
    sys.exit(main())
