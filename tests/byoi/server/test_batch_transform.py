"""A batch transform: the limits that the platform says, the deadline, records, joined answers."""

import json
import socket
import sys
import threading
import time
from types import SimpleNamespace

import pytest
from contract_cases import ECHO, HEAD, TEXT, assert_error, wait_until

from byoi.server import announcements, inference_module
from byoi.server import app as app_module
from byoi.server.app import create_app
from byoi.server.handler import Handler
from byoi.server.settings import Settings

MB = 2**20
BOTH = pytest.mark.parametrize(
    "proxy", [pytest.param("auto", marks=pytest.mark.needs("nginx")), "off"]
)
DOUBLING = """
def model_fn(model_dir): return lambda rows: rows * 2
"""
# Runs one request at a time, and counts those that it ran.
SLEEPER = """
import time
count = 0
def model_fn(model_dir): return 1
def input_fn(body, content_type): return float(body)
def predict_fn(seconds, model):
    global count
    count += 1
    print(f"runs {seconds:g}")
    time.sleep(seconds)
    return count
def output_fn(prediction, accept): return str(prediction), "text/plain"
"""
CSV = {"Content-Type": "text/csv", "Accept": "text/csv"}


def transform(start, source=None, **environ):
    return start(source, SAGEMAKER_BATCH="True", **environ).target


def chunked(*sizes):
    chunks = b"".join(b"%x\r\n" % size + b"a" * size + b"\r\n" for size in sizes)
    return HEAD + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + chunks + b"0\r\n\r\n"


@BOTH
def test_the_largest_body_is_the_platforms_whole_or_in_chunks(start, proxy):
    target = transform(
        start,
        BYOI_NGINX=proxy,
        SAGEMAKER_MAX_PAYLOAD_IN_MB="1",
        BYOI_BODY_LIMIT_BYTES="10",
    )
    assert target.send("POST", "/invocations", b"a" * MB, TEXT).json["bytes"] == MB
    assert target.exchange(chunked(MB)).json["bytes"] == MB
    assert_error(target.send("POST", "/invocations", b"a" * (MB + 1), TEXT), 413, "PayloadTooLarge")
    assert_error(target.exchange(chunked(MB, 1)), 413, "PayloadTooLarge")


@BOTH
def test_0_is_no_limit(start, proxy):
    target = transform(start, BYOI_NGINX=proxy, SAGEMAKER_MAX_PAYLOAD_IN_MB="0")
    size = 27 * MB
    assert target.send("POST", "/invocations", b"a" * size, TEXT).json["bytes"] == size
    assert target.exchange(chunked(size)).json["bytes"] == size


@BOTH
def test_where_the_job_says_nothing_it_is_the_largest_of_the_api(start, proxy):
    target = transform(start, BYOI_NGINX=proxy)
    assert target.send("POST", "/invocations", b"a" * 26 * MB, TEXT).json["bytes"] == 26 * MB


def test_in_process_too():
    inference_module.find(str(ECHO))
    echo = sys.modules[ECHO.stem]
    settings = Settings.from_environ({"SAGEMAKER_BATCH": "1", "SAGEMAKER_MAX_PAYLOAD_IN_MB": "0"})
    app = create_app(
        settings, handler=Handler(echo, "echo"), model=echo.model_fn("/m"), ready=lambda: True
    )
    answer = app.test_client().post("/invocations", data=b"a" * 26 * MB, headers=TEXT)
    assert (answer.status_code, answer.json["bytes"]) == (200, 26 * MB)


