"""Streams: pieces are sent when they are made, in time, and a broken one is noticed."""

import http.client
import json
import os
import signal
import socket
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import contract_cases
import pytest
from contract_cases import wait_until
from flask import Response

from byoi.local.processes import ProcessStack
from byoi.server.app import create_app
from byoi.server.handler import Handler
from byoi.server.settings import Settings
from byoi.server.streams import Pieces, Stream

MODULE = str(Path(contract_cases.__file__).parent / "toys" / "stream.py")
DEADLINE_S = 1.5
STREAM_S = 3


def noted(made, *, ended):
    try:
        yield from made
    except GeneratorExit:
        ended.append("closed")
        raise


def test_the_first_piece_is_made_at_once_and_the_others_when_asked_for():
    made = iter(["one", "two"])
    pieces = Pieces(made, "m")
    assert next(made) == "two"
    assert list(pieces) == [b"one"]


def test_pieces_are_bytes_whatever_text_or_buffer_they_were():
    made = ["é", b"b", bytearray(b"c"), memoryview(b"d")]
    assert list(Pieces(iter(made), "m")) == [b"\xc3\xa9", b"b", b"c", b"d"]


def test_empty_pieces_are_left_out_and_none_at_all_is_an_empty_body():
    assert list(Pieces(iter(["", "one", b"", "two", ""]), "m")) == [b"one", b"two"]
    assert Pieces(iter([""]), "m").is_empty
    assert Pieces(iter([]), "m").is_empty


@pytest.mark.parametrize("piece", [1, None, ["x"], {"x": 1}])
def test_another_type_is_an_error_that_names_it(piece):
    with pytest.raises(TypeError, match=f"own.py made a piece .* is {type(piece).__name__}; "):
        Pieces(iter([piece]), "own.py")
    pieces = Pieces(iter(["x", piece]), "own.py")
    assert next(pieces) == b"x"
    with pytest.raises(TypeError, match="expected bytes or text"):
        next(pieces)


def test_closing_ends_a_generator_and_leaves_what_cannot_be_closed():
    ended = []
    pieces = Pieces(noted(["x", "y"], ended=ended), "m")
    pieces.close()
    assert ended == ["closed"]
    Pieces(iter(["x"]), "m").close()


class Clock:
    now_s = 100.0

    def __call__(self):
        return self.now_s


def stream_of(made, clock):
    return Stream(Pieces(made, "m"), request_id="id-1", timeout_s=5, clock=clock)


def test_a_stream_past_its_limit_ends_as_a_broken_connection(caplog):
    clock = Clock()
    stream = stream_of(iter("abc"), clock)
    assert next(stream) == b"a"
    clock.now_s += 5
    assert next(stream) == b"b"
    clock.now_s += 0.1
    with pytest.raises(BrokenPipeError):
        next(stream)
    (record,) = caplog.records
    assert record.getMessage() == "a stream did not end within 5 s, and was cut"
    assert record.request_id == "id-1"


def test_a_failing_end_of_a_generator_is_logged_and_no_more(caplog):
    def made():
        try:
            yield "x"
        finally:
            raise ValueError("the clean-up failed")

    stream = stream_of(made(), Clock())
    stream.close()
    (record,) = caplog.records
    assert record.getMessage() == "the end of a stream failed: ValueError"


def test_a_sign_of_life_is_sent_between_two_pieces_only_and_not_too_often():
    clock = Clock()
    ours, theirs = socket.socketpair()

    def made():
        yield "one"
        for seconds in (0.9, 0.2, 0.5, 0.6):
            clock.now_s += seconds
            stream.keep_alive(ours, 1.0)
        yield "two"

    stream = stream_of(made(), clock)
    stream.keep_alive(ours, 0.0)  # the headers may not have been sent
    assert next(stream) == b"one"
    stream.keep_alive(ours, 0.0)  # gunicorn may be sending the piece
    with ours, theirs:
        assert next(stream) == b"two"
        stream.keep_alive(ours, 0.0)
        ours.shutdown(socket.SHUT_WR)
        assert theirs.recv(100) == b"00"


def test_a_sign_of_life_to_a_client_that_has_left_is_no_error():
    ours, theirs = socket.socketpair()

    def made():
        yield "one"
        theirs.close()
        stream.keep_alive(ours, 0.0)
        yield "two"

    stream = stream_of(made(), time.monotonic)
    with ours:
        assert list(stream) == [b"one", b"two"]


