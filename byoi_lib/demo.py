"""The whole journey on one machine in a minute: train, pack, serve, predict, clean up."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from byoi_lib import datasets, hosting, model_data, runner, training
from byoi_lib.manifest import LABELS
from byoi_lib.serializers import PredictionDeserializer, ReviewSerializer
from byoi_lib.serving import proxy

# Reviews of our own; the last two would mislead a list of good and bad words.
REVIEWS = (
    "A wonderful film: the cast is superb and the story is moving.",
    "Dull from start to finish, and the ending is clumsy.",
    "The acting is not bad at all, and the ending is far from dull.",
    "The trailer looks witty; the film itself is tedious.",
)


def run(folder: Path) -> None:
    """Run the journey in `folder`, printing each step; nothing is left running.

    Raises:
        ByoiError: A step failed; the message says which and what to do.
    """
    with _step("1/5 train the classifier on the built-in sample"):
        trained = training.train(datasets.load("sample"), folder / "model")
        print(f"    accuracy on held-out reviews: {trained.evaluation.accuracy:.1%}")
    with _step("2/5 pack the model directory"):
        packed = model_data.pack(folder / "model", folder / "model.tar.gz")
        print(f"    {packed.path}: {packed.size_bytes / 1e6:.1f} MB, sha256 {packed.sha256[:12]}")
        served = folder / "served"
        shutil.rmtree(served, ignore_errors=True)
        model_data.unpack(packed.path, served)
    if proxy.find_nginx():
        print("3/5 start the stack of the container: nginx -> gunicorn -> Flask")
    else:
        print("3/5 start gunicorn -> Flask alone, because nginx is not installed")
        print("    get it with `apt-get install nginx-light` or `brew install nginx`")
    log_file = folder / "server.log"
    log_file.unlink(missing_ok=True)
    with runner.ProcessStack(served, log_file=log_file) as stack:
        print(f"    {stack.url}/ping answers 200; log: {stack.log_file}")
        with _step("4/5 send reviews through sagemaker.predictor.Predictor"):
            predictor = hosting.predictor(
                stack.url, serializer=ReviewSerializer(), deserializer=PredictionDeserializer()
            )
            answers = predictor.predict(list(REVIEWS))
        for review, (negative, positive) in zip(REVIEWS, answers, strict=True):
            label = LABELS[int(positive > negative)]
            print(f"    {label:8} p_positive {positive:.4f}  {review}")
        print("5/5 stop everything")
    model_dir = folder / "model"
    print(
        f"""
It is yours now. What next:
  .venv/bin/byoi serve --model-dir {model_dir} --port 8080    keep it running, and then
  .venv/bin/byoi invoke http://localhost:8080 "What a film"    ask it something
  make lab                                                     the notebooks, step by step
  make image MODEL_DIR={model_dir}                    the container SageMaker runs"""
    )


@contextmanager
def _step(title: str) -> Iterator[None]:
    """Print a step's title, and its time when it is done."""
    print(title, flush=True)
    started = time.monotonic()
    yield
    print(f"    done in {time.monotonic() - started:.1f} s", flush=True)
