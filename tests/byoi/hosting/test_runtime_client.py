"""Invocations of containers on this machine, and their errors."""

from collections.abc import Iterator

import pytest
from answering_server import AnsweringServer, answering, json_body
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    ParamValidationError,
    ReadTimeoutError,
)
from sagemaker.deserializers import JSONDeserializer
from sagemaker.predictor import Predictor
from sagemaker.serializers import JSONSerializer

from byoi import contract, hosting
from byoi.hosting import runtime_client
from byoi.hosting.runtime_client import RuntimeClient


@pytest.fixture
def server() -> Iterator[AnsweringServer]:
    with answering() as server:
        yield server


@pytest.fixture
def client(server: AnsweringServer) -> RuntimeClient:
    urls = {"mine": server.url}
    return RuntimeClient(
        urls.__getitem__,
        boto_session=runtime_client.boto_session(),
        find_log=lambda name: f"log of {name}",
        read_timeout_s=0.5,
    )


def test_sends_body_and_headers_as_boto3_does(client: RuntimeClient, server: AnsweringServer):
    response = client.invoke_endpoint(
        "é", "mine", "text/plain", "application/json", CustomAttributes="trace=1", InferenceId="7"
    )
    path, headers, body = server.requests[0]
    assert (path, body) == (contract.INVOCATIONS_PATH, "é".encode())
    assert headers["Content-Type"] == "text/plain"
    assert headers["Accept"] == "application/json"
    assert headers["X-Amzn-SageMaker-Inference-Id"] == "7"
    assert "Authorization" not in headers
    assert response["Body"].read() == b"[1]"
    assert response["ContentType"] == "application/json"
    assert response["CustomAttributes"] == "trace=1"


def test_a_variant_that_the_endpoint_does_not_have_is_refused_and_not_asked(
    client: RuntimeClient, server: AnsweringServer
):
    with pytest.raises(ClientError) as caught:
        client.invoke_endpoint(Body=b"", EndpointName="mine", TargetVariant="Green")
    assert caught.value.response["Error"]["Code"] == "ValidationError"
    assert "Variant Green does not exist in endpoint mine; it has one: AllTraffic" in str(
        caught.value
    )
    assert server.requests == []
    client.invoke_endpoint(Body=b"", EndpointName="mine", TargetVariant="AllTraffic")
    assert len(server.requests) == 1


def test_reports_the_content_type_of_the_answer_not_the_one_asked_for(
    client: RuntimeClient, server: AnsweringServer
):
    server.answer = (200, "text/csv", b"1")
    response = client.invoke_endpoint(Body=b"", EndpointName="mine", Accept="application/json")
    assert response["ContentType"] == "text/csv"


@pytest.mark.parametrize(
    ("status", "blame"), [(400, "client"), (415, "client"), (500, "server"), (503, "server")]
)
def test_an_error_status_is_raised_as_aws_raises_it(
    client: RuntimeClient, server: AnsweringServer, status: int, blame: str
):
    server.answer = (status, "application/json", json_body("Wrong"))
    with pytest.raises(client.exceptions.ModelError) as caught:
        client.invoke_endpoint(Body=b"x", EndpointName="mine")
    response = caught.value.response
    assert isinstance(caught.value, ClientError)
    assert response["Error"]["Code"] == "ModelError"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert response["OriginalStatusCode"] == status
    assert response["OriginalMessage"] == '{"error": "Wrong"}'
    assert response["LogStreamArn"] == "log of mine"
    assert f"Received {blame} error ({status}) from primary with message" in str(caught.value)
    assert len(server.requests) == 1, "a failed invocation must not be sent again"


@pytest.mark.parametrize("body", [b"<html>", b"5", b'["code"]', b'{"code": 3}', b"", b"\xff"])
def test_any_error_body_is_reported(client: RuntimeClient, server: AnsweringServer, body: bytes):
    server.answer = (500, "text/html", body)
    with pytest.raises(client.exceptions.ModelError) as caught:
        client.invoke_endpoint(Body=b"x", EndpointName="mine")
    assert caught.value.response["OriginalMessage"] == body.decode("utf-8", "replace")


