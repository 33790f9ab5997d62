"""What a container writes, on the terminal of whoever deploys it: shown, and never obeyed."""

import os
import pty
import select
import subprocess
import sys
from pathlib import Path

import pytest
from deployed import left_as_found, other_archive
from emulated_aws import ECHO, Aws

from byoi import terminal

BYOI = Path(sys.executable).with_name("byoi")
TITLE = "\x1b]0;owned\x07"
CLIPBOARD = "\x1b]52;c;cm0gLXJm\x07"
LINK = "\x1b]8;;https://example.com\x1b\\click\x1b]8;;\x1b\\"
# Written to the log as it is, and as the text of a JSON line, in which it is escaped.
RAW = f"raw {TITLE}{CLIPBOARD}{LINK}\x9b2J\rHIDDEN"
JSON = '{"level": "info", "message": "json \\u001b]0;owned\\u0007\\nbyoi: error: forged\\u202e"}'
PRINTS = f"import sys\nsys.stderr.write({RAW!r} + '\\n' + {JSON!r} + '\\n')\n"


def on_a_terminal(aws: Aws, *arguments: object) -> tuple[int, str]:
    """Run the command on a terminal; return its status, and all that it wrote."""
    variables = {**os.environ, **aws.emulator.variables, "PYTHONUTF8": "1"}
    environ = {name: value for name, value in variables.items() if value is not None}
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [BYOI, *map(str, arguments)], env=environ, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    written = b""
    while process.poll() is None or select.select([ours], [], [], 0)[0]:
        if select.select([ours], [], [], 0.1)[0]:
            try:
                written += os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
    os.close(ours)
    return process.wait(), written.decode("utf-8").replace("\r\n", "\n")


def archive(folder: Path, module: str) -> Path:
    """Model data whose module does more than echo."""
    return other_archive(folder, "import json\n", module + "import json\n")


def assert_safe(written: str) -> None:
    assert terminal.escape(written) == written
    forged = [
        line for line in written.split("\n") if line.startswith(("byoi: error: forged", "HI"))
    ]
    assert forged == []


def test_its_log_is_shown_while_it_starts(in_processes, tmp_path):
    env = [f"--env={name}={value}" for name, value in ECHO.items()]
    with left_as_found(in_processes):
        status, written = on_a_terminal(
            in_processes, "deploy", "byoi:latest", "--name", "hostile", "--model-data",
            archive(tmp_path, PRINTS), "--startup-timeout", "60", *env,
        )  # fmt: skip
        assert status == 0, written
        assert r"  | raw \x1b]0;owned\x07\x1b]52;c;cm0gLXJm\x07\x1b]8;;" in written
        assert r"  | info: json \x1b]0;owned\x07\nbyoi: error: forged\u202e" in written
        assert_safe(written)
        assert on_a_terminal(in_processes, "delete", "hostile")[0] == 0


def test_its_last_words_are_shown_where_it_fails(in_processes, tmp_path):
    env = [f"--env={name}={value}" for name, value in ECHO.items()]
    with left_as_found(in_processes):
        status, written = on_a_terminal(
            in_processes, "deploy", "byoi:latest", "--name", "hostile", "--model-data",
            archive(tmp_path, PRINTS + f"raise RuntimeError({TITLE + 'forged'!r})\n"),
            "--startup-timeout", "60", "--skip-preflight", *env,
        )  # fmt: skip
        assert status == 1, written
        assert "byoi: error: " in written
        assert r"\x1b]0;owned\x07forged" in written
        assert_safe(written)


@pytest.fixture
def hostile_endpoint(in_processes, tmp_path):
    module = f"HOSTILE = {TITLE + 'answer' + CLIPBOARD!r}\n"
    path = other_archive(tmp_path, "import json\n", module + "import json\n")
    source = tmp_path / "echo.py"
    source.write_text(
        source.read_text().replace('return body, "application/json"', "return HOSTILE")
    )
    import tarfile

    with tarfile.open(path, "w:gz") as tar:
        tar.add(source, "echo.py")
    config = in_processes.config(in_processes.model(in_processes.upload(path), Environment=ECHO))
    with in_processes.endpoint(config) as name:
        yield name


def test_its_answer_is_shown_on_a_terminal_and_piped_as_it_is(in_processes, hostile_endpoint):
    status, written = on_a_terminal(in_processes, "invoke", hostile_endpoint, "--data", "x")
    assert (status, written) == (0, "\\x1b]0;owned\\x07answer\\x1b]52;c;cm0gLXJm\\x07\n")
    variables = {**os.environ, **in_processes.emulator.variables}
    environ = {name: value for name, value in variables.items() if value is not None}
    piped = subprocess.run(
        [BYOI, "invoke", hostile_endpoint, "--data", "x"],
        env=environ, capture_output=True, check=True,
    )  # fmt: skip
    assert piped.stdout.strip() == f"{TITLE}answer{CLIPBOARD}".encode()
