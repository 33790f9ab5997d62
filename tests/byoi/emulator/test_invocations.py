"""Invocations as on AWS: limits, headers, errors, streams."""

import json
import tarfile
import time

import pytest
from botocore.exceptions import ClientError, EventStreamError
from contract_cases import ECHO

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def echo(in_processes, archive):
    """An endpoint of the echoing module, without an engine."""
    config = in_processes.config(in_processes.model(in_processes.upload(archive)))
    with in_processes.endpoint(config) as name:
        yield name


@pytest.fixture(scope="module")
def start_stranger(in_containers, stranger):
    """Start an endpoint of an image of another make, once for each behaviour."""
    started = {}

    def start(behaviour):
        if behaviour not in started:
            model = in_containers.model(None, Image=stranger, Environment={"BEHAVIOUR": behaviour})
            name = f"stranger-{len(started)}"
            in_containers.sagemaker.create_endpoint(
                EndpointName=name, EndpointConfigName=in_containers.config(model)
            )
            assert in_containers.settled(name)["EndpointStatus"] == "InService"
            started[behaviour] = name
        return started[behaviour]

    yield start
    for name in started.values():
        in_containers.sagemaker.delete_endpoint(EndpointName=name)
        in_containers.wait_until_deleted(name)


def error_of(call, *arguments, **parameters):
    with pytest.raises(ClientError) as caught:
        call(*arguments, **parameters)
    return caught.value.response


def test_an_unknown_endpoint_is_refused_in_the_words_of_aws(in_processes):
    answer = error_of(in_processes.invoke, "nobody")
    assert answer["Error"]["Code"] == "ValidationError"
    assert answer["Error"]["Message"] == "Endpoint nobody of account 123456789012 not found."
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_an_endpoint_that_is_not_in_service_is_refused(in_processes, archive, tmp_path):
    aws = in_processes
    model = aws.model(f"s3://{aws.bucket}/nothing/model.tar.gz")
    aws.sagemaker.create_endpoint(EndpointName="dead", EndpointConfigName=aws.config(model))
    assert aws.settled("dead")["EndpointStatus"] == "Failed"
    answer = error_of(aws.invoke, "dead")
    assert answer["Error"]["Code"] == "ValidationError"
    assert "is not in service; it is Failed" in answer["Error"]["Message"]
    aws.sagemaker.delete_endpoint(EndpointName="dead")
    aws.wait_until_deleted("dead")


def test_custom_attributes_and_content_type_come_back(in_processes, echo):
    answer = in_processes.invoke(echo, CustomAttributes="c000-7", Accept="application/json")
    assert answer["CustomAttributes"] == "c000-7"
    assert answer["ContentType"] == "application/json"
    assert answer["InvokedProductionVariant"] == "variant-0"


def test_every_answer_has_an_id_of_its_own(in_processes, echo):
    answers = [
        in_processes.invoke(echo),
        in_processes.invoke(echo),
        error_of(in_processes.invoke, "nobody"),
        error_of(in_processes.client("sqs").list_queues),
        in_processes.sagemaker.list_models(),
        in_processes.s3.list_buckets(),
    ]
    ids = {answer["ResponseMetadata"]["RequestId"] for answer in answers}
    assert len(ids - {""}) == len(answers)


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/unknown", b"x", 415),
        ("text/plain", b"DO:malformed", 400),
        ("text/plain", b"DO:raise", 500),
    ],
)
def test_an_error_of_the_container_is_a_model_error(in_processes, echo, content_type, body, status):
    answer = error_of(in_processes.invoke, echo, body, ContentType=content_type)
    assert answer["Error"]["Code"] == "ModelError"
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert answer["OriginalStatusCode"] == status
    assert len(answer["OriginalMessage"]) <= 2048
    assert json.loads(answer["OriginalMessage"])["error"]
    assert answer["LogStreamArn"].endswith(f"log-group:/aws/sagemaker/Endpoints/{echo}")
    blame = "client" if status < 500 else "server"
    start = f'Received {blame} error ({status}) from primary with message "'
    assert answer["Error"]["Message"].startswith(start)