def test_a_long_error_body_is_cut_as_aws_cuts_it(client: RuntimeClient, server: AnsweringServer):
    server.answer = (500, "text/plain", b"x" * 5000)
    with pytest.raises(client.exceptions.ModelError) as caught:
        client.invoke_endpoint(Body=b"x", EndpointName="mine")
    kept = len(caught.value.response["OriginalMessage"])
    assert kept == contract.ERROR_MESSAGE_CHARACTERS


def test_an_endpoint_that_does_not_exist_is_a_validation_error(client: RuntimeClient):
    with pytest.raises(ClientError, match="Endpoint other not found") as caught:
        client.invoke_endpoint(Body=b"x", EndpointName="other")
    assert caught.value.response["Error"]["Code"] == "ValidationError"


def test_parameters_are_checked_before_anything_is_sent(
    client: RuntimeClient, server: AnsweringServer
):
    with pytest.raises(ParamValidationError):
        client.invoke_endpoint(Body=b"x", EndpointName="mine", Acept="application/json")
    assert server.requests == []


def test_no_answer_in_time_is_a_time_out_and_not_sent_again(
    client: RuntimeClient, server: AnsweringServer
):
    server.delay_s = 1.0
    with pytest.raises(ReadTimeoutError):
        client.invoke_endpoint(Body=b"x", EndpointName="mine")
    assert len(server.requests) == 1


def test_waits_longer_than_the_platform_lets_a_container_take():
    assert runtime_client.READ_TIMEOUT_S == 70
    assert runtime_client.READ_TIMEOUT_S > contract.INVOCATION_TIMEOUT_S


def test_a_proxy_for_the_internet_is_not_asked(
    server: AnsweringServer, monkeypatch: pytest.MonkeyPatch
):
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    client = RuntimeClient(lambda _: server.url, boto_session=runtime_client.boto_session())
    assert client.invoke_endpoint(Body=b"", EndpointName="any")["Body"].read() == b"[1]"


def test_the_session_has_no_credentials_even_where_the_environment_has(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    assert runtime_client.boto_session().get_credentials() is None
    assert runtime_client.boto_session("eu-west-1").region_name == "eu-west-1"


def test_a_refused_connection_is_boto3s_error(free_port: int):
    client = RuntimeClient(
        lambda _: f"http://127.0.0.1:{free_port}", boto_session=runtime_client.boto_session()
    )
    with pytest.raises(EndpointConnectionError):
        client.invoke_endpoint(Body=b"", EndpointName="any")


def test_hosting_names_what_notebooks_use():
    assert set(hosting.__all__) <= set(dir(hosting))


def test_is_the_sdks_own_and_round_trips_without_docker_or_credentials():
    with answering() as server:
        predictor = hosting.predictor(
            server.url + "/", serializer=JSONSerializer(), deserializer=JSONDeserializer()
        )
        assert type(predictor) is Predictor
        server.answer = (200, "application/json", b'{"predictions": [[0.25, 0.75]]}')
        assert predictor.predict({"instances": ["good"]}) == {"predictions": [[0.25, 0.75]]}
        path, headers, body = server.requests[0]
    assert path == "/invocations"
    assert headers["Content-Type"] == headers["Accept"] == "application/json"
    assert body == b'{"instances": ["good"]}'


def test_without_serializers_bytes_go_and_come():
    with answering() as server:
        assert hosting.predictor(server.url).predict(b"raw") == b"[1]"
        assert server.requests[0][2] == b"raw"


def test_raises_what_the_server_refuses():
    with answering() as server:
        server.answer = (406, "application/json", json_body("NotAcceptable"))
        predictor = hosting.predictor(server.url)
        errors = predictor.sagemaker_session.sagemaker_runtime_client.exceptions
        with pytest.raises(errors.ModelError) as caught:
            predictor.predict(b"raw")
    assert caught.value.response["OriginalStatusCode"] == 406
    assert server.url in caught.value.response["LogStreamArn"]


def test_gives_up_on_a_server_that_does_not_answer():
    with answering() as server:
        server.delay_s = 1.0
        with pytest.raises(ReadTimeoutError):
            hosting.predictor(server.url, read_timeout_s=0.3).predict(b"raw")
