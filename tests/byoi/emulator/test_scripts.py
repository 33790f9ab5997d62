"""The SDK's `entry_point` and `source_dir` on the emulator, with containers and with processes."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import script_project
from deployed import left_as_found
from emulated_aws import OWN_IMAGE, Aws
from sagemaker.deserializers import JSONDeserializer
from sagemaker.model import Model
from sagemaker.predictor import Predictor
from sagemaker.serializers import JSONSerializer
from sagemaker.sklearn import SKLearnModel

from byoi import hosting

SCRIPT = """\
import os
import added
from beside import FACTOR
def model_fn(model_dir):
    return int(open(os.path.join(model_dir, "weights.txt")).read())
def predict_fn(data, weight):
    return {"answer": (data * weight * FACTOR).tolist(), "added": added.WORD}
"""


@pytest.fixture
def project(tmp_path: Path) -> SimpleNamespace:
    return script_project.make(tmp_path, "own.py", SCRIPT, "FACTOR = 3\n")


@pytest.fixture
def session(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[hosting.aws_session]:
    # The SDK makes an S3 client of its own for the code; `byoi emulator run` sets this.
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.emulator.url)
    with left_as_found(aws) as account:
        yield hosting.aws_session(account)


def test_a_script_with_its_folder_and_its_dependencies_answers(
    session, aws: Aws, project: SimpleNamespace
) -> None:
    model = Model(
        OWN_IMAGE,
        session.upload_data(str(project.archive), key_prefix="scripts"),
        aws.role,
        Predictor,
        entry_point="own.py",
        source_dir=str(project.code),
        dependencies=[str(project.added)],
        sagemaker_session=session,
    )
    predictor = model.deploy(
        1, "ml.m5.large", wait=False, serializer=JSONSerializer(), deserializer=JSONDeserializer()
    )
    session.wait_for_endpoint(predictor.endpoint_name, poll=0.2)
    assert predictor.predict([1, 2]) == {"answer": [21, 42], "added": "added"}
    endpoint = hosting.Endpoint(predictor)
    endpoint.delete()
    assert endpoint.remains() == []


def test_a_script_that_would_be_fetched_at_start_is_refused_with_the_way_out(
    session, aws: Aws, project: SimpleNamespace
) -> None:
    # The SDK's framework models upload the code beside the model data.
    model = SKLearnModel(
        image_uri=OWN_IMAGE,
        model_data=session.upload_data(str(project.archive), key_prefix="scripts"),
        role=aws.role,
        entry_point="own.py",
        source_dir=str(project.code),
        sagemaker_session=session,
    )
    predictor = model.deploy(1, "ml.m5.large", wait=False)
    reason = aws.settled(predictor.endpoint_name)["FailureReason"]
    assert "Nothing is fetched at start" in reason
    assert "give the SDK's Model model data" in reason
    hosting.Endpoint(predictor).delete()
