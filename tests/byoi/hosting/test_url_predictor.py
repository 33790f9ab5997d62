"""The SDK's Predictor for a plain URL."""

import pytest
from answering_server import answering, json_body
from botocore.exceptions import ReadTimeoutError
from sagemaker.deserializers import JSONDeserializer
from sagemaker.predictor import Predictor
from sagemaker.serializers import JSONSerializer

from byoi import hosting


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
