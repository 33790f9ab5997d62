"""`serve` as a program: settings, port, start, readiness, failure, stop, exit status."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from contract_cases import TEXT, assert_error, wait_until
from processes import (
    ADDER,
    FUNCTIONS,
    alive,
    connects,
    ended,
    free_port,
    ignore_the_end,
    processes,
    run_to_its_end,
    state_dirs,
    the_line,
)

from byoi import contract
from byoi.server import supervisor
from byoi.server.settings import Settings

pytestmark = [
    pytest.mark.needs("nginx"),
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
]


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("no_such_module", "no module named 'no_such_module'"),
        ("/no/such/file.py", "no such file"),
        ("json", "defines no model_fn"),
    ],
)
def test_a_module_that_is_not_there_is_named(module, words):
    done = run_to_its_end(BYOI_INFERENCE_MODULE=module, SAGEMAKER_BIND_TO_PORT=free_port())
    assert done.returncode == 1
    assert words in the_line(done.stderr)["message"]
    assert module in the_line(done.stderr)["message"]


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"BYOI_THREADS": "many"}, "BYOI_THREADS='many': expected a whole number from 0 to 256"),
        ({"BYOI_TREADS": "4"}, "did you mean BYOI_THREADS?"),
        ({"arguments": ["train"]}, "serve takes no arguments, received train"),
    ],
)
def test_a_setting_that_cannot_be_used_ends_with_2_and_one_line(environ, words):
    done = run_to_its_end(**environ)
    assert done.returncode == 2
    assert words in the_line(done.stderr)["message"]
    assert done.stdout == ""


def test_a_port_that_is_taken_is_named_before_anything_starts():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        done = run_to_its_end(SAGEMAKER_BIND_TO_PORT=port, BYOI_BIND_ADDRESS="127.0.0.1")
    assert done.returncode == 2
    message = the_line(done.stderr)["message"]
    assert f"127.0.0.1:{port}: Address already in use" in message
    assert "SAGEMAKER_BIND_TO_PORT" in message


def test_where_nginx_is_missing_gunicorn_serves_alone_and_says_so(capfd):
    # Not found is all that matters here; where nginx is looked for is test_proxy's subject.
    settings = Settings.from_environ({"BYOI_THREADS": "1"})
    assert supervisor.choose_proxy(settings, None).proxy == "off"
    message = the_line(capfd.readouterr().err)["message"]
    assert message.startswith("nginx is not installed: serving through gunicorn alone")
    assert "brew install nginx" in message
    assert supervisor.choose_proxy(settings, "/usr/sbin/nginx") == settings
    assert capfd.readouterr().err == ""


def test_everything_written_lies_in_one_private_folder_that_goes_away(start):
    stack = start()
    pid = stack.pid
    stack.target.send("POST", "/invocations", b"x" * 2_000_000, TEXT)
    (state_dir,) = state_dirs(pid)
    assert state_dir.stat().st_mode & 0o777 == 0o700
    assert {path.name for path in state_dir.iterdir()} >= {"nginx.conf", "nginx.pid", "ready"}
    assert stack.stop() == 0
    assert not state_dir.exists()


def test_several_stacks_run_side_by_side(start):
    first, second = start(), start(ADDER)
    assert first.target.send("POST", "/invocations", b"x", TEXT).json["text"] == "x"
    assert second.target.send("POST", "/invocations", b"1 1", TEXT).body == b"2.5"


def test_three_lines_of_another_kind_are_served_unchanged(start):
    answer = start(ADDER).target.send("POST", "/invocations", b"1 2 3.25", TEXT)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/plain")
    assert answer.body == b"6.75"


def test_until_every_worker_has_loaded_nginx_answers_503(start):
    stack = start("import time\ndef model_fn(model_dir): time.sleep(2)\n" + FUNCTIONS, wait=False)
    wait_until(lambda: connects(stack.port))
    for method, path in (("GET", "/ping"), ("POST", "/ping"), ("POST", "/invocations")):
        answer = stack.target.send(method, path)
        assert_error(answer, 503, "NotReady")
    stack.wait()
    assert stack.target.send("POST", "/invocations", b"x", TEXT).status == 200


def test_one_loaded_worker_is_not_enough_at_the_start(start, tmp_path):
    slow_for_one = f"""
import os, time
def model_fn(model_dir):
    try:
        os.mkdir({str(tmp_path / "first")!r})
    except FileExistsError:
        time.sleep(2.5)
