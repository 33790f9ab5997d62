"""Limits of time and size; those of AWS would take minutes, so this emulator's are short."""

import http.client
import json
import tarfile
import time
import urllib.parse

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError, EventStreamError
from emulated_aws import PATIENCE_S, Aws

from byoi.emulator.process.server import Emulator

MIB = 1024 * 1024
STARTUP_TIMEOUT_S = 3
TIMEOUT_S = 2
STREAM_TIMEOUT_S = 4
# Of the variants that are to become healthy, on a machine that may be busy.
PATIENT = {"ContainerStartupHealthCheckTimeoutInSeconds": PATIENCE_S}


@pytest.fixture(scope="module")
def patched_once():
    """moto's classes are replaced once in a process, so its emulators follow one another."""
    running = []

    def start(runner):
        if running and running[0].runner == runner:
            return running[0]
        while running:
            running.pop().emulator.stop()
        emulator = Emulator(
            runner=runner,
            startup_timeout_s=STARTUP_TIMEOUT_S,
            timeout_s=TIMEOUT_S,
            stream_timeout_s=STREAM_TIMEOUT_S,
        )
        running.append(Aws(emulator))
        running[0].runner = runner
        return running[0]

    yield start
    while running:
        running.pop().emulator.stop()


@pytest.fixture(
    scope="module",
    params=[pytest.param("containers", marks=pytest.mark.needs("docker")), "processes"],
)
def impatient(request, patched_once):
    """An emulator in this process whose patience ends after seconds."""
    if request.param == "containers":
        request.getfixturevalue("image")
    return patched_once(request.param)


def test_a_ping_that_never_turns_200_is_a_failure_in_seconds(impatient, tmp_path):
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(600)\n")
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "slow.py", "echo.py")
    config = impatient.config(impatient.model(impatient.upload(tmp_path / "model.tar.gz")))
    started_s = time.monotonic()
    reason = impatient.failure_reason(config)
    assert time.monotonic() - started_s < STARTUP_TIMEOUT_S + 20
    assert (
        "did not pass the ping health check: it did not answer /ping with 200 within 3 s" in reason
    )
    assert "last: 50" in reason


def test_an_answer_that_takes_too_long_is_a_model_error(impatient, archive):
    config = impatient.config(impatient.model(impatient.upload(archive)), **PATIENT)
    with impatient.endpoint(config) as name:
        assert impatient.invoke(name)["InvokedProductionVariant"] == "variant-0"
        started_s = time.monotonic()
        with pytest.raises(ClientError) as caught:
            impatient.invoke(name, b"DO:sleep 7")
        assert time.monotonic() - started_s < 6.9
    answer = caught.value.response
    assert answer["Error"]["Code"] == "ModelError"
    assert answer["OriginalStatusCode"] == 0
    assert (
        "timed out while waiting for a response from container primary"
        in (answer["OriginalMessage"])
    )


@pytest.mark.needs("docker")
class TestDrops:
    """Answers that never pause for long, and still take too long; on containers."""

    @pytest.fixture
    def start(self, patched_once, stranger):
        aws = patched_once("containers")

        def start(behaviour):
            model = aws.model(None, Image=stranger, Environment={"BEHAVIOUR": behaviour})
            return aws, aws.endpoint(aws.config(model, **PATIENT))

        return start

    def test_a_whole_answer_has_the_time_of_one_invocation(self, start):
        aws, endpoint = start("drip")
        with endpoint as name:
            with pytest.raises(ClientError) as caught:
                aws.invoke(name)
            assert "timed out" in caught.value.response["OriginalMessage"]

    def test_a_stream_has_its_own_time(self, start):
        aws, endpoint = start("stream")
        with endpoint as name:
            answer = aws.runtime.invoke_endpoint_with_response_stream(
                EndpointName=name, Body=b"word " * 40
            )
            pieces = []
            started_s = time.monotonic()
            with pytest.raises(EventStreamError, match="streaming took more than 4 s"):
                pieces.extend(event["PayloadPart"]["Bytes"] for event in answer["Body"])
            assert STREAM_TIMEOUT_S - 1 < time.monotonic() - started_s < STREAM_TIMEOUT_S + 2
            answer["Body"].close()

    def test_a_pause_in_a_stream_is_too_long_only_with_the_stream(self, start):
        aws, endpoint = start("stream")
        with endpoint as name:
            answer = aws.runtime.invoke_endpoint_with_response_stream(
                EndpointName=name, Body=b"one PAUSE two"
            )
            events = iter(answer["Body"])
            assert next(events)["PayloadPart"]["Bytes"] == b"one\n"
            started_s = time.monotonic()
            with pytest.raises(EventStreamError, match="streaming took more than 4 s"):
                next(events)
            assert TIMEOUT_S + 1 < time.monotonic() - started_s < STREAM_TIMEOUT_S + 1
            answer["Body"].close()


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded"])
@pytest.mark.parametrize(("size", "status"), [(25 * MIB, 200), (25 * MIB + 1, 413)])
def test_a_body_in_chunks_has_the_limit_of_any_other(
    in_processes, archive, size, status, content_type
):
    aws = in_processes
    with aws.endpoint(aws.config(aws.model(aws.upload(archive)))) as name:
        address = urllib.parse.urlsplit(aws.emulator.url)
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
        path = f"/endpoints/{name}/invocations"
        signed = AWSRequest(
            "POST", f"{aws.emulator.url}{path}", {"Content-Type": content_type}, bytes(size)
        )
        credentials = aws.session.get_credentials()
        SigV4Auth(credentials, "sagemaker", "us-east-1").add_auth(signed)
        headers = {**dict(signed.headers), "Transfer-Encoding": "chunked"}
        piece = bytes(MIB)
        chunks = [piece] * (size // MIB) + [bytes(size % MIB)] * (size % MIB > 0)
        try:
            connection.request("POST", path, iter(chunks), headers, encode_chunked=True)
            answer = connection.getresponse()
            body = json.loads(answer.read())
        finally:
            connection.close()
        assert answer.status == status, body
        if status == 200:
            assert body["bytes"] == size
        else:
            assert body["message"] == "HTTP content length exceeded 26214400 bytes."
