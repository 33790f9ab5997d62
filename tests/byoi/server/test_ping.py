"""/ping while workers are busy, stuck and replaced, and what `ping_fn` does to it."""

import itertools
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from contract_cases import TEXT, wait_until
from processes import processes

PROXIES = pytest.mark.parametrize(
    "proxy", [pytest.param("auto", marks=pytest.mark.needs("nginx")), "off"], ids=["nginx", "alone"]
)

# The body is run; the second and later loads take as long as the file `pause` says.
DOING = """
import ctypes, os, time
from pathlib import Path

def model_fn(model_dir):
    pause = Path(model_dir) / "pause"
    if pause.exists():
        time.sleep(float(pause.read_text()))

def transform_fn(model, body, content_type, accept):
    exec(body)
    return str(os.getpid()), "text/plain"
"""
HOLD = "ctypes.PyDLL(None).sleep({})"  # PyDLL, unlike CDLL, keeps the interpreter's lock


class Pinging:
    """Asks /ping again and again; `seen` has the changes of its status."""

    def __init__(self, target):
        self._target = target
        self.seen = [self._ask()]
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._is_over.set()
        self._thread.join()

    def _ask(self):
        return self._target.send("GET", "/ping", timeout_s=2).status

    def _run(self):
        while not self._is_over.wait(0.05):
            if (status := self._ask()) != self.seen[-1]:
                self.seen.append(status)


@pytest.mark.needs("nginx")
def test_a_call_that_holds_the_interpreter_is_alive_and_its_request_answered(start):
    stack = start(DOING, SAGEMAKER_MODEL_SERVER_WORKERS="1")
    with Pinging(stack.target) as pinging:
        answer = stack.target.send("POST", "/invocations", HOLD.format(12).encode(), TEXT)
        time.sleep(1)  # and afterwards
    assert answer.status == 200
    assert pinging.seen == [200]
    assert "not ready" not in stack.log


@pytest.mark.needs("nginx")
def test_past_its_deadline_it_is_replaced_and_ping_does_not_turn(start, tmp_path):
    stack = start(DOING, SAGEMAKER_MODEL_SERVER_WORKERS="1", BYOI_INVOCATION_TIMEOUT_S="5")
    (tmp_path / "a model" / "pause").write_text("1")
    with Pinging(stack.target) as pinging:
        answer = stack.target.send("POST", "/invocations", HOLD.format(60).encode(), TEXT)
        assert answer.status == 504
        wait_until(lambda: "sent no heartbeat for 10 s" in stack.log, 20)
        wait_until(lambda: stack.target.send("POST", "/invocations", b"", TEXT).status == 200, 20)
    assert pinging.seen == [200]


@pytest.mark.needs("nginx")
def test_a_deadline_of_the_only_worker_leaves_ping_at_200_while_another_loads(start, tmp_path):
    stack = start(DOING, SAGEMAKER_MODEL_SERVER_WORKERS="1", BYOI_INVOCATION_TIMEOUT_S="5")
    (tmp_path / "a model" / "pause").write_text("1.5")
    with Pinging(stack.target) as pinging:
        answer = stack.target.send("POST", "/invocations", b"time.sleep(60)", TEXT)
        assert answer.status == 504
        # It waits for the worker that loads.
        assert stack.target.send("POST", "/invocations", b"", TEXT).status == 200
    assert pinging.seen == [200]


@pytest.mark.needs("nginx")
def test_also_where_the_load_takes_longer_than_an_invocation_may(start, tmp_path):
    stack = start(DOING, SAGEMAKER_MODEL_SERVER_WORKERS="1", BYOI_INVOCATION_TIMEOUT_S="1")
    (tmp_path / "a model" / "pause").write_text("3")
    with Pinging(stack.target) as pinging:
        answer = stack.target.send("POST", "/invocations", b"time.sleep(60)", TEXT)
        assert answer.status == 504
        wait_until(lambda: stack.target.send("POST", "/invocations", b"", TEXT).status == 200, 20)
    assert pinging.seen == [200]


@pytest.mark.needs("nginx")
def test_but_one_that_fails_turns_ping_at_once(start, tmp_path):
    stack = start(DOING, SAGEMAKER_MODEL_SERVER_WORKERS="1", BYOI_INVOCATION_TIMEOUT_S="1")
    (tmp_path / "a model" / "pause").write_text("no number")
    with Pinging(stack.target) as pinging:
        answer = stack.target.send("POST", "/invocations", b"time.sleep(60)", TEXT)
        assert answer.status == 504
        wait_until(lambda: 503 in pinging.seen, 10)
        (tmp_path / "a model" / "pause").unlink()
        wait_until(lambda: pinging.seen[-1] == 200, 20)
    assert pinging.seen == [200, 503, 200]


@pytest.mark.needs("nginx")
def test_a_worker_that_crashes_leaves_nobody_to_answer_and_ping_says_so(start, tmp_path):
    stack = start(DOING, SAGEMAKER_MODEL_SERVER_WORKERS="1")
    (tmp_path / "a model" / "pause").write_text("2")
    with Pinging(stack.target) as pinging:
        answer = stack.target.send("POST", "/invocations", b"os._exit(1)", TEXT)
        assert answer.status == 502
        wait_until(lambda: pinging.seen == [200, 503, 200], 20)


