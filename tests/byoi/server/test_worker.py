"""The worker: deadlines, threads, and connections that move between workers."""

import http.client
import json
import os
import signal
import threading
import time
from types import SimpleNamespace

import pytest
from contract_cases import TEXT, pids, read_answer, wait_until
from gunicorn.config import Config
from gunicorn.workers.workertmp import WorkerTmp
from processes import ended, processes

from byoi.server.worker import Worker


def test_a_heartbeat_after_gunicorn_has_closed_its_file_is_no_error():
    worker = SimpleNamespace(tmp=WorkerTmp(Config()))
    Worker.notify(worker)
    assert time.monotonic() - worker.tmp.last_update() < 60
    worker.tmp.close()
    Worker.notify(worker)


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
def test_while_its_only_worker_is_seen_out_ping_stays_200(start):
    stack = start(
        SAGEMAKER_MODEL_SERVER_WORKERS="1", BYOI_THREADS="2", BYOI_INVOCATION_TIMEOUT_S="4"
    )
    stuck = threading.Thread(
        target=stack.target.send, args=("POST", "/invocations", b"DO:never", TEXT)
    )
    stuck.start()
    time.sleep(3.5)
    neighbour = threading.Thread(
        target=stack.target.send, args=("POST", "/invocations", b"DO:sleep 3", TEXT)
    )
    neighbour.start()
    while neighbour.is_alive():
        assert stack.is_ready()
        neighbour.join(0.1)
    stuck.join()
    wait_until(lambda: stack.target.send("POST", "/invocations", b"x", TEXT).status == 200, 10)
    assert "not ready" not in stack.log


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


class Client(threading.Thread):
    """Sends its bodies one after another on a connection that stays open.

    Attributes:
        answers: Status, parsed body and seconds of each.
    """

    def __init__(self, stack, bodies):
        super().__init__()
        self._target, self._bodies = stack.target, bodies
        self.answers = []
        self.start()

    def run(self):
        connection = http.client.HTTPConnection(self._target.host, self._target.port, timeout=60)
        for body in self._bodies:
            began_s = time.monotonic()
            connection.request("POST", "/invocations", body, TEXT)
            response = connection.getresponse()
            answer = json.loads(response.read())
            self.answers.append((response.status, answer, time.monotonic() - began_s))
        connection.close()


def pids_of(answers):
    return [answer["pid"] for _, answer, _ in answers]


@pytest.mark.needs("nginx")
def test_short_requests_on_kept_connections_do_not_wait_for_a_long_one(start):
    stack = start(BYOI_THREADS="1", SAGEMAKER_MODEL_SERVER_WORKERS="2")
    warm = [Client(stack, [b"DO:sleep 0.01"] * 20) for _ in range(8)]
    for client in warm:
        client.join()
    long = Client(stack, [b"DO:sleep 5"])
    time.sleep(0.2)
    short = [Client(stack, [b"x"] * 100) for _ in range(8)]
    for client in short:
        client.join()
    assert long.is_alive()
    answers = [answer for client in short for answer in client.answers]
    assert len(answers) == 800
    assert {status for status, _, _ in answers} == {200}
    assert max(took_s for _, _, took_s in answers) < 1
    long.join()
    ((status, answer, _),) = long.answers
    assert status == 200
    assert answer["pid"] not in pids_of(answers)


@pytest.mark.needs("nginx")
def test_a_body_whose_worker_began_a_long_request_meanwhile_is_answered_by_another(start):
    stack = start(BYOI_THREADS="1", SAGEMAKER_MODEL_SERVER_WORKERS="2")
    head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
    # So many that each of the two workers has some of them.
    halves = [stack.target.connect() for _ in range(12)]
    for connection in halves:
        connection.sendall(head + b"Content-Length: 8\r\n\r\nhalf")
        time.sleep(0.01)
    long = Client(stack, [b"DO:sleep 4"])
    time.sleep(0.5)
    began_s = time.monotonic()
    for connection in halves:
        connection.sendall(b" two")
    answers = [read_answer(connection) for connection in halves]
    assert time.monotonic() - began_s < 1
    assert long.is_alive()
    long.join()
    for connection, answer in zip(halves, answers, strict=True):
        connection.close()
        assert (answer.status, answer.json["text"]) == (200, "half two")
    assert long.answers[0][1]["pid"] not in {answer.json["pid"] for answer in answers}


@pytest.mark.needs("nginx")
def test_two_clients_use_two_workers_and_one_client_stays_with_one(start):
    stack = start(BYOI_THREADS="1", SAGEMAKER_MODEL_SERVER_WORKERS="2")
    alone = Client(stack, [b"x"] * 60)
    alone.join()
    assert len(set(pids_of(alone.answers))) == 1
    two = [Client(stack, [b"DO:sleep 0.01"] * 100) for _ in range(2)]
    for client in two:
        client.join()
    first, second = (pids_of(client.answers)[50:] for client in two)
    # Side by side: each worker has its part.
    both = first + second
    assert len(set(both)) == 2
    assert min(both.count(pid) for pid in set(both)) > len(both) // 4


