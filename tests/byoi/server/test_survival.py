"""Whatever a module raises or sets, the server answers, and its workers live on."""

import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from contract_cases import TEXT, wait_until
from processes import FUNCTIONS, ended, free_port, processes, the_line

from byoi.local.processes import with_this_package

RAISING = """
import asyncio
import os

class Panic(BaseException): pass

RAISED = {b"interrupt": KeyboardInterrupt, b"cancel": asyncio.CancelledError, b"panic": Panic,
          b"exit": SystemExit, b"generator": GeneratorExit}

def model_fn(model_dir): return None

def transform_fn(model, body, content_type, accept):
    body = body.encode() if isinstance(body, str) else body
    if body in RAISED:
        raise RAISED[body]("asked for")
    return str(os.getpid()), "text/plain"
"""


def workers(stack, asked=20):
    """Return the bodies of answers to requests sent at once, so that all workers answer."""
    with ThreadPoolExecutor(asked) as pool:
        sent = [
            pool.submit(stack.target.send, "POST", "/invocations", b"", TEXT) for _ in range(asked)
        ]
        return {one.result().body for one in sent}


@pytest.mark.needs("nginx")
@pytest.mark.parametrize("proxy", ["auto", "off"])
def test_what_is_no_exception_is_a_500_and_ends_no_worker(start, proxy):
    stack = start(RAISING, BYOI_NGINX=proxy, SAGEMAKER_MODEL_SERVER_WORKERS="1")
    before = workers(stack, 1)
    for name, kind in (
        (b"interrupt", "KeyboardInterrupt"),
        (b"cancel", "CancelledError"),
        (b"panic", "Panic"),
        (b"exit", "SystemExit"),
        (b"generator", "GeneratorExit"),
    ):
        answer = stack.target.send("POST", "/invocations", name, TEXT)
        assert answer.status == 500, name
        assert kind in json.loads(answer.body)["message"]
        wait_until(lambda kind=kind: kind in stack.log, timeout_s=10)
    assert workers(stack, 3) == before


HEADERS = """
def model_fn(model_dir): return None

def transform_fn(model, body, content_type, accept, context):
    name, _, value = body.partition("=")
    context.set_response_header(0, name, value)
    return "the whole answer", "text/plain"
"""


@pytest.mark.needs("nginx")
def test_the_headers_of_the_body_and_of_nginx_are_the_servers(start):
    target = start(HEADERS).target
    for line in (
        *(b"Content-Length=1", b"Content-Length=1000", b"Transfer-Encoding=gzip"),
        *(b"X-Accel-Redirect=/ping", b"Connection=close"),
    ):
        answer = target.send("POST", "/invocations", line, TEXT)
        assert (answer.status, answer.body) == (200, b"the whole answer"), line
    assert target.send("POST", "/invocations", b"X-Mine=1", TEXT).headers["X-Mine"] == "1"
    for line in (b"X A:b=v", "X-Mine=中".encode()):
        assert target.send("POST", "/invocations", line, TEXT).status == 500
        assert "ValueError" in target.read_log()


OVERLAPS = """
import time

running = 0

def model_fn(model_dir): return None

def transform_fn(model, body, content_type, accept):
    global running
    running += 1
    time.sleep(0.3)
    most, running = running, running - 1
    return str(most), "text/plain"
"""


def test_without_nginx_another_spelling_of_the_path_waits_for_its_turn(start):
    from concurrent.futures import ThreadPoolExecutor

    stack = start(OVERLAPS, BYOI_NGINX="off", SAGEMAKER_MODEL_SERVER_WORKERS="1")
    paths = ["/invocations", "/%69nvocations"] * 3
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda path: stack.target.send("POST", path, b"", TEXT), paths))
    assert {(answer.status, answer.body) for answer in answers} == {(200, b"1")}
    assert stack.target.send("POST", "//invocations", b"", TEXT).status == 404


ENDING = """
import ctypes, os, signal, sys, time
from pathlib import Path

def model_fn(model_dir):
    broken = Path(model_dir) / "broken"
    if broken.exists():
        with open(Path(model_dir) / "tries", "a") as tries:
            tries.write(f"{time.monotonic()}\\n")
        exec(broken.read_text())

def transform_fn(model, body, content_type, accept):
    exec(body)
    return str(os.getpid()), "text/plain"
"""


def do(stack, code):
    """Let a worker run code; returns the status, 0 where the connection was lost."""
    try:
        return stack.target.send("POST", "/invocations", code.encode(), TEXT).status
    except OSError:
        return 0


