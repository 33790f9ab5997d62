"""`byoi serve` in a project's folder, and what a terminal shows of it."""

import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from byoi import cli, invocation
from byoi.local import health

BYOI = Path(sys.executable).with_name("byoi")
MODULE = """
from pathlib import Path

def model_fn(model_dir):
    return f"{NAME} {Path(model_dir).name} {Path(model_dir).exists()}"

def input_fn(body, content_type):
    if body == "fail":
        raise ValueError("\\x1b[31mred")
    return body

def predict_fn(data, model): return model
def output_fn(prediction, accept): return prediction, "text/plain"
"""


def module(name: str) -> str:
    return f"NAME = {name!r}\n{MODULE}"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "a project"
    (folder / "model").mkdir(parents=True)
    (folder / "inference.py").write_text(module("mine"), encoding="utf-8")
    (folder / "sample_request.csv").write_text("1,2\n", encoding="utf-8")
    return folder


class Serving:
    """A running `byoi serve`."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.shown = b""

    def ask(self, body: str = "x") -> str:
        answer = invocation.invoke(self.url, body.encode(), content_type="text/plain")
        return answer.body.decode()


@contextmanager
def serving(
    cwd: Path, port: int, *arguments: object, ready: bool = True, **environ: str
) -> Iterator[Serving]:
    """Run it with a terminal of its own, and wait until it is ready or has ended."""
    served = Serving(port)
    ours, terminal = pty.openpty()

    def read() -> None:
        while True:
            try:
                served.shown += os.read(ours, 65536)
            except OSError:  # its other end is closed
                return

    process = subprocess.Popen(
        [BYOI, "serve", *map(str, arguments), "--port", str(port)],
        cwd=cwd, stdout=terminal, stderr=terminal, stdin=subprocess.DEVNULL,
        env={**os.environ, **environ},
    )  # fmt: skip
    os.close(terminal)
    reader = threading.Thread(target=read)
    reader.start()
    try:
        end_s = time.monotonic() + 60
        while not health.is_healthy(served.url):
            if process.poll() is not None:
                assert not ready, served.shown
                break
            assert time.monotonic() < end_s
            time.sleep(0.05)
        yield served
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        reader.join(10)
        os.close(ours)


def test_the_parts_of_a_project_are_found_and_an_error_is_readable(
    project: Path, free_port: int
) -> None:
    with serving(project, free_port) as served:
        assert served.ask() == "mine model True"
        shown = json.loads(get(served.url, "/page/model.json"))
        assert shown["sample"] == {
            "name": "sample_request.csv",
            "content_type": "text/csv",
            "text": "1,2\n",
        }
        with pytest.raises(Exception, match=r"status 500.*ValueError"):
            served.ask("fail")
    text = served.shown.decode().replace("\r\n", "\n")
    assert f"its page is {served.url}/\n" in text
    start = text.index("error: POST /invocations failed: ValueError\n")
    lines = text[start:].splitlines()
    assert lines[1:4] == [
        r"ValueError: \x1b[31mred",
        "  inference.py, line 10, in input_fn",
        r"""      raise ValueError("\x1b[31mred")""",
    ]
    assert "frames left out: byoi" in lines[4]
    assert "POST /invocations 500 in" in text
    assert "\x1b" not in text
    assert '{"' not in text, "nothing is JSON on a terminal"


def get(url: str, path: str) -> bytes:
    with urllib.request.urlopen(url + path) as answer:
        body: bytes = answer.read()
        return body


def test_a_folder_may_be_named_and_the_options_and_variables_win(
    project: Path, tmp_path: Path, free_port: int
) -> None:
    (tmp_path / "other model").mkdir()
    (project / "other.py").write_text(module("other"), encoding="utf-8")
    options = ("--model-dir", tmp_path / "other model", "--module", project / "other.py")
    environ = {"BYOI_MODEL_DIR": str(tmp_path), "BYOI_PAGE": "off", "BYOI_NGINX": "off"}
    with serving(tmp_path, free_port, project, *options, **environ) as served:
        assert served.ask() == "other other model True"
        with pytest.raises(Exception, match="404"):
            get(served.url, "/")


def test_a_module_may_do_without_a_model_directory_and_reload_takes_one_worker(
    project: Path, free_port: int
) -> None:
    (project / "model").rmdir()
    with serving(project, free_port, "--reload") as served:
        assert served.ask() == "mine model False"
        (project / "inference.py").write_text(module("saved"), encoding="utf-8")
        assert served.ask() == "saved model False"
        (project / "sample_request.csv").write_text("3,4\n", encoding="utf-8")
        assert served.ask() == "saved model False"
        assert json.loads(get(served.url, "/page/model.json"))["sample"]["text"] == "3,4\n"
    assert "reloaded the code and the model" in served.shown.decode()


def test_a_module_that_does_not_load_is_shown_with_its_authors_frames(
    project: Path, free_port: int
) -> None:
    (project / "inference.py").write_text("import helper\n", encoding="utf-8")
    (project / "helper.py").write_text("def f():\n    return {}['absent']\nf()\n", encoding="utf-8")
    with serving(project, free_port, ready=False) as served:
        pass
    text = served.shown.decode()
    assert "KeyError: 'absent'" in text
    assert text.index("  inference.py, line 1, in <module>") < text.index("  helper.py, line 3")
    assert text.index("  helper.py, line 2, in f") < text.index("(frames left out: byoi")


def test_a_server_for_other_machines_has_no_page_unless_it_is_asked_for(
    project: Path, free_port: int
) -> None:
    with serving(project, free_port, BYOI_BIND_ADDRESS="0.0.0.0") as served:
        with pytest.raises(Exception, match="404"):
            get(served.url, "/")
        assert served.ask() == "mine model True"


def test_a_folder_without_parts_is_refused_with_what_was_looked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["serve", str(tmp_path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{tmp_path} has no inference.py, no code/inference.py and no folder model" in line
    assert "byoi serve --module FILE.py --model-dir DIR" in line


def test_a_folder_that_is_none_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["serve", str(tmp_path / "absent")]) == 1
    assert "is not a folder; name that of your project" in capsys.readouterr().err


def test_a_variable_that_is_no_switch_is_refused(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BYOI_PAGE", "yes")
    assert cli.main(["serve", str(project)]) == 1
    assert "BYOI_PAGE='yes': expected on or off" in capsys.readouterr().err