@pytest.mark.needs("nginx")
def test_a_worker_that_is_killed_takes_only_what_it_had_with_it(start, children_of, command_of):
    stack = start(BYOI_THREADS="1", SAGEMAKER_MODEL_SERVER_WORKERS="2")
    _, _, workers = processes(stack, children_of, command_of)
    clients = [Client(stack, [b"DO:sleep 0.02"] * 60) for _ in range(8)]
    time.sleep(1)
    os.kill(workers[0], signal.SIGKILL)
    for client in clients:
        client.join()
    for client in clients:
        assert len(client.answers) == 60
        failed = [answer for status, answer, _ in client.answers if status != 200]
        # The one that was sent to that worker: nginx must not send a POST a second time.
        assert [answer["error"] for answer in failed] in ([], ["BadGateway"])
    answers = [answer for client in clients for answer in client.answers]
    assert {status for status, _, _ in answers} == {200, 502}
    wait_until(lambda: len(pids(stack.target)) == 2)


@pytest.mark.needs("nginx")
def test_a_worker_that_is_killed_while_it_waits_fails_no_request(start, children_of, command_of):
    stack = start(BYOI_THREADS="1", SAGEMAKER_MODEL_SERVER_WORKERS="2")
    _, _, workers = processes(stack, children_of, command_of)
    assert len(pids(stack.target)) == 2  # nginx keeps connections to both
    os.kill(workers[0], signal.SIGKILL)
    wait_until(lambda: ended(workers[0]), 5)
    time.sleep(1)  # nginx has seen the end of its connections, which it may not send a POST on
    clients = [Client(stack, [b"DO:sleep 0.01"] * 20) for _ in range(4)]
    for client in clients:
        client.join()
        assert {status for status, _, _ in client.answers} == {200}


@pytest.mark.needs("nginx")
def test_a_worker_that_is_asked_to_stop_fails_no_request(start, children_of, command_of):
    stack = start(BYOI_THREADS="1", SAGEMAKER_MODEL_SERVER_WORKERS="2")
    _, gunicorn, _ = processes(stack, children_of, command_of)
    clients = [Client(stack, [b"x"] * 1000) for _ in range(8)]
    for _ in range(3):
        time.sleep(0.7)
        os.kill(children_of(gunicorn)[0], signal.SIGTERM)
    for client in clients:
        client.join()
        assert [status for status, _, _ in client.answers] == [200] * 1000


@pytest.mark.needs("nginx")
@pytest.mark.parametrize("threads", ["1", "2"])
def test_half_a_body_outlives_the_worker_that_has_it(start, threads):
    stack = start(
        BYOI_THREADS=threads, SAGEMAKER_MODEL_SERVER_WORKERS="2", BYOI_INVOCATION_TIMEOUT_S="2"
    )
    head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
    # So many that each of the two workers has some of them.
    halves = [stack.target.connect() for _ in range(8)]
    for connection in halves:
        connection.sendall(head + b"Content-Length: 8\r\n\r\nhalf")
        time.sleep(0.01)
    assert stack.target.send("POST", "/invocations", b"DO:never", TEXT).status == 504
    wait_until(lambda: "is replaced" in stack.log, 10)
    time.sleep(1)  # it has ended
    answers = []
    for connection in halves:
        connection.sendall(b" two")
        answers.append(read_answer(connection))
        connection.close()
    assert [answer.json.get("text", answer.json) for answer in answers] == ["half two"] * 8


def test_alone_a_pipelined_burst_is_answered_in_its_order(start):
    stack = start(BYOI_NGINX="off", SAGEMAKER_MODEL_SERVER_WORKERS="1")
    head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
    burst, expected = b"", []
    for number in range(40):
        if number % 4 == 3:
            burst += b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n"
            expected.append(None)
        elif number % 4 == 2:
            burst += head + b"Transfer-Encoding: chunked\r\n\r\n2\r\n%02d\r\n0\r\n\r\n" % number
            expected.append(f"{number:02}")
        else:
            burst += head + b"Content-Length: 2\r\n\r\n%02d" % number
            expected.append(f"{number:02}")
    burst += b"GET /nowhere HTTP/1.1\r\nConnection: close\r\n\r\n"
    with stack.target.connect() as connection:
        connection.sendall(burst)
        file = connection.makefile("rb")
        found = [read_next(file) for _ in range(41)]
        assert file.read() == b""
    assert [status for status, _ in found] == [200] * 40 + [404]
    assert [json.loads(body)["text"] if body else None for _, body in found[:40]] == expected


def read_next(file):
    """Return status and body of the next response."""
    status = int(file.readline().split()[1])
    length = 0
    while (line := file.readline()) != b"\r\n":
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return status, file.read(length)


def test_what_came_whole_before_a_refused_request_is_answered(start):
    stack = start(BYOI_NGINX="off", SAGEMAKER_MODEL_SERVER_WORKERS="1")
    good = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
    with stack.target.connect() as connection:
        connection.sendall(good + b"Content-Length: 4\r\n\r\ngood" + b"NONSENSE\r\n\r\n")
        file = connection.makefile("rb")  # both may come at once
        status, body = read_next(file)
        assert (status, json.loads(body)["text"]) == (200, "good")
        assert read_next(file)[0] == 400


def test_thousands_of_pipelined_requests_are_answered(start):
    stack = start(BYOI_NGINX="off", SAGEMAKER_MODEL_SERVER_WORKERS="1")
    number = 3000
    with stack.target.connect() as connection:
        connection.sendall(
            b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n" * (number - 1)
            + b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        received = b""
        while part := connection.recv(65_536):
            received += part
    assert received.count(b"HTTP/1.1 200 OK") == number