def ends_of(stack):
    """Return the log lines about ends of workers."""
    return [
        entry
        for entry in stack.target.entries()
        if entry["message"].startswith("worker ") and " ended: " in entry["message"]
    ]


def wait_for_end(stack, words, number=1):
    wait_until(lambda: len(ends_of(stack)) >= number, 20)
    (*_, entry) = ends_of(stack)
    assert words in entry["message"]
    return entry


@pytest.mark.needs("nginx")
@pytest.mark.parametrize("status", [3, 4])
def test_a_status_at_which_gunicorn_would_halt_ends_one_worker(
    start, status, children_of, command_of
):
    stack = start(ENDING)
    _, gunicorn, before = processes(stack, children_of, command_of)
    assert do(stack, f"os._exit({status})") == 502
    entry = wait_for_end(stack, f"status {status}, its code ended the process")
    assert (entry["level"], entry["status"]) == ("error", status)
    assert entry["pid"] in before
    wait_until(lambda: len(children_of(gunicorn)) == 2, 10)
    (neighbour,) = set(before) - {entry["pid"]}
    assert neighbour in children_of(gunicorn)
    assert do(stack, "pass") == 200
    assert len(ends_of(stack)) == 1
    assert stack.stop() == 0


@pytest.mark.needs("nginx")
@pytest.mark.parametrize(
    ("code", "signal_name", "function"),
    [
        ("ctypes.string_at(0)", "SIGSEGV", "string_at"),
        ("ctypes.CDLL(None).abort()", "SIGABRT", "transform_fn"),
    ],
)
def test_a_crash_of_native_code_is_one_line_with_pythons_traceback(
    start, code, signal_name, function
):
    stack = start(ENDING)
    assert do(stack, code) == 502
    entry = wait_for_end(stack, f"ended: {signal_name}, native code")
    assert entry["traceback"].startswith("Fatal Python error: ")
    assert f"in {function}" in entry["traceback"]
    assert "own_module.py" in entry["traceback"]
    wait_until(stack.is_ready, 10)
    assert do(stack, "pass") == 200


@pytest.mark.needs("nginx")
def test_a_killed_worker_is_told_once_with_the_memory_limit_or_that_it_was_another(start):
    stack = start(ENDING)
    assert do(stack, "os.kill(os.getpid(), signal.SIGKILL)") == 502
    entry = wait_for_end(stack, "ended: SIGKILL, ")
    assert entry["status"] == -9
    assert any(
        word in entry["message"] for word in ("another process sent the signal", "memory limit")
    )
    time.sleep(1)
    assert "Perhaps out of memory" not in stack.log
    assert stack.log.count("SIGKILL") == 1


@pytest.mark.needs("nginx")
@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("raise ValueError('torn')", "status 3, the model could not be loaded"),
        ("sys.exit(4)", "status 3, the model could not be loaded"),
        ("os._exit(4)", "status 4, the model could not be loaded"),
        ("ctypes.string_at(0)", "SIGSEGV"),
    ],
)
def test_a_load_that_fails_while_another_worker_serves_is_told_and_tried_again(
    start, tmp_path, code, words
):
    stack = start(ENDING)
    broken = tmp_path / "a model" / "broken"
    broken.write_text(code)
    assert do(stack, "os._exit(9)") == 502
    wait_for_end(stack, words, 4)
    assert do(stack, "pass") == 200
    assert stack.is_ready()
    pauses = [entry["message"].rpartition(" starts ")[2] for entry in ends_of(stack)]
    assert pauses[:4] == ["now", "in 1 s", "in 2 s", "in 4 s"]
    tries_s = [float(line) for line in (tmp_path / "a model" / "tries").read_text().split()]
    assert tries_s[1] - tries_s[0] >= 1
    assert tries_s[2] - tries_s[1] >= 2
    if "ValueError" in code:
        reasons = [line for line in stack.log.splitlines() if "ValueError: torn" in line]
        assert len(reasons) == len(tries_s)
        assert "cannot load" in json.loads(reasons[0])["message"]
    broken.unlink()
    served = len(ends_of(stack))
    wait_until(lambda: len(workers(stack, 50)) == 2, 20)
    assert len(ends_of(stack)) == served
    assert stack.stop() == 0