def test_a_body_of_25_mib_passes_and_a_longer_one_does_not(in_processes, echo):
    answer = in_processes.invoke(echo, bytes(25 * MIB))
    assert json.loads(answer["Body"].read())["bytes"] == 25 * MIB
    log = in_processes.emulator.log_file.read_text()
    assert "WARNING: a request body of 26,214,400 B; AWS's sources disagree" in log
    refused = error_of(in_processes.invoke, echo, bytes(25 * MIB + 1))
    assert refused["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert refused["Error"]["Message"] == "HTTP content length exceeded 26214400 bytes."


@pytest.mark.parametrize(
    "parameters",
    [
        {"TargetModel": "m.tar.gz"},
        {"TargetContainerHostname": "other"},
        {"InferenceComponentName": "part"},
    ],
)
def test_what_needs_another_kind_of_endpoint_is_refused(in_processes, echo, parameters):
    answer = error_of(in_processes.invoke, echo, **parameters)
    assert answer["Error"]["Code"] == "NotEmulated"
    assert next(iter(parameters)) in answer["Error"]["Message"]


def test_an_asynchronous_invocation_is_refused(in_processes, echo):
    answer = error_of(
        in_processes.runtime.invoke_endpoint_async, EndpointName=echo, InputLocation="s3://a/b"
    )
    assert "does not emulate InvokeEndpointAsync" in answer["Error"]["Message"]


def test_a_stream_arrives_as_events(aws, archive):
    config = aws.config(aws.model(aws.upload(archive)))
    with aws.endpoint(config) as name:
        answer = aws.runtime.invoke_endpoint_with_response_stream(
            EndpointName=name, Body=b"to stream", ContentType="text/plain", Accept="x/y"
        )
        body = b"".join(event["PayloadPart"]["Bytes"] for event in answer["Body"])
    seen = json.loads(body)
    assert (seen["text"], seen["content_type"], seen["accept"]) == (
        "to stream",
        "text/plain",
        "x/y",
    )
    assert answer["ContentType"] == "application/json"
    assert answer["InvokedProductionVariant"] == "variant-0"


@pytest.fixture(scope="module")
def streaming(in_processes, tmp_path_factory):
    """An endpoint of a module that streams, served by this project's own server."""
    path = tmp_path_factory.mktemp("stream") / "model.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(ECHO.with_name("stream.py"), "code/inference.py")
    model = in_processes.model(in_processes.upload(path), Environment={})
    with in_processes.endpoint(in_processes.config(model)) as name:
        yield name


def events_of(aws, endpoint, *steps):
    """Return the pieces that arrived with their times, and the error that ended them."""
    answer = aws.runtime.invoke_endpoint_with_response_stream(
        EndpointName=endpoint, Body=json.dumps(steps)
    )
    assert answer["ContentType"] == "text/plain"
    pieces, error = [], None
    try:
        pieces.extend((event["PayloadPart"]["Bytes"], time.monotonic()) for event in answer["Body"])
    except EventStreamError as caught:
        error = caught.response["Error"]
    finally:
        answer["Body"].close()
    return pieces, error


def test_pieces_of_the_own_server_arrive_when_they_are_made(in_processes, streaming):
    pieces, error = events_of(in_processes, streaming, "one", 0.7, "two", 0.7, "three")
    assert error is None
    assert [piece for piece, _ in pieces] == [b"one", b"two", b"three"]
    assert pieces[-1][1] - pieces[0][1] > 1.3


def test_a_stream_of_the_own_server_that_breaks_ends_with_an_error(in_processes, streaming):
    ((piece, _),), error = events_of(in_processes, streaming, "one", "DO:raise")
    assert piece == b"one"
    assert error["Code"] == "ModelStreamError"
    assert "the container broke the connection" in error["Message"]


def test_what_fails_before_the_first_piece_is_a_model_error(in_processes, streaming):
    with pytest.raises(ClientError) as caught:
        events_of(in_processes, streaming, "DO:malformed")
    assert caught.value.response["Error"]["Code"] == "ModelError"
    assert caught.value.response["OriginalStatusCode"] == 400


def test_invoke_endpoint_has_a_stream_as_a_whole(in_processes, streaming):
    answer = in_processes.invoke(streaming, json.dumps(["one", 0.1, "two"]))
    assert answer["Body"].read() == b"onetwo"
    failed = error_of(in_processes.invoke, streaming, json.dumps(["one", "DO:raise"]))
    assert failed["Error"]["Code"] == "ModelError"
    assert "broke the connection" in failed["OriginalMessage"]


@pytest.mark.needs("docker")
class TestAStranger:
    """What only a server of another make does; on containers."""

    def test_only_documented_headers_reach_it(self, in_containers, start_stranger):
        answer = in_containers.runtime.invoke_endpoint(
            EndpointName=start_stranger("echo"),
            Body=b"",
            ContentType="a/b",
            Accept="c/d",
            CustomAttributes="mine",
            InferenceId="id-1",
            SessionId="session-1",
            EnableExplanations="`true`",
        )
        headers = json.loads(answer["Body"].read())["headers"]
        assert headers.pop("host")
        assert headers == {
            "accept": "c/d",
            "content-length": "0",
            "content-type": "a/b",
            "x-amzn-sagemaker-custom-attributes": "mine",
            "x-amzn-sagemaker-enable-explanations": "`true`",
            "x-amzn-sagemaker-inference-id": "id-1",
            "x-amzn-sagemaker-session-id": "session-1",
        }
        assert answer["ContentType"] == "application/x-stranger"
        assert answer["CustomAttributes"] == "from the stranger"
        assert "x-secret" not in answer["ResponseMetadata"]["HTTPHeaders"]

    def test_pieces_arrive_when_they_are_sent(self, in_containers, start_stranger):
        answer = in_containers.runtime.invoke_endpoint_with_response_stream(
            EndpointName=start_stranger("stream"), Body=b"one two three"
        )
        assert answer["ContentType"] == "application/jsonlines"
        times, pieces = [], []
        for event in answer["Body"]:
            times.append(time.monotonic())
            pieces.append(event["PayloadPart"]["Bytes"])
        assert b"".join(pieces) == b"one\ntwo\nthree\n"
        assert len(pieces) > 1
        assert times[-1] - times[0] > 0.25

    def test_a_stream_that_breaks_ends_with_an_error(self, in_containers, start_stranger):
        answer = in_containers.runtime.invoke_endpoint_with_response_stream(
            EndpointName=start_stranger("stream"), Body=b"one BREAK"
        )
        events = iter(answer["Body"])
        assert next(events)["PayloadPart"]["Bytes"] == b"one\n"
        with pytest.raises(EventStreamError, match="the container broke the connection"):
            next(events)
        answer["Body"].close()

    def test_an_error_before_a_stream_is_a_model_error(self, in_containers, start_stranger):
        answer = error_of(
            in_containers.runtime.invoke_endpoint_with_response_stream,
            EndpointName=start_stranger("status 507"),
            Body=b"too much",
        )
        assert answer["Error"]["Code"] == "ModelError"
        assert (answer["OriginalStatusCode"], answer["OriginalMessage"]) == (507, "too much")

    def test_a_connection_without_an_answer_is_a_model_error(self, in_containers, start_stranger):
        answer = error_of(in_containers.invoke, start_stranger("hangup"))
        assert answer["Error"]["Code"] == "ModelError"
        assert answer["OriginalStatusCode"] == 0
        assert "broke the connection" in answer["OriginalMessage"]
