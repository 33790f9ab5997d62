"""The demo: train, pack, deploy, predict and clean up on one machine, in a minute."""

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

# Before the SDK, whose messages it silences.
from byoi import hosting  # isort: skip
from sagemaker.model import Model
from sagemaker.predictor import Predictor

from byoi import deployment, emulator, errors, local, model_data, server
from byoi_lib import LABELS, PredictionDeserializer, ReviewSerializer, datasets, training

# Built by `make image`; without a container engine the same server runs as processes.
IMAGE = "byoi:latest"
NAME = "byoi-demo"
# The last two would mislead a list of good and bad words.
REVIEWS = (
    "A wonderful film: the cast is superb and the story is moving.",
    "Dull from start to finish, and the ending is clumsy.",
    "The acting is not bad at all, and the ending is far from dull.",
    "The trailer looks witty; the film itself is tedious.",
)


def run(folder: Path) -> None:
    """Run the demo and print each step; nothing is left running.

    Args:
        folder: Where the model directory, the archive and the emulator's log go.

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
        with _step("3/5 start the AWS emulator, and point boto3 and the SDK at it"):
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
            # `deploy` itself would poll every 30 s.
            found = deployment.wait(session.sagemaker_client, NAME, progress=_indented) or {}
            if found["EndpointStatus"] != "InService":
                raise errors.EndpointFailedError(f"{found['FailureReason']}; see {log_file}")
        with _step("5/5 predict with sagemaker.predictor.Predictor, then delete everything"):
            answers = predictor.predict(list(REVIEWS))
            for review, (negative, positive) in zip(REVIEWS, answers, strict=True):
                label = LABELS[int(positive > negative)]
                print(f"    {label:8} p_positive {positive:.4f}  {review}")
            endpoint.delete()
            print(f"    left of the endpoint: {', '.join(endpoint.remains()) or 'nothing'}")
    model_dir = folder / "model"
    print(
        f"""
Next steps:
  .venv/bin/byoi serve --model-dir {model_dir} --port 8080    serve the model, and then
  .venv/bin/byoi predict --endpoint http://localhost:8080 "What a film"
  make image                  the container that SageMaker runs
  make lab                    the notebooks, step by step
  .venv/bin/byoi emulator     AWS on this machine, for your code"""
    )


def _indented(line: str) -> None:
    print(f"    {line}", flush=True)


def _runner(environ: Mapping[str, str]) -> str:
    """Return `containers` if the image exists, else `processes`: building it takes minutes."""
    engine = local.Engine(environ)
    with contextlib.suppress(errors.MissingProgramError):
        engine.require()
        if engine.has_image(IMAGE):
            return "containers"
    if not server.find_nginx():
        print("    nginx is not installed: gunicorn serves alone; install it with")
        print("    `apt-get install nginx-light` or `brew install nginx`")
    return "processes"


@contextlib.contextmanager
def _step(title: str) -> Iterator[None]:
    """Print the title of a step, and its time at the end."""
    print(title, flush=True)
    started = time.monotonic()
    yield
    print(f"    done in {time.monotonic() - started:.1f} s", flush=True)