"""
    stack = start(slow_for_one + FUNCTIONS, wait=False)
    wait_until((tmp_path / "first").exists)
    time.sleep(1)
    assert stack.target.send("GET", "/ping").status == 503
    stack.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_what_is_in_flight_and_ends_with_0(start, number, children_of, command_of):
    stack = start()
    pid = stack.pid
    everything = [pid, *children_of(pid), *processes(stack, children_of, command_of)[2]]
    answers = []
    in_flight = [
        threading.Thread(
            target=lambda: answers.append(
                stack.target.send("POST", "/invocations", b"DO:sleep 3", TEXT)
            )
        )
        for _ in range(3)
    ]
    for thread in in_flight:
        thread.start()
    time.sleep(1)
    os.kill(pid, number)
    began_s = time.monotonic()
    wait_until(lambda: not connects(stack.port), 5)  # nothing new is taken
    assert stack.stop() == 0
    assert time.monotonic() - began_s < 8
    for thread in in_flight:
        thread.join()
    assert [answer.status for answer in answers] == [200, 200, 200]
    assert alive(everything) == []
    assert state_dirs(pid) == []


def test_a_request_that_outlasts_the_time_to_stop_does_not_hold_it_up(start):
    stack = start()
    stuck = threading.Thread(target=ignore_the_end, args=(stack,))
    stuck.start()
    time.sleep(0.5)
    began_s = time.monotonic()
    pid = stack.pid
    assert stack.stop() == 0
    assert contract.DRAIN_S < time.monotonic() - began_s < contract.STOP_GRACE_S
    stuck.join()
    assert state_dirs(pid) == []  # not killed by whoever stopped it


@pytest.mark.parametrize("proxy", ["auto", "off"])
def test_27_s_in_flight_are_answered_and_what_is_not_is_counted_last(start, proxy):
    stack = start(BYOI_NGINX=proxy, BYOI_THREADS="4", SAGEMAKER_MODEL_SERVER_WORKERS="1")
    statuses = []

    def send(seconds):
        with suppress(OSError):
            body = f"DO:sleep {seconds}".encode()
            statuses.append(stack.target.send("POST", "/invocations", body, TEXT).status)

    with ThreadPoolExecutor(3) as pool:
        for seconds in (27.5, 50, 51):
            pool.submit(send, seconds)
        time.sleep(0.5)
        with stack.target.connect():  # idle: no request
            assert stack.stop() == 0
    assert statuses == [200]
    last = stack.target.entries()[-1]
    assert (last["level"], last["unanswered"]) == ("error", 2)
    assert last["message"].startswith("stopped: 2 requests were not answered within 28 s of the ")


def test_a_second_ctrl_c_ends_at_once(start):
    stack = start()
    pid = stack.pid
    stuck = threading.Thread(target=ignore_the_end, args=(stack,))
    stuck.start()
    time.sleep(0.5)
    os.kill(pid, signal.SIGINT)
    time.sleep(0.5)
    os.kill(pid, signal.SIGINT)
    began_s = time.monotonic()
    assert stack.stop() == 0
    assert time.monotonic() - began_s < 5
    stuck.join()


@pytest.mark.parametrize("victim", ["nginx", "gunicorn"])
def test_when_one_part_dies_the_other_is_stopped_and_the_status_tells(
    start, victim, children_of, command_of
):
    stack = start()
    pid = stack.pid
    nginx, gunicorn, workers = processes(stack, children_of, command_of)
    everything = [pid, nginx, gunicorn, *workers, *children_of(nginx)]
    os.kill(nginx if victim == "nginx" else gunicorn, signal.SIGKILL)
    wait_until(lambda: ended(pid), 10)
    log = stack.log
    assert stack.stop() == 1
    wait_until(lambda: alive(everything) == [], 5)
    (line,) = [json.loads(line) for line in log.splitlines() if "ended by itself" in line]
    assert line["level"] == "error"
    assert line["message"].startswith(f"{victim} ended by itself with status -9")


@pytest.mark.parametrize("loss", ["removed", "replaced"])
def test_with_gunicorns_socket_lost_ping_turns_and_comes_back(start, loss):
    stack = start()
    (state_dir,) = state_dirs(stack.pid)
    path, aside = state_dir / "gunicorn.sock", state_dir / "aside.sock"
    path.rename(aside)
    if loss == "replaced":
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(path))  # and listens not
    began_s = time.monotonic()
    assert stack.target.send("POST", "/invocations", b"x", TEXT).status == 502
    wait_until(lambda: not stack.is_ready(), 10)
    assert time.monotonic() - began_s < 10
    assert_error(stack.target.send("GET", "/ping"), 503, "NotReady")
    (line,) = [entry for entry in stack.target.entries() if "not ready: " in entry["message"]]
    cause = "No such file or directory" if loss == "removed" else "Connection refused"
    assert f"nginx cannot connect to {path}: {cause}" in line["message"]
    aside.rename(path)
    wait_until(stack.is_ready, 10)
    assert stack.target.send("POST", "/invocations", b"x", TEXT).status == 200


def test_looking_at_the_socket_costs_no_request_and_no_line(start):
    stack = start(BYOI_THREADS="1")
    time.sleep(7)  # two looks
    for _ in range(20):
        assert stack.target.send("POST", "/invocations", b"x", TEXT).status == 200
    others = [entry for entry in stack.target.entries() if entry["message"] != "request"]
    told = [entry["message"].partition(":")[0] for entry in others]
    assert [text.partition(",")[0] for text in told] == [told[0].partition(",")[0], "ready"]
    assert " for each" in told[0]


def test_a_state_directory_that_was_cleaned_away_is_the_reason_of_the_end(start):
    stack = start()
    pid = stack.pid
    (state_dir,) = state_dirs(pid)
    subprocess.run(["rm", "-r", state_dir], check=True)
    wait_until(lambda: ended(pid), 10)
    messages = [entry["message"] for entry in stack.target.entries()]
    assert stack.stop() == 1
    (reason,) = [message for message in messages if "was deleted while" in message]
    assert str(state_dir) in reason
    assert "Traceback" not in "".join(messages)


def test_a_killed_supervisor_leaves_nothing_running(start, children_of, command_of):
    stack = start()
    nginx, gunicorn, workers = processes(stack, children_of, command_of)
    everything = [nginx, gunicorn, *workers, *children_of(nginx)]
    (state_dir,) = state_dirs(stack.pid)
    os.kill(stack.pid, signal.SIGKILL)
    wait_until(lambda: alive(everything) == [], 10)
    assert stack.stop() == -9
    shutil.rmtree(state_dir, ignore_errors=True)  # the next start of anybody would do it


def test_with_every_worker_stopped_ping_turns_and_comes_back(start, children_of, command_of):
    stack = start()
    _, _, workers = processes(stack, children_of, command_of)
    assert len(workers) == 2
    os.kill(workers[0], signal.SIGSTOP)
    time.sleep(9)
    assert stack.target.send("GET", "/ping").status == 200  # one still serves
    os.kill(workers[1], signal.SIGSTOP)
    began_s = time.monotonic()
    wait_until(lambda: stack.target.send("GET", "/ping").status != 200, 10)
    assert time.monotonic() - began_s < 10
    assert_error(stack.target.send("POST", "/ping"), 503, "NotReady")
    for worker in workers:
        os.kill(worker, signal.SIGCONT)
    wait_until(lambda: stack.target.send("GET", "/ping").status == 200, 5)
    messages = [entry["message"] for entry in stack.target.entries()]
    assert [message.split(":")[0] for message in messages if "ready:" in message] == [
        "ready",
        "not ready",
        "ready",
    ]


def test_stopped_workers_are_replaced_in_the_end(start, children_of, command_of):
    stack = start(BYOI_INVOCATION_TIMEOUT_S="1")  # gunicorn waits 5 s longer
    _, gunicorn, workers = processes(stack, children_of, command_of)
    for worker in workers:
        os.kill(worker, signal.SIGSTOP)
    wait_until(lambda: alive(workers) == [] and len(children_of(gunicorn)) == 2, 20)
    wait_until(stack.is_ready, 10)


def test_the_module_gets_its_share_of_the_cpus_unless_told_otherwise(start):
    tells = FUNCTIONS.replace("return data", "import os; return os.environ['OMP_NUM_THREADS']")
    source = "def model_fn(model_dir): pass\n" + tells
    stack = start(source, OMP_NUM_THREADS="7")
    assert stack.target.send("POST", "/invocations", b"x", TEXT).body == b"7"
    environ = supervisor.children_environ(Settings(workers=2), Path("/tmp/x"), {}, threads=3)
    assert environ["OMP_NUM_THREADS"] == "3"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (
            "from byoi.errors import ModelDataError\ndef model_fn(model_dir):\n"
            "    raise ModelDataError(f'{model_dir}/model.onnx is damaged; pack it again')\n"
            + FUNCTIONS,
            ["a model/model.onnx is damaged; pack it again"],
        ),
        (
            "def model_fn(model_dir): return open(model_dir + '/weights')\n" + FUNCTIONS,
            ["own_module.py", "a model/weights", "FileNotFoundError", "BYOI_MODEL_DIR"],
        ),
        ("import sys\ndef model_fn(model_dir): sys.exit(5)\n" + FUNCTIONS, ["SystemExit: 5"]),
        (FUNCTIONS, ["defines no model_fn", "input_fn, predict_fn, output_fn"]),
        ("import no_such_package\n", ["ModuleNotFoundError", "no_such_package"]),
        ("def model_fn(:\n", ["SyntaxError"]),
    ],
)
def test_a_model_that_cannot_be_loaded_ends_the_stack_with_one_line(start, source, words):
    began_s = time.monotonic()
    stack = start(source, wait=False)
    wait_until(lambda: ended(stack.pid), 10)
    assert time.monotonic() - began_s < 10
    line = the_line(stack.log)
    assert stack.stop() == 1
    assert line["level"] == "error"
    for word in words:
        assert word in line["message"]


def test_a_failing_worker_does_not_wait_for_one_that_loads_for_long(start, tmp_path):
    source = f"""
import os, time
def model_fn(model_dir):
    try:
        os.mkdir({str(tmp_path / "first")!r})
    except FileExistsError:
        raise ValueError("broken") from None
    time.sleep(600)
"""
    stack = start(source + FUNCTIONS, wait=False)
    wait_until(lambda: ended(stack.pid), 10)
    assert "ValueError: broken" in the_line(stack.log)["message"]
