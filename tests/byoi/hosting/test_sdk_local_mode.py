"""What docs/emulator.md says of the SDK's own local mode, done with it as it comes."""

import functools
import json
import logging
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sagemaker.local
from answering_server import AnsweringServer, answering
from botocore.exceptions import ClientError
from sagemaker.model import Model
from sagemaker.predictor import Predictor

from byoi import hosting
from byoi.hosting import runtime_client

needs_local_mode = pytest.mark.needs("docker", "compose")
# The client asks docker where its host is, before each invocation.
needs_docker = pytest.mark.needs("docker")


@pytest.fixture
def server() -> Iterator[AnsweringServer]:
    with answering() as server:
        yield server


@pytest.fixture
def start_session() -> Callable[[int], sagemaker.local.LocalSession]:
    """Make the SDK's session for a port, without an account."""

    def start(port: int) -> sagemaker.local.LocalSession:
        logging.getLogger("sagemaker").setLevel(logging.CRITICAL)
        session = sagemaker.local.LocalSession(
            runtime_client.boto_session(runtime_client.LOCAL_REGION)
        )
        session.config = {"local": {"local_code": True, "serving_port": port}}
        return session

    return start


@pytest.fixture
def runtime(start_session, server: AnsweringServer):
    return start_session(server.server_port).sagemaker_runtime_client


@needs_docker
def test_an_error_is_returned_as_a_prediction(runtime, server: AnsweringServer):
    server.answer = (500, "text/html", b"<h1>boom</h1>")
    answer = runtime.invoke_endpoint(Body=b"x", EndpointName="nobody", Accept="application/json")
    # The content type is what was asked for, and no endpoint has the name.
    assert set(answer) == {"Body", "ContentType"}
    assert answer["ContentType"] == "application/json"
    assert answer["Body"].read() == b"<h1>boom</h1>"


@needs_docker
def test_a_body_of_any_length_passes(runtime, server: AnsweringServer):
    body = bytes(26 * 1024 * 1024)
    runtime.invoke_endpoint(Body=body, EndpointName="any")
    assert len(server.requests[0][2]) == len(body)


@needs_docker
def test_headers_go_and_do_not_come_back(runtime, server: AnsweringServer):
    answer = runtime.invoke_endpoint(
        Body=b"", EndpointName="any", CustomAttributes="mine", TargetVariant="absent"
    )
    headers = server.requests[0][1]
    assert headers["X-Amzn-SageMaker-Custom-Attributes"] == "mine"
    # It is no header of the container's; SageMaker chooses the instances by it.
    assert headers["X-Amzn-SageMaker-Target-Variant"] == "absent"
    assert "CustomAttributes" not in answer


def test_names_and_values_that_aws_refuses_are_taken(start_session, free_port: int):
    client = start_session(free_port).sagemaker_client
    container = {"Image": "i", "ModelDataUrl": "file:///no/url", "Environment": {"A": "x" * 2000}}
    client.create_model("a_b", container, ExecutionRoleArn="no role")
    assert client.describe_model("a_b")["ModelName"] == "a_b"


def test_calls_that_are_not_there(start_session, free_port: int):
    session = start_session(free_port)
    with pytest.raises(NotImplementedError, match="not supported in local session"):
        session.sagemaker_client.update_endpoint("name", "config")
    assert not hasattr(session.sagemaker_client, "update_endpoint_weights_and_capacities")
    for name in ("invoke_endpoint_with_response_stream", "invoke_endpoint_async"):
        assert not hasattr(session.sagemaker_runtime_client, name)


def test_of_several_variants_the_first_is_served(start_session, free_port: int):
    client = start_session(free_port).sagemaker_client
    client.create_model("first", {"Image": "absent/first", "ModelDataUrl": "", "Environment": {}})
    variants = [
        {"VariantName": name, "ModelName": name, "InstanceType": "local", "InitialInstanceCount": 1}
        for name in ("first", "second")
    ]
    # The second one's model does not exist, and nothing asks for it.
    client.create_endpoint_config("two", variants)
    from sagemaker.local.entities import _LocalEndpoint

    session = start_session(free_port)
    session.sagemaker_client = client
    endpoint = _LocalEndpoint("both", "two", local_session=session)
    assert endpoint.primary_container["Image"] == "absent/first"
    assert endpoint.state == "Creating"


def test_a_name_that_is_not_there_is_known_to_the_control_plane_only(start_session, free_port: int):
    client = start_session(free_port).sagemaker_client
    with pytest.raises(ClientError, match="Could not find local endpoint"):
        client.describe_endpoint("nobody")


@needs_local_mode
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_second_endpoint_is_in_service_and_answered_by_the_first(
    image: str, toy_dir: Path, tmp_path: Path, start_session, free_port: int
):
    session = start_session(free_port)

    def deploy(whose: str) -> Predictor:
        # Local mode mounts the whole folder an archive lies in.
        archive = tmp_path / whose / "model.tar.gz"
        archive.parent.mkdir()
        with tarfile.open(archive, "w:gz") as tar:
            tar.add(toy_dir / "witness.py", "witness.py")
        model = Model(
            image_uri=image,
            model_data=archive.as_uri(),
            role=hosting.LOCAL_ROLE,
            env={
                "BYOI_INFERENCE_MODULE": "/opt/ml/model/witness.py",
                "WHOSE": str(tmp_path / whose),
            },
            predictor_cls=Predictor,
            sagemaker_session=session,
        )
        return model.deploy(initial_instance_count=1, instance_type="local", wait=False)

    predictors = []
    try:
        for whose in ("first", "second"):
            predictors.append(deploy(whose))
            described = session.sagemaker_client.describe_endpoint(predictors[-1].endpoint_name)
            assert described["EndpointStatus"] == "InService"
            answer = json.loads(predictors[-1].predict(b""))
            assert answer["environ"]["WHOSE"] == str(tmp_path / "first")
            # It may write into the folder of the archive, which it sees whole.
            assert answer["written"] == "yes"
            assert "model.tar.gz" in answer["files"]
    finally:
        for predictor in predictors:
            predictor.delete_endpoint()
        remove_containers(f"WHOSE={tmp_path}/")


def remove_containers(variable: str) -> None:
    """Remove the containers whose environment has a variable; the SDK leaves them stopped."""
    docker = functools.partial(subprocess.run, check=True, capture_output=True, text=True)
    listed = docker(["docker", "ps", "-aq", "--filter", "network=sagemaker-local"])
    for container in listed.stdout.split():
        seen = subprocess.run(
            ["docker", "inspect", "--format", "{{.Config.Env}}", container],
            capture_output=True,
            text=True,
            check=False,  # another test's may be gone by now
        )
        if variable in seen.stdout:
            docker(["docker", "rm", "--force", container])
