"""The worker: deadlines, threads, and connections that move between workers."""

import json
import threading
import time

import pytest
from contract_cases import TEXT, pids, wait_until


@pytest.mark.needs("nginx")
def test_a_healthy_request_is_answered_before_its_stuck_neighbours_worker_ends(start):
    stack = start(
        SAGEMAKER_MODEL_SERVER_WORKERS="1", BYOI_THREADS="2", BYOI_INVOCATION_TIMEOUT_S="3"
    )
    target = stack.target
    (before,) = pids_of_one(target)
    answers = {}

    def send(body):
        answers[body] = target.send("POST", "/invocations", body, TEXT)

    stuck = threading.Thread(target=send, args=(b"DO:never",))
    stuck.start()
    time.sleep(2.5)  # the neighbour outlives the stuck one's deadline: 3 s, and 1 s for nginx
    neighbour = threading.Thread(target=send, args=(b"DO:sleep 2.4",))
    neighbour.start()
    stuck.join()
    neighbour.join()
    assert answers[b"DO:never"].status == 504
    assert answers[b"DO:sleep 2.4"].status == 200
    assert answers[b"DO:sleep 2.4"].json["pid"] == before
    wait_until(stack.is_ready, 10)
    assert pids_of_one(target) != {before}
    (line,) = [entry for entry in target.entries() if "is replaced" in entry["message"]]
    assert line["level"] == "error"
    assert line["request_id"] == answers[b"DO:never"].json["request_id"]
    assert "did not answer within 3 s" in line["message"]


def pids_of_one(target):
    return {target.send("POST", "/invocations", b"x", TEXT).json["pid"]}


@pytest.mark.needs("nginx")
def test_while_its_only_worker_is_seen_out_the_server_is_not_ready(start):
    stack = start(
        SAGEMAKER_MODEL_SERVER_WORKERS="1", BYOI_THREADS="2", BYOI_INVOCATION_TIMEOUT_S="2"
    )
    stuck = threading.Thread(
        target=stack.target.send, args=("POST", "/invocations", b"DO:never", TEXT)
    )
    stuck.start()
    time.sleep(1.9)
    neighbour = threading.Thread(
        target=stack.target.send, args=("POST", "/invocations", b"DO:sleep 1.9", TEXT)
    )
    neighbour.start()
    wait_until(lambda: stack.target.send("GET", "/ping").status == 503, 5)
    stuck.join()
    neighbour.join()
    wait_until(stack.is_ready, 10)


@pytest.mark.needs("nginx")
def test_requests_beyond_the_threads_wait_for_any_worker_not_for_one(start):
    stack = start(BYOI_THREADS="1", BYOI_INVOCATION_TIMEOUT_S="8")
    stuck = threading.Thread(
        target=stack.target.send, args=("POST", "/invocations", b"DO:never", TEXT)
    )
    stuck.start()
    time.sleep(0.5)
    began_s = time.monotonic()
    for _ in range(20):
        assert stack.target.send("POST", "/invocations", b"x", TEXT).status == 200
    assert time.monotonic() - began_s < 5
    stuck.join()
    wait_until(lambda: len(pids(stack.target)) == 2)


# Keeps something on its model between two statements, as many models do.
STATEFUL = """
import json, os, time
def model_fn(model_dir): return type("Model", (), {})()
def input_fn(body, content_type): return json.loads(body)
def predict_fn(data, model):
    model.last = data
    time.sleep(0.02)
    return [model.last, os.getpid()]
def output_fn(prediction, accept): return json.dumps(prediction)
"""


def ask_at_once(stack, clients=8, each=10):
    """Return what each client asked for, with the answer."""
    found = []

    def ask(client):
        for number in range(each):
            wanted = client * each + number
            answer = stack.target.send("POST", "/invocations", json.dumps(wanted).encode())
            found.append((wanted, answer))

    threads = [threading.Thread(target=ask, args=(client,)) for client in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@pytest.mark.parametrize("proxy", [pytest.param("auto", marks=pytest.mark.needs("nginx")), "off"])
def test_a_module_that_does_not_ask_for_threads_runs_one_request_at_a_time(start, proxy):
    found = ask_at_once(start(STATEFUL, BYOI_NGINX=proxy))
    assert len(found) == 80
    assert [answer.status for _, answer in found] == [200] * 80
    assert [answer.json[0] for _, answer in found] == [wanted for wanted, _ in found]
    assert len({answer.json[1] for _, answer in found}) == 2


@pytest.mark.needs("nginx")
@pytest.mark.parametrize(
    ("module", "environ"),
    [
        ("BYOI_THREADS = 3\n", {}),
        ("", {"BYOI_THREADS": "3"}),
        ("BYOI_THREADS = 9\n", {"BYOI_THREADS": "3"}),
    ],
)
def test_threads_are_the_modules_or_the_operators(start, module, environ):
    source = (
        module
        + """
import json, threading, time
BARRIER = threading.Barrier(3)
def model_fn(model_dir): return 1
def predict_fn(data, model): return BARRIER.wait(5) >= 0
"""
    )
    stack = start(source, SAGEMAKER_MODEL_SERVER_WORKERS="1", **environ)
    # Three requests that end only together.
    found = ask_at_once(stack, clients=3, each=1)
    assert [answer.status for _, answer in found] == [200] * 3


@pytest.mark.needs("nginx")
def test_ping_is_200_while_every_worker_is_busy(start):
    stack = start(STATEFUL.replace("0.02", "1"))
    asking = threading.Thread(target=ask_at_once, args=(stack, 4, 1))
    asking.start()
    time.sleep(0.3)
    assert stack.target.send("GET", "/ping").status == 200
    asking.join()