@BOTH
def test_the_time_that_a_request_waits_does_not_count(start, proxy):
    target = transform(
        start,
        SLEEPER,
        BYOI_NGINX=proxy,
        BYOI_INVOCATION_TIMEOUT_S="2",
        SAGEMAKER_MODEL_SERVER_WORKERS="1",
    )
    answers = []
    threads = [
        threading.Thread(
            target=lambda: answers.append(target.send("POST", "/invocations", b"1.2", TEXT))
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # The last one has waited for 3.6 s.
    assert [answer.status for answer in answers] == [200] * 4
    assert {answer.body for answer in answers} == {b"1", b"2", b"3", b"4"}


@BOTH
def test_a_large_body_that_nobody_reads_for_long_is_not_one_that_stopped(start, proxy):
    target = transform(
        start,
        BYOI_NGINX=proxy,
        BYOI_BODY_TIMEOUT_S="3",  # nginx's is 5 s more; a busy machine may stand still for one
        BYOI_THREADS="1",
        SAGEMAKER_MODEL_SERVER_WORKERS="1",
    )
    answers = []
    threads = [
        threading.Thread(
            target=lambda body=body: answers.append(target.send("POST", "/invocations", body, TEXT))
        )
        for body in (b"DO:sleep 10", b"a" * 9 * MB)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status for answer in answers] == [200, 200]


@BOTH
def test_the_time_that_it_runs_does(start, proxy):
    stack = start(
        SLEEPER,
        SAGEMAKER_BATCH="true",
        BYOI_NGINX=proxy,
        BYOI_INVOCATION_TIMEOUT_S="2",
        SAGEMAKER_MODEL_SERVER_WORKERS="1",
    )
    answers = {}

    def send(body):
        answers[body] = stack.target.send("POST", "/invocations", body, TEXT)

    began_s = time.monotonic()
    late = threading.Thread(target=send, args=(b"60",))
    late.start()
    wait_until(lambda: time.monotonic() - began_s > 0.5)
    waiting = threading.Thread(target=send, args=(b"0",))
    waiting.start()
    late.join()
    took_s = time.monotonic() - began_s
    assert_error(answers[b"60"], 504, "DeadlineExceeded")
    assert "no answer within 2 s" in answers[b"60"].json["message"]
    assert 2 <= took_s < 5
    waiting.join()
    if proxy == "auto":  # without nginx its connection was this worker's
        assert answers[b"0"].status == 200
    (line,) = [entry for entry in stack.target.entries() if "is replaced" in entry["message"]]
    assert line["request_id"] == answers[b"60"].json["request_id"]
    wait_until(stack.is_ready, 10)


@pytest.mark.needs("nginx")
def test_a_request_that_the_platform_gave_up_while_it_waited_is_not_run(start):
    target = transform(start, SLEEPER, SAGEMAKER_MODEL_SERVER_WORKERS="1")
    busy = threading.Thread(target=target.send, args=("POST", "/invocations", b"2", TEXT))
    busy.start()
    wait_until(lambda: "runs 2" in target.read_log(), 5)
    with target.connect() as client:
        client.settimeout(0.5)
        client.sendall(HEAD + b"Content-Length: 1\r\n\r\n0")
        with pytest.raises(TimeoutError):
            client.recv(1)
    busy.join()
    # The first request, and this one.
    assert target.send("POST", "/invocations", b"0", TEXT).body == b"2"


def test_a_peer_that_has_closed_is_seen_and_one_that_waits_is_not():
    ours, theirs = socket.socketpair()
    processing = SimpleNamespace(socket=ours)
    assert not app_module._has_left(processing)
    theirs.shutdown(socket.SHUT_WR)
    assert not app_module._has_left(processing), "it still reads"
    theirs.close()
    assert app_module._has_left(processing)
    ours.close()
    assert not app_module._has_left(None)


@BOTH
@pytest.mark.parametrize(
    ("environ", "status", "body"),
    [
        ({"BYOI_TRANSFORM_RECORD_ERRORS": "1"}, 200, b"2\nERROR\n6"),
        ({}, 500, None),
    ],
)
def test_a_bad_record_is_an_error_in_its_place_only_where_that_is_asked_for(
    start, proxy, environ, status, body
):
    target = transform(start, DOUBLING, BYOI_NGINX=proxy, **environ)
    answer = target.send("POST", "/invocations", b"1\nx\n3\n", CSV)
    assert answer.status == status
    assert body is None or answer.body == body


def test_on_an_endpoint_nobody_gets_an_error_with_200(start):
    target = start("BYOI_TRANSFORM_RECORD_ERRORS = True\n" + DOUBLING, BYOI_NGINX="off").target
    assert target.send("POST", "/invocations", b"1\nx\n3\n", CSV).status == 500


def joined(target, assemble_with, parts):
    """Join answers as the platform does."""
    end = b"\n" if assemble_with == "Line" else b""
    return b"".join(target.send("POST", "/invocations", part, CSV).body + end for part in parts)


STREAMING = """
def model_fn(model_dir): return 1
def input_fn(body, content_type): return [int(one) for one in body.split()]
def predict_fn(data, model): return data
def output_fn(prediction, accept): return (f"{2 * one}\\n" for one in prediction), "text/csv"
"""


@BOTH
@pytest.mark.parametrize("source", [DOUBLING, STREAMING])
@pytest.mark.parametrize(("assemble_with", "line_end"), [("Line", "0"), ("None", "1")])
def test_joined_answers_have_a_line_for_each_record(start, proxy, source, assemble_with, line_end):
    target = transform(start, source, BYOI_NGINX=proxy, BYOI_TRANSFORM_LINE_END=line_end)
    assert joined(target, assemble_with, [b"1\n2\n", b"3\n4"]) == b"2\n4\n6\n8\n"


def test_an_endpoints_answer_ends_as_the_module_ends_it(start):
    target = start(DOUBLING, BYOI_NGINX="off", BYOI_TRANSFORM_LINE_END="0").target
    assert target.send("POST", "/invocations", b"1\n2\n", CSV).body == b"2\n4\n"


def test_a_stream_that_breaks_is_a_500_that_the_platform_sends_again(start):
    target = transform(start, STREAMING.replace("{2 * one}", "{2 // one}"), BYOI_NGINX="off")
    assert target.send("POST", "/invocations", b"1\n0\n", CSV).status == 500


@pytest.mark.needs("nginx")
def test_what_was_chosen_is_a_line_at_start(start):
    target = transform(start, SAGEMAKER_BATCH_STRATEGY="MULTI_RECORD")
    wait_until(lambda: "ready: " in target.read_log(), 5)
    (line,) = [one["message"] for one in target.entries() if "batch transform" in one["message"]]
    assert line.startswith("batch transform: 600 s for an invocation, beside the time")


@pytest.mark.parametrize(
    ("environ", "parts"),
    [
        ({}, ["600 s", "bodies up to 100 MB"]),
        ({"SAGEMAKER_MAX_PAYLOAD_IN_MB": "6"}, ["bodies up to 6 MB (SAGEMAKER_MAX_PAYLOAD_IN_MB"]),
        ({"SAGEMAKER_MAX_PAYLOAD_IN_MB": "0"}, ["bodies of any size"]),
        ({}, ["end without a line break, for AssembleWith Line (BYOI_TRANSFORM_LINE_END)"]),
        ({"BYOI_TRANSFORM_LINE_END": "1"}, ["end with a line break, for AssembleWith None"]),
        ({"SAGEMAKER_BATCH_STRATEGY": "SingleRecord"}, ["; SINGLE_RECORD"]),
        ({"SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": "2"}, ["; 2 requests at once"]),
        (
            {"SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": "8", "SAGEMAKER_MODEL_SERVER_WORKERS": "2"},
            ["; 8 requests at once, and 2 workers: more run at once with SAGEMAKER_MODEL_SERVER_W"],
        ),
    ],
)
def test_the_line_names_limits_and_variables(environ, parts):
    text = announcements.transform(Settings.from_environ({"SAGEMAKER_BATCH": "true", **environ}))
    for part in parts:
        assert part in text


@pytest.mark.parametrize(
    ("environ", "fields"),
    [
        ({"SAGEMAKER_BATCH": "TRUE"}, {"invocation_timeout_s": 600, "body_limit_bytes": 100 * MB}),
        ({"SAGEMAKER_BATCH": "false"}, {"invocation_timeout_s": 60, "body_limit_bytes": 25 * MB}),
        ({"SAGEMAKER_BATCH": ""}, {"is_batch": False}),
        (
            {"SAGEMAKER_BATCH": "true", "BYOI_INVOCATION_TIMEOUT_S": "3600"},
            {"invocation_timeout_s": 3600},
        ),
        (
            {"SAGEMAKER_BATCH": "true", "SAGEMAKER_MAX_PAYLOAD_IN_MB": "6"},
            {"body_limit_bytes": 6 * MB},
        ),
        (
            {"SAGEMAKER_BATCH": "true", "SAGEMAKER_MAX_PAYLOAD_IN_MB": "0"},
            {"body_limit_bytes": 0},
        ),
        (
            {
                "SAGEMAKER_BATCH": "true",
                "SAGEMAKER_MAX_PAYLOAD_IN_MB": "6",
                "BYOI_BODY_LIMIT_BYTES": "7",
            },
            {"body_limit_bytes": 6 * MB},
        ),
        ({"SAGEMAKER_BATCH": "true", "BYOI_BODY_LIMIT_BYTES": "7"}, {"body_limit_bytes": 7}),
        (
            {
                "SAGEMAKER_BATCH": "true",
                "BYOI_EXECUTION_PARAMETERS": json.dumps({"MaxPayloadInMB": 9}),
            },
            {"body_limit_bytes": 9 * MB},
        ),
        (
            {
                "SAGEMAKER_BATCH": "true",
                "BYOI_EXECUTION_PARAMETERS": json.dumps({"MaxPayloadInMB": 0}),
            },
            {"body_limit_bytes": 0},
        ),
        ({"SAGEMAKER_MAX_PAYLOAD_IN_MB": "6"}, {"body_limit_bytes": 6 * MB}),
        ({"SAGEMAKER_BATCH_STRATEGY": "single_record"}, {"strategy": "SINGLE_RECORD"}),
        ({"SAGEMAKER_BATCH_STRATEGY": "MultiRecord"}, {"strategy": "MULTI_RECORD"}),
        ({"SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": "4"}, {"concurrent_transforms": 4}),
    ],
)
def test_settings_follow_the_platform_and_reach_the_workers_unchanged(environ, fields):
    found = Settings.from_environ(environ)
    assert {name: getattr(found, name) for name in fields} == fields
    assert Settings.from_environ({**environ, **found.to_environ()}) == found
