"""The whole journey on one machine in a minute: train, pack, deploy, predict, clean up."""

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

# Before the SDK: importing `hosting` silences its remarks.
from byoi import hosting  # isort: skip
from sagemaker.model import Model
from sagemaker.predictor import Predictor

from byoi import deployment, emulator, errors, local, model_data, server
from byoi_lib import LABELS, PredictionDeserializer, ReviewSerializer, datasets, training

# What `make image` builds; without a container engine the same server runs as processes.
IMAGE = "byoi:latest"
NAME = "byoi-demo"
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
    log_file = folder / "emulator.log"
    log_file.unlink(missing_ok=True)
    with contextlib.ExitStack() as stack:
        with _step("3/5 start AWS on this machine, and point boto3 and the SDK at it"):
            runner = _runner(os.environ)
            aws = stack.enter_context(emulator.running(runner=runner, log_file=log_file))
            print(f"    {aws.url}\n    {aws.notice}")
        with _step("4/5 deploy with sagemaker.model.Model(...).deploy(...)"):
            session = hosting.aws_session()
            model = Model(
                name=NAME,
                image_uri=IMAGE,
                model_data=session.upload_data(str(packed.path), key_prefix="byoi/demo"),
                role=os.environ["BYOI_ROLE_ARN"],
                predictor_cls=Predictor,
                sagemaker_session=session,
            )
            predictor = model.deploy(
                endpoint_name=NAME,
                initial_instance_count=1,
                instance_type="ml.m5.large",
                serializer=ReviewSerializer(),
                deserializer=PredictionDeserializer(),
                wait=False,
            )
            endpoint = hosting.Endpoint(predictor)
            # `deploy` would look every 30 s.
            found = deployment.wait(session.sagemaker_client, NAME, progress=_indented) or {}
            if found["EndpointStatus"] != "InService":
                raise errors.EndpointFailedError(f"{found['FailureReason']}; see {log_file}")
        with _step("5/5 send reviews through sagemaker.predictor.Predictor, then delete it all"):
            answers = predictor.predict(list(REVIEWS))
            for review, (negative, positive) in zip(REVIEWS, answers, strict=True):
                label = LABELS[int(positive > negative)]
                print(f"    {label:8} p_positive {positive:.4f}  {review}")
            endpoint.delete()
            print(f"    left of the endpoint: {', '.join(endpoint.remains()) or 'nothing'}")
    model_dir = folder / "model"
    print(
        f"""
It is yours now. What next:
  .venv/bin/byoi serve --model-dir {model_dir} --port 8080    keep it running, and then
  .venv/bin/byoi invoke http://localhost:8080 "What a film"    ask it something
  make image                                                   the container SageMaker runs
  make lab                                                     the notebooks, step by step
  .venv/bin/byoi emulator                                      AWS on this machine, for your code"""
    )


def _indented(line: str) -> None:
    print(f"    {line}", flush=True)


def _runner(environ: Mapping[str, str]) -> str:
    """Return `containers` where the image is there to be run; building it takes minutes."""
    engine = local.Engine(environ)
    with contextlib.suppress(errors.MissingProgramError):
        engine.require()
        if engine.has_image(IMAGE):
            return "containers"
    if not server.find_nginx():
        print("    without nginx, gunicorn answers alone; get it with")
        print("    `apt-get install nginx-light` or `brew install nginx`")
    return "processes"


@contextlib.contextmanager
def _step(title: str) -> Iterator[None]:
    """Print a step's title, and its time when it is done."""
    print(title, flush=True)
    started = time.monotonic()
    yield
    print(f"    done in {time.monotonic() - started:.1f} s", flush=True)