def answered(result, status=200):
    """Return what the application answers for what an output_fn returned."""

    class Module:
        @staticmethod
        def model_fn(model_dir):
            return len

        @staticmethod
        def output_fn(prediction, accept, context):
            context.set_response_header(0, "Content-Length", "3")
            context.set_response_status(status)
            return result

    handler = Handler(Module, "m")
    app = create_app(Settings(), handler=handler, model=len, ready=lambda: True, behind_nginx=False)
    return app.test_client().post("/invocations", data="[1]")


def test_a_stream_is_sent_in_chunks_whatever_length_the_module_has_set():
    response = answered((noted(["one", "two"], ended=[]), "text/plain"))
    assert response.headers.get("Content-Length") is None
    assert (response.data, response.content_type) == (b"onetwo", "text/plain")


def test_a_response_that_has_no_body_sends_no_pieces():
    ended = []
    response = answered(noted(["one", "two"], ended=ended), status=204)
    assert (response.status_code, response.data, ended) == (204, b"", ["closed"])


def test_a_response_of_flask_may_be_a_stream():
    response = answered(Response(noted(["one", "two"], ended=[]), mimetype="text/csv"))
    assert response.data == b"onetwo"
    assert response.content_type.startswith("text/csv")
    assert answered(Response("whole")).data == b"whole"


@pytest.fixture(
    scope="module",
    params=[pytest.param("auto", marks=pytest.mark.needs("nginx")), "off"],
    ids=["nginx", "alone"],
)
def target(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("streams")
    environ = {
        "BYOI_INFERENCE_MODULE": MODULE,
        "BYOI_NGINX": request.param,
        "BYOI_INVOCATION_TIMEOUT_S": str(DEADLINE_S),
        "BYOI_STREAM_TIMEOUT_S": str(STREAM_S),
    }
    with ProcessStack(folder, environ=environ, log_file=folder / "log") as stack:
        stack.wait()
        yield contract_cases.PortTarget("127.0.0.1", stack.port, lambda: stack.log)


class Answer:
    """A response that is read piece by piece, with the time of each in seconds."""

    def __init__(self, target, *steps):
        self._began_s = time.monotonic()
        self._connection = http.client.HTTPConnection(target.host, target.port, timeout=30)
        self._connection.request("POST", "/invocations", json.dumps(steps))
        self._response = self._connection.getresponse()
        self.status, self.headers = self._response.status, self._response.headers
        self.request_id = self.headers["X-Request-Id"]

    def read(self):
        """Return one piece and its time, b"" at the end."""
        piece = self._response.read1(1000)
        return piece, time.monotonic() - self._began_s

    def read_all(self):
        found = []
        while (piece := self.read())[0]:
            found.append(piece)
        return found

    def leave(self):
        self._response.close()
        self._connection.close()


@pytest.fixture
def ask():
    """Send steps to the module of a target; what is still open at the end is closed."""
    with ExitStack() as answers:

        def ask(target, *steps):
            answer = Answer(target, *steps)
            answers.callback(answer.leave)
            return answer

        yield ask


def errors_of(target, request_id):
    return [
        entry
        for entry in target.entries()
        if entry.get("request_id") == request_id and entry["level"] == "error"
    ]


def test_each_piece_arrives_when_it_is_made(target, ask):
    answer = ask(target, "DO:attributes", "one", 0.5, "twö", 0.5, "three")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/plain"
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert answer.headers["X-Amzn-SageMaker-Custom-Attributes"] == "from the stream"
    assert answer.headers["X-Accel-Buffering"] is None
    pieces = answer.read_all()
    assert [piece for piece, _ in pieces] == [b"one", b"tw\xc3\xb6", b"three"]
    first_s, _, last_s = (at_s for _, at_s in pieces)
    assert last_s - first_s > 0.9
    (line,) = target.lines(answer.request_id)
    assert line["status"] == 200
    assert line["duration_s"] > 0.9


def test_a_large_stream_is_whole(target, ask):
    answer = ask(target, *["x" * 100_000] * 40)
    assert b"".join(piece for piece, _ in answer.read_all()) == b"x" * 4_000_000


def test_no_piece_at_all_is_an_empty_body(target, ask):
    answer = ask(target)
    assert (answer.status, answer.headers["Content-Length"]) == (200, "0")
    assert answer.read_all() == []


def test_silence_between_two_pieces_may_be_longer_than_an_invocation(target, ask):
    answer = ask(target, "one", DEADLINE_S + 0.5, "two")
    assert [piece for piece, _ in answer.read_all()] == [b"one", b"two"]


@pytest.mark.parametrize(
    ("step", "status"), [("DO:raise", 500), ("DO:malformed", 400), ("DO:object", 500)]
)
def test_an_error_before_the_first_piece_is_an_ordinary_answer(target, step, status, ask):
    answer = ask(target, 0.1, step, "never")
    assert answer.status == status
    ((body, _),) = answer.read_all()
    assert json.loads(body)["request_id"] == answer.request_id


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        ("DO:raise", "ValueError"),
        ("DO:exit", "SystemExit"),
        ("DO:malformed", "MalformedBody"),
        ("DO:object", "TypeError"),
    ],
)
def test_an_error_after_it_breaks_the_connection_and_is_logged(target, step, kind, ask):
    answer = ask(target, "one", step, "never")
    assert answer.status == 200
    assert answer.read()[0] == b"one"
    with pytest.raises(http.client.IncompleteRead):
        answer.read()
    wait_until(lambda: errors_of(target, answer.request_id), 5)
    (entry,) = errors_of(target, answer.request_id)
    assert entry["message"] == f"a stream broke: {kind}"
    assert "in pieces" in entry["traceback"] or kind == "TypeError"
    assert ask(target, "one").read_all()[0][0] == b"one"


