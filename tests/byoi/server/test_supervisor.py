"""`serve` as a program: settings, port, state directory, exit status."""

import socket
import sys

import pytest
from contract_cases import TEXT
from processes import ADDER, free_port, run_to_its_end, state_dirs, the_line

from byoi.server import supervisor

pytestmark = [
    pytest.mark.needs("nginx"),
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
]


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("no_such_module", "no module named 'no_such_module'"),
        ("/no/such/file.py", "no such file"),
        ("json", "defines no model_fn and no input_fn"),
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
        ({"BYOI_THREADS": "many"}, "BYOI_THREADS='many': expected a whole number from 1 to 256"),
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
    settings = supervisor.Settings.from_environ({"BYOI_THREADS": "1"})
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