# A file in the model directory says what ping_fn does; by its name, in which worker.
SAYING = """
import os, time
from pathlib import Path

running = 0

def model_fn(model_dir):
    return Path(model_dir)

def ping_fn(model):
    if running:
        (model / "beside a request").touch()
    with open(model / "asked", "a") as asked:
        asked.write(f"{os.getpid()} {time.monotonic()}\\n")
    for file in (model / "says", model / f"says-{os.getpid()}"):
        if file.exists():
            return eval(file.read_text())
    return True

def transform_fn(model, body, content_type, accept):
    global running
    running += 1
    time.sleep(0.02)
    running -= 1
    return str(os.getpid()), "text/plain"
"""


def asked(model_dir):
    """Return when each worker was asked, in seconds."""
    times_s = {}
    for line in (model_dir / "asked").read_text().splitlines():
        pid, time_s = line.split()
        times_s.setdefault(int(pid), []).append(float(time_s))
    return times_s


@PROXIES
@pytest.mark.parametrize(
    ("says", "words"),
    [("False", "returned False"), ("1 / 0", "raised ZeroDivisionError: division by zero")],
)
def test_what_ping_fn_says_turns_ping_and_is_logged_once(start, tmp_path, proxy, says, words):
    stack = start(SAYING, BYOI_NGINX=proxy)
    file = tmp_path / "a model" / "says"
    file.write_text(says)
    wait_until(lambda: not stack.is_ready(), 10)
    assert stack.target.send("POST", "/ping").status == 503
    assert stack.target.send("POST", "/invocations", b"", TEXT).status == 200
    wait_until(lambda: stack.log.count(words) == 2, 10)
    lines = [entry for entry in stack.target.entries() if words in entry["message"]]
    assert [line["level"] for line in lines] == ["error"] * 2
    assert len({line["process"] for line in lines}) == 2
    assert lines[0]["message"].startswith(f"ping_fn of {tmp_path}/own_module.py {words} in worker ")
    assert ("traceback" in lines[0]) is ("raised" in words)
    (told,) = [entry for entry in stack.target.entries() if "not ready" in entry["message"]]
    assert "ping_fn of" in told["message"]
    file.unlink()
    wait_until(stack.is_ready, 10)
    wait_until(lambda: stack.log.count("returns true again") == 2, 10)
    assert stack.stop() == 0


@pytest.mark.needs("nginx")
def test_the_no_of_one_worker_is_enough_and_ends_with_it(start, tmp_path, children_of, command_of):
    stack = start(SAYING)
    _, _, (pid, _) = processes(stack, children_of, command_of)
    (tmp_path / "a model" / f"says-{pid}").write_text("False")
    wait_until(lambda: not stack.is_ready(), 10)
    assert f"says no in worker {pid};" in stack.log
    os.kill(pid, 9)
    wait_until(stack.is_ready, 10)


@PROXIES
def test_a_server_whose_ping_fn_says_no_from_the_start_is_never_ready(start, tmp_path, proxy):
    (tmp_path / "a model").mkdir()
    (tmp_path / "a model" / "says").write_text("None")
    stack = start(SAYING, wait=False, BYOI_NGINX=proxy)
    wait_until(lambda: stack.log.count("raised TypeError: ping_fn returned None, ") == 2, 10)
    assert not stack.is_ready()
    assert '"ready: ' not in stack.log
    (tmp_path / "a model" / "says").unlink()
    wait_until(stack.is_ready, 10)


@PROXIES
@pytest.mark.parametrize("threads", ["1", "2"])
def test_it_is_asked_between_requests_also_under_load(start, tmp_path, proxy, threads):
    stack = start(
        SAYING, BYOI_NGINX=proxy, BYOI_THREADS=threads, SAGEMAKER_MODEL_SERVER_WORKERS="1"
    )
    end_s = time.monotonic() + 12

    def send(_):
        statuses = set()
        while time.monotonic() < end_s:
            statuses.add(stack.target.send("POST", "/invocations", b"", TEXT).status)
        return statuses

    with ThreadPoolExecutor(4) as pool:
        assert set.union(*pool.map(send, range(4))) == {200}
    (times_s,) = asked(tmp_path / "a model").values()
    assert len(times_s) >= 3
    assert all(4.9 < after - before < 7 for before, after in itertools.pairwise(times_s))
    # Where two requests may run at once, so may it beside one.
    assert threads == "2" or not (tmp_path / "a model" / "beside a request").exists()


@PROXIES
def test_a_ping_fn_that_never_returns_is_replaced_with_its_worker(start, tmp_path, proxy):
    stack = start(
        SAYING,
        BYOI_NGINX=proxy,
        SAGEMAKER_MODEL_SERVER_WORKERS="1",
        BYOI_INVOCATION_TIMEOUT_S="2",
    )
    (pid,) = asked(tmp_path / "a model")
    (tmp_path / "a model" / f"says-{pid}").write_text("time.sleep(600)")
    wait_until(lambda: "is replaced" in stack.log, 20)
    (line,) = [entry for entry in stack.target.entries() if "is replaced" in entry["message"]]
    assert line["message"].startswith(f"ping_fn of {tmp_path}/own_module.py did not answer within")
    wait_until(lambda: len(asked(tmp_path / "a model")) > 1, 20)
    wait_until(stack.is_ready, 10)
    assert stack.target.send("POST", "/invocations", b"", TEXT).status == 200


@pytest.mark.needs("nginx")
def test_with_reload_the_ping_fn_that_was_saved_last_is_asked(start, tmp_path):
    stack = start(DOING, BYOI_RELOAD="on", SAGEMAKER_MODEL_SERVER_WORKERS="1")
    module = tmp_path / "own_module.py"
    module.write_text(DOING + "\ndef ping_fn(model): return False\n")
    wait_until(lambda: not stack.is_ready(), 15)
    module.write_text(DOING)
    wait_until(stack.is_ready, 15)
    assert stack.log.count("returns true again") == 1