def test_when_the_client_leaves_the_generator_is_closed_and_the_worker_free(target, ask):
    leavers = [ask(target, "DO:pid", *[0.05, "x"] * 60) for _ in range(2)]
    pids = {answer.read()[0] for answer in leavers}
    for answer in leavers:
        answer.leave()
    for answer in leavers:
        wait_until(lambda: f"closed {answer.request_id}" in target.read_log(), 2.5)  # noqa: B023
        assert errors_of(target, answer.request_id) == []
    assert ask(target, "DO:pid").read_all()[0][0] in pids


def test_past_the_limit_a_stream_is_cut_and_a_worker_that_cannot_cut_it_is_replaced(target, ask):
    lively = ask(target, "DO:pid", *[0.3, "x"] * 20)
    silent = ask(target, "DO:pid", 60.0)
    pids = [int(answer.read()[0]) for answer in (lively, silent)]
    for answer in (lively, silent):
        with pytest.raises(http.client.IncompleteRead):
            answer.read_all()
    (cut,) = errors_of(target, lively.request_id)
    assert cut["message"] == f"a stream did not end within {STREAM_S} s, and was cut"
    assert f"closed {lively.request_id}" in target.read_log()
    (replaced,) = errors_of(target, silent.request_id)
    assert f"did not end its stream within {STREAM_S} s; worker {pids[1]}" in replaced["message"]
    os.kill(pids[0], 0)
    wait_until(lambda: not Path(f"/proc/{pids[1]}").exists(), 10)


@pytest.mark.parametrize("proxy", [pytest.param("auto", marks=pytest.mark.needs("nginx")), "off"])
def test_a_stop_lets_a_stream_end(start, proxy, ask):
    stack = start(BYOI_INFERENCE_MODULE=MODULE, BYOI_NGINX=proxy)
    answer = ask(stack.target, "one", 1.5, "two")
    assert answer.read()[0] == b"one"
    stack.send(signal.SIGTERM)
    assert [piece for piece, _ in answer.read_all()] == [b"two"]
    answer.leave()
    wait_until(lambda: stack.poll() is not None, 10)
    assert stack.poll() == 0


@pytest.mark.needs("nginx")
def test_streams_beside_a_stuck_request_have_the_time_of_an_invocation(start, ask):
    target = start(
        BYOI_INFERENCE_MODULE=MODULE,
        SAGEMAKER_MODEL_SERVER_WORKERS="1",
        BYOI_THREADS="3",
        BYOI_INVOCATION_TIMEOUT_S="1",
    ).target
    statuses = []
    stuck = threading.Thread(target=lambda: statuses.append(ask(target, 60.0).status))
    stuck.start()
    short, long = (ask(target, "DO:pid", *[0.5, "x"] * count) for count in (5, 40))
    assert b"".join(piece for piece, _ in short.read_all()).endswith(b"xxxxx")
    stuck.join()
    assert statuses == [504]
    with pytest.raises(http.client.IncompleteRead):
        long.read_all()
    (entry,) = errors_of(target, long.request_id)
    assert entry["message"].startswith("a stream was closed: another request in worker")
    assert errors_of(target, short.request_id) == []
