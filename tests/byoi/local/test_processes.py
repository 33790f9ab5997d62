"""The contract through the process stack, behind nginx and without; the stack's own behaviour."""

import shutil
import signal
import socket
import time
from pathlib import Path

import contract_cases
import pytest

from byoi import errors
from byoi.local import health, processes
from byoi.local.processes import ProcessStack

ENVIRON = contract_cases.ENVIRON | {"BYOI_INFERENCE_MODULE": str(contract_cases.ECHO)}


@pytest.mark.needs("nginx")
class TestBehindNginx(contract_cases.NginxCases):
    @pytest.fixture(scope="class")
    @classmethod
    def target(cls, tmp_path_factory):
        with ProcessStack(tmp_path_factory.mktemp("model"), environ=ENVIRON) as stack:
            yield contract_cases.PortTarget("127.0.0.1", stack.port, lambda: stack.log)


class TestThroughGunicornAlone(contract_cases.HttpCases):
    @pytest.fixture(scope="class")
    @classmethod
    def target(cls, tmp_path_factory):
        environ = ENVIRON | {"BYOI_NGINX": "off"}
        with ProcessStack(tmp_path_factory.mktemp("model"), environ=environ) as stack:
            yield contract_cases.PortTarget("127.0.0.1", stack.port, lambda: stack.log)

    @pytest.mark.parametrize("command", [b"DO:never"])
    def test_past_the_deadline_is_504_and_the_stuck_worker_is_replaced(self, target, command):
        before = contract_cases.pids(target)
        answer = target.send("POST", "/invocations", command, contract_cases.TEXT)
        contract_cases.assert_error(answer, 504, "DeadlineExceeded")
        contract_cases.wait_until(
            lambda: (
                len(now := contract_cases.pids(target)) == contract_cases.WORKERS and now != before
            )
        )
        (line,) = target.lines(answer.json["request_id"])
        assert (line["status"], line["method"]) == (504, "POST")


def test_a_stack_tells_its_address_and_its_process_and_stops_with_0(tmp_path):
    stack = ProcessStack(tmp_path, environ=ENVIRON)
    assert stack.pid is None
    with stack:
        assert stack.url == f"http://127.0.0.1:{stack.port}"
        assert stack.is_ready()
        assert stack.pid is not None
        # The line comes after /ping's 200, when it is known what a worker takes.
        end_s = time.monotonic() + 20
        while '"ready: ' not in stack.log:
            assert time.monotonic() < end_s, stack.log
            time.sleep(0.05)
        log_file = stack.log_file
        assert stack.stop() == 0
    assert stack.pid is None
    assert not log_file.exists()
    assert stack.stop() is None
    assert health.ping(stack.url).startswith("no answer")


def test_a_log_file_of_ones_own_stays(tmp_path):
    log_file = tmp_path / "server.log"
    with ProcessStack(tmp_path, environ=ENVIRON, log_file=log_file):
        pass
    assert "ready" in log_file.read_text()


def test_a_stack_that_ends_tells_its_log(tmp_path):
    environ = ENVIRON | {"BYOI_THREADS": "none"}
    with (
        pytest.raises(errors.EndpointFailedError, match=r"(?s)ended with status 2.*BYOI_THREADS"),
        ProcessStack(tmp_path, environ=environ),
    ):
        pass


def test_a_stack_that_is_not_ready_in_time_is_stopped(tmp_path):
    module = tmp_path / "slow.py"
    module.write_text("import time\ntime.sleep(60)\n")
    stack = ProcessStack(
        tmp_path, environ={"BYOI_INFERENCE_MODULE": str(module)}, start_timeout_s=1.5
    )
    with pytest.raises(errors.EndpointFailedError, match=r"200 within 1\.5 s"), stack:
        pass
    assert stack.pid is None


def test_what_does_not_stop_is_killed_after_its_grace(tmp_path):
    stack = ProcessStack(tmp_path, environ=ENVIRON)
    with stack:
        state_dirs = list(Path("/tmp").glob(f"byoi-{stack.pid}-*"))
        stack.send(signal.SIGSTOP)
        began_s = time.monotonic()
        assert stack.stop(grace_s=1) == -signal.SIGKILL
        assert time.monotonic() - began_s < 5
    time.sleep(1)  # its children end with it
    for state_dir in state_dirs:  # nobody was left to remove it
        shutil.rmtree(state_dir, ignore_errors=True)


def test_a_port_that_does_not_speak_http_is_not_ready():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert health.ping(f"http://127.0.0.1:{listener.getsockname()[1]}").startswith("no answer")


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("/opt/ml/model/echo.py", "/mine/echo.py"),
        ("/opt/ml/model", "/mine"),
        ("/opt/ml/model/", "/mine/"),
        ("--file=/opt/ml/model/a", "--file=/mine/a"),
        ("/opt/ml/model/code:/opt/ml/model:/usr/lib", "/mine/code:/mine:/usr/lib"),
        ("file:///opt/ml/model/a", "file:///mine/a"),
        ("/opt/ml/models/a", "/opt/ml/models/a"),
        ("/opt/ml/model.onnx", "/opt/ml/model.onnx"),
        ("/data/opt/ml/model/a", "/data/opt/ml/model/a"),
        ("none", "none"),
    ],
)
def test_paths_of_the_model_directory_are_those_of_this_machine(value: str, found: str):
    assert processes.with_model_dir({"NAME": value}, Path("/mine")) == {"NAME": found}


@pytest.mark.parametrize(
    ("image", "is_own"),
    [
        ("byoi", True),
        ("byoi:latest", True),
        ("localhost:5000/team/byoi@sha256:1", True),
        ("byoi-other", False),
        ("byoi/other", False),
    ],
)
def test_the_own_image_is_known_by_its_repository(image: str, is_own: bool):
    assert processes.is_own_image(image) is is_own