@pytest.mark.needs("nginx")
@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("os.kill(os.getpid(), 9)", "SIGKILL"),
        ("ctypes.string_at(0)", "SIGSEGV, native code accessed invalid memory"),
        ("os._exit(0)", "status 0, its code ended the process"),
    ],
)
@pytest.mark.parametrize("reload", ["off", "on"])
def test_a_worker_that_dies_before_the_first_load_ends_the_server_with_one_line(
    start, tmp_path, code, words, reload
):
    (tmp_path / "a model").mkdir()
    (tmp_path / "a model" / "broken").write_text(code)
    stack = start(ENDING, wait=False, BYOI_RELOAD=reload)
    wait_until(lambda: ended(stack.pid), 10)
    line = the_line(stack.log)
    assert stack.stop() == 1
    assert line["level"] == "error"
    begun = f"own_module.py ended its worker before the server had loaded {tmp_path}/a model: "
    assert begun + words in line["message"]
    assert ("traceback" in line) is ("SIGSEGV" in words)


@pytest.mark.needs("nginx")
@pytest.mark.parametrize(
    ("silence", "function"),
    [
        # PyDLL, unlike CDLL, keeps the interpreter's lock during the call.
        ("ctypes.PyDLL(None).sleep(60)", "transform_fn"),
        # The thread that sends the signal may run on for a moment, and must not answer.
        ("os.kill(os.getpid(), signal.SIGSTOP); time.sleep(60)", None),
    ],
)
def test_a_silent_worker_is_killed_and_told_with_its_cause(start, silence, function):
    stack = start(ENDING, BYOI_INVOCATION_TIMEOUT_S="1")  # gunicorn waits 5 s longer
    assert do(stack, silence) in {503, 504}
    entry = wait_for_end(stack, "it sent no heartbeat for 6 s and was killed")
    assert entry["status"] == -9
    assert (function or "") in entry.get("traceback", "")
    assert (function is not None) is ("traceback" in entry)
    assert do(stack, "pass") == 200
    time.sleep(1)
    assert len(ends_of(stack)) == 1
    assert "WORKER TIMEOUT" not in stack.log
    assert "was sent" not in stack.log


@pytest.mark.needs("nginx")
@pytest.mark.parametrize("proxy", ["auto", "off"])
def test_a_worker_that_is_replaced_after_a_deadline_is_told_with_its_cause(start, proxy):
    stack = start(ENDING, BYOI_INVOCATION_TIMEOUT_S="1", BYOI_NGINX=proxy)
    assert do(stack, "time.sleep(60)") == 504
    entry = wait_for_end(stack, "it stopped itself, because a request passed its deadline")
    assert (entry["level"], entry["status"]) == ("warning", 0)
    assert do(stack, "pass") == 200


@pytest.mark.needs("nginx")
@pytest.mark.parametrize("log_level", ["INFO", "DEBUG"])
def test_the_end_of_workers_at_the_end_of_the_server_is_news_for_debugging_only(start, log_level):
    stack = start(ENDING, SAGEMAKER_CONTAINER_LOG_LEVEL=log_level)
    assert do(stack, "pass") == 200
    assert stack.stop() == 0
    told = [(entry["level"], entry["message"].partition(": ")[2]) for entry in ends_of(stack)]
    assert told == [("debug", "it was told to stop")] * (2 if log_level == "DEBUG" else 0)


@pytest.mark.needs("nginx")
def test_a_load_that_takes_long_says_so_again_and_again(tmp_path):
    module, log = tmp_path / "slow.py", tmp_path / "log"
    module.write_text("import time\ndef model_fn(model_dir): time.sleep(4)\n" + FUNCTIONS)
    serve = (
        "import os, sys\nfrom byoi.server import supervisor\n"
        "from byoi.server.settings import Settings\n"
        "settings = Settings.from_environ(os.environ)\n"
        "sys.exit(supervisor.serve(settings, os.environ, load_news_s=1.0))"
    )
    environ = {
        "BYOI_INFERENCE_MODULE": str(module),
        "BYOI_MODEL_DIR": str(tmp_path),
        "SAGEMAKER_BIND_TO_PORT": free_port(),
    }
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-c", serve],
            env={**with_this_package(os.environ), **environ},
            stdout=output,
            stderr=output,
        )
        try:
            wait_until(lambda: '"ready: ' in log.read_text(), 20)
        finally:
            server.terminate()
            assert server.wait(10) == 0
    messages = [json.loads(line)["message"] for line in log.read_text().splitlines()]
    news = [message for message in messages if message.startswith("still loading: ")]
    assert 3 <= len(news) <= 5
    begun = re.escape(f"still loading: {module} has been loading {tmp_path} for ")
    for message in news:
        assert re.fullmatch(begun + r"\d s, in 2 of 2 workers", message)
