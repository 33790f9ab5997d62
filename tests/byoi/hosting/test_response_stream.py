"""A streamed answer of a container, through the client of local mode and the SDK's Predictor."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, EventStreamError, ParamValidationError
from sagemaker.iterators import LineIterator

from byoi import errors, hosting
from byoi.hosting import runtime_client
from byoi.hosting.runtime_client import RuntimeClient

WAIT_S = 20


class PacedServer(ThreadingHTTPServer):
    """Streams `pieces`, the first one at once and the others when it may; `ending` says what then.

    `whole`: the stream ends. `silent`: nothing more comes. `cut`: the connection ends.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pieces = [b"one\n", b"two\n", b"three\n"]
        self.status = 200
        self.ending = "whole"
        self.may_go_on = threading.Event()
        self.headers: dict[str, str] = {}
        self.has_lost_its_client = threading.Event()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: PacedServer

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.headers = dict(self.headers)
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/jsonlines")
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("X-Amzn-SageMaker-Custom-Attributes", "from the model")
        self.end_headers()
        self.close_connection = True
        try:
            for number, piece in enumerate(self.server.pieces):
                if number == 1:
                    self.server.may_go_on.wait(WAIT_S)
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            if self.server.ending == "whole":
                self.wfile.write(b"0\r\n\r\n")
            if self.server.ending != "cut" and not self.rfile.read(1):
                self.server.has_lost_its_client.set()
        except (BrokenPipeError, ConnectionResetError):
            self.server.has_lost_its_client.set()

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def server() -> Iterator[PacedServer]:
    with PacedServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.may_go_on.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def client(server: PacedServer) -> RuntimeClient:
    urls = {"mine": f"http://127.0.0.1:{server.server_port}"}
    session = runtime_client.boto_session()
    return RuntimeClient(urls.__getitem__, boto_session=session, stream_timeout_s=1.0)


def test_each_piece_is_there_before_the_next_is_made(client: RuntimeClient, server: PacedServer):
    answer = client.invoke_endpoint_with_response_stream(
        EndpointName="mine", Body=b"x", ContentType="text/plain", Accept="a/b", InferenceId="7"
    )
    assert answer["ContentType"] == "application/jsonlines"
    assert answer["CustomAttributes"] == "from the model"
    events = iter(answer["Body"])
    assert next(events) == {"PayloadPart": {"Bytes": b"one\n"}}
    server.may_go_on.set()
    assert b"".join(event["PayloadPart"]["Bytes"] for event in events) == b"two\nthree\n"
    assert server.headers["Content-Type"] == "text/plain"
    assert server.headers["Accept"] == "a/b"
    assert server.headers["X-Amzn-SageMaker-Inference-Id"] == "7"
    assert "X-Amzn-SageMaker-Accept" not in server.headers


def test_the_sdks_predictor_streams_lines(server: PacedServer):
    server.may_go_on.set()
    predictor = hosting.predictor(f"http://127.0.0.1:{server.server_port}")
    assert list(predictor.predict_stream(b"x", iterator=LineIterator)) == [b"one", b"two", b"three"]


@pytest.mark.parametrize(
    ("ending", "told"),
    [("silent", "nothing came for too long"), ("cut", "the container broke the connection")],
)
def test_a_stream_that_breaks_is_an_error_after_what_has_come(
    client: RuntimeClient, server: PacedServer, ending: str, told: str
):
    server.pieces, server.ending = [b"one\n"], ending
    answer = client.invoke_endpoint_with_response_stream(EndpointName="mine", Body=b"x")
    events = iter(answer["Body"])
    assert next(events)["PayloadPart"]["Bytes"] == b"one\n"
    with pytest.raises(EventStreamError, match=told):
        next(events)


def test_a_reader_who_stops_is_noticed_by_the_container(client: RuntimeClient, server: PacedServer):
    answer = client.invoke_endpoint_with_response_stream(EndpointName="mine", Body=b"x")
    events = iter(answer["Body"])
    next(events)
    server.may_go_on.set()
    answer["Body"].close()
    assert server.has_lost_its_client.wait(WAIT_S)


def test_an_error_before_the_stream_is_a_model_error(client: RuntimeClient, server: PacedServer):
    server.status, server.pieces = 400, [b'{"error": "Wrong"}']
    with pytest.raises(client.exceptions.ModelError) as caught:
        client.invoke_endpoint_with_response_stream(EndpointName="mine", Body=b"x")
    assert caught.value.response["OriginalStatusCode"] == 400
    assert caught.value.response["OriginalMessage"] == '{"error": "Wrong"}'
    assert "endpoint mine" in caught.value.response["LogStreamArn"]


def test_what_cannot_be_asked_is_refused_as_for_a_whole_answer(client: RuntimeClient):
    ask = client.invoke_endpoint_with_response_stream
    with pytest.raises(ClientError, match="Endpoint other not found"):
        ask(EndpointName="other", Body=b"")
    with pytest.raises(errors.ConfigurationError, match="InferenceComponentName"):
        ask(EndpointName="mine", Body=b"", InferenceComponentName="part")
    with pytest.raises(ParamValidationError):
        ask(EndpointName="mine", Body=b"", Acept="x")
    with pytest.raises(ParamValidationError):
        ask(Body=b"")


@pytest.mark.needs("docker", "compose")
def test_a_container_streams_what_the_script_yields(
    image: str, toy_dir: Path, session: hosting.LocalSession
):
    module = {"BYOI_INFERENCE_MODULE": "/opt/ml/model/stream.py"}
    with hosting.endpoint(image, toy_dir, session=session, environment=module) as predictor:
        arrived = [
            (time.monotonic(), event["PayloadPart"]["Bytes"])
            for event in predictor.predict_stream(
                json.dumps(["one", 0.5, "two"]), {"ContentType": "application/json"}, iterator=iter
            )
        ]
    assert b"".join(piece for _, piece in arrived) == b"onetwo"
    assert arrived[-1][0] - arrived[0][0] > 0.25
