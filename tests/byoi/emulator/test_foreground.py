"""`byoi emulator` and `byoi emulator run -- COMMAND`, as a user runs them."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from byoi import cli

BYOI = Path(sys.executable).with_name("byoi")
LIST = "import boto3; print(boto3.client('sagemaker').list_endpoints()['Endpoints'])"


def test_a_command_finds_the_emulator_and_its_status_is_passed_on(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")  # the command's own, for every verb
    log = tmp_path / "emulator.log"
    code = f"{LIST}; import sys; sys.exit(3)"
    arguments = ["emulator", "--runner", "processes", "run", "--log", str(log)]
    before = dict(os.environ)
    assert cli.main([*arguments, "--", sys.executable, "-c", code]) == 3
    assert dict(os.environ) == before
    assert "ListEndpoints" in log.read_text(encoding="utf-8")


def test_a_program_that_is_not_there_is_named(capsys) -> None:
    arguments = ["emulator", "--runner", "processes", "run", "--", "no-such-program"]
    assert cli.main(arguments) == 1
    assert "no-such-program cannot be run" in capsys.readouterr().err


def test_sigterm_ends_the_command_first(tmp_path: Path) -> None:
    mark = tmp_path / "runs"
    code = f"import pathlib, time; pathlib.Path({str(mark)!r}).touch(); time.sleep(60)"
    command = [BYOI, "emulator", "--runner", "processes", "run", "--", sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while not mark.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM


def test_the_foreground_prints_what_a_client_needs_and_ends_with_sigint(free_port: int) -> None:
    command = [BYOI, "emulator", "--runner", "processes", "--port", str(free_port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            said = b""
            while b"variables.sh" not in said:
                line = process.stdout.readline()
                assert line, said
                said += line
            # The last line loads them, in a shell that had others.
            shell = subprocess.run(
                ["sh", "-c", f"{line.decode()}env"],
                env={"AWS_PROFILE": "work", "PATH": os.environ["PATH"]},
                capture_output=True,
                text=True,
                check=True,
            )
            loaded = dict(one.split("=", 1) for one in shell.stdout.splitlines())
            assert loaded["AWS_ENDPOINT_URL"] == f"http://127.0.0.1:{free_port}"
            assert "AWS_PROFILE" not in loaded
            for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
                assert loaded[name].encode() not in said
            assert f"http://127.0.0.1:{free_port}".encode() in said
            socket.create_connection(("127.0.0.1", free_port), timeout=10).close()
            process.send_signal(signal.SIGINT)
            rest, _ = process.communicate(timeout=60)
        finally:
            process.kill()
        assert process.returncode == 0
        assert b"removed what it started" in rest
