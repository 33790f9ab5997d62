"""More requests than workers: who waits, who is told what, and /ping through all of it."""

import json
import threading
import time

import contract_cases
import pytest
from contract_cases import TEXT, assert_error, wait_until

STREAM = str(contract_cases.ECHO.with_name("stream.py"))
DEADLINE_S = 2


class Asking(threading.Thread):
    """One request in a thread, with its answer and the seconds that it took."""

    def __init__(self, target, body):
        super().__init__()
        self._target, self._body = target, body
        self.answer, self.took_s = None, 0.0
        self.start()

    def run(self):
        began_s = time.monotonic()
        self.answer = self._target.send("POST", "/invocations", self._body, TEXT)
        self.took_s = time.monotonic() - began_s


@pytest.mark.parametrize(
    "proxy", [pytest.param("auto", marks=pytest.mark.needs("nginx")), "off"], ids=["nginx", "alone"]
)
def test_two_long_streams_fill_two_workers_and_a_third_request_is_told_what_to_set(start, proxy):
    target = start(
        BYOI_INFERENCE_MODULE=STREAM, BYOI_NGINX=proxy, BYOI_INVOCATION_TIMEOUT_S=str(DEADLINE_S)
    ).target
    streams = [Asking(target, json.dumps(["DO:pid", *[0.25, "x"] * 16])) for _ in range(2)]
    time.sleep(0.5)
    third = Asking(target, b'["third"]')
    while third.is_alive():
        began_s = time.monotonic()
        assert target.send("GET", "/ping").status == 200
        assert time.monotonic() - began_s < 1
        time.sleep(0.1)
    assert_error(third.answer, 503, "Busy")
    assert third.took_s > DEADLINE_S - 0.1
    message = third.answer.json["message"]
    assert message.startswith("all 2 workers were busy for 2 s, and none took this request; ")
    assert "SAGEMAKER_MODEL_SERVER_WORKERS" in message
    assert "BYOI_THREADS" in message
    (line,) = target.lines(third.answer.json["request_id"])
    assert line["status"] == 503
    for stream in streams:
        stream.join()
        assert stream.answer.status == 200
        assert stream.answer.body.endswith(b"x" * 16)
    assert len({stream.answer.body for stream in streams}) == 2  # one in each worker
    assert target.send("POST", "/invocations", b'["fourth"]').body == b"fourth"


@pytest.mark.needs("nginx")
def test_a_request_that_waited_and_then_ran_too_long_is_504(start):
    target = start(
        SAGEMAKER_MODEL_SERVER_WORKERS="1", BYOI_THREADS="1", BYOI_INVOCATION_TIMEOUT_S="3"
    ).target
    first = Asking(target, b"DO:sleep 1.5")
    time.sleep(0.3)
    second = Asking(target, b"DO:sleep 2.5")
    time.sleep(0.1)
    third = Asking(target, b"third")
    for asking in (first, second, third):
        asking.join()
    assert first.answer.status == 200
    assert_error(second.answer, 504, "DeadlineExceeded")
    assert_error(third.answer, 503, "Busy")


@pytest.mark.needs("nginx")
def test_a_request_whose_worker_can_say_nothing_is_504(start):
    target = start(SAGEMAKER_MODEL_SERVER_WORKERS="1", BYOI_INVOCATION_TIMEOUT_S="6").target
    assert_error(target.send("POST", "/invocations", b"DO:hold", TEXT), 504, "DeadlineExceeded")


ALONE_WITH_TWO = {"BYOI_NGINX": "off", "SAGEMAKER_MODEL_SERVER_WORKERS": "2"}


@pytest.mark.parametrize("size_bytes", [0, 60_000, 1_000_000], ids=["small", "60 kB", "1 MB"])
def test_alone_two_requests_at_the_same_time_run_in_two_workers(start, size_bytes):
    target = start(**ALONE_WITH_TWO, BYOI_THREADS="1").target
    for _ in range(5):
        askings = [Asking(target, b"DO:sleep 1.2" + b" " * size_bytes) for _ in range(2)]
        assert len(pids_of(askings)) == 2
        time.sleep(0.3)  # a worker says a moment after its answer that it is free


def test_alone_those_who_wait_go_to_the_worker_that_is_free_first(start):
    target = start(**ALONE_WITH_TWO, BYOI_THREADS="1").target
    long = Asking(target, b"DO:sleep 5")
    time.sleep(0.5)
    first = Asking(target, b"DO:sleep 1")
    time.sleep(0.5)
    waiting = [Asking(target, b"DO:sleep 0.1") for _ in range(6)]
    assert pids_of(waiting) == pids_of([first])
    assert long.is_alive(), "nobody waited for it"
    assert pids_of([long]) != pids_of([first])


def test_alone_nobody_waits_for_a_stuck_worker_while_another_one_is_free(start):
    target = start(**ALONE_WITH_TWO, BYOI_THREADS="1", BYOI_INVOCATION_TIMEOUT_S="5").target
    stuck = Asking(target, b"DO:never")
    time.sleep(0.5)
    assert len(pids_of([Asking(target, b"x") for _ in range(50)])) == 1
    assert stuck.is_alive()
    stuck.join()
    assert stuck.answer.status == 504


def pids_of(askings):
    for asking in askings:
        asking.join()
        assert asking.answer.status == 200, asking.answer
    return {asking.answer.json["pid"] for asking in askings}


def test_alone_a_waiting_request_gets_its_turn_in_the_same_worker(start):
    target = start(BYOI_NGINX="off", SAGEMAKER_MODEL_SERVER_WORKERS="1", BYOI_THREADS="1").target
    askings = [Asking(target, b"DO:sleep 0.2") for _ in range(5)]
    for asking in askings:
        asking.join()
    assert [asking.answer.status for asking in askings] == [200] * 5
    assert max(asking.took_s for asking in askings) > 0.9


def test_alone_those_who_wait_for_a_stuck_worker_are_told_so_when_it_is_replaced(start):
    stack = start(
        BYOI_NGINX="off",
        SAGEMAKER_MODEL_SERVER_WORKERS="1",
        BYOI_THREADS="1",
        BYOI_INVOCATION_TIMEOUT_S="2",
    )
    stuck = Asking(stack.target, b"DO:never")
    time.sleep(0.8)
    waiting = Asking(stack.target, b"x")
    for asking in (stuck, waiting):
        asking.join()
    assert stuck.answer.status == 504
    assert_error(waiting.answer, 503, "Busy")
    wait_until(stack.is_ready, 10)
