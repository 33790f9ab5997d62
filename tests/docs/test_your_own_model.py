"""docs/your-own-model.md is a program: its files are written and its commands run, in order.

So is the section of the README that leads to it. The blocks of a folder of the page are one test.
Those that need a container engine are run by tests/container/test_own_model_page.py and
test_own_image.py.
"""

import contextlib
import importlib.machinery
import importlib.util
import json
import os
import pickle
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from own_model_page import PAGE, SECTION, blocks

from byoi import cli, training
from byoi.local import health, processes

FOLDERS = ("churn", "trees", "leaves")
VARIABLE = r"[A-Z_]+=\S+ "


class Terminal:
    """Runs commands one after another, as typed; `byoi serve` keeps running until the next one.

    Attributes:
        outputs: What each command printed, in order, without those of `byoi serve`.
    """

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        self.folder = folder
        self.outputs: list[str] = []
        self._stack = stack
        self._server = stack.enter_context(contextlib.ExitStack())
        self._port = processes.find_free_port()
        programs = Path(sys.executable).parent
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        # Bytecode beside the files would outlive a file that the page replaces within a second.
        self._environ = {**kept, "PATH": path, "PYTHONDONTWRITEBYTECODE": "1"}

    def run(self, command: str) -> None:
        if command.startswith("cd "):
            self.folder = (self.folder / command.removeprefix("cd ")).resolve()
            self.folder.mkdir(exist_ok=True)
        elif re.match(rf"(?:{VARIABLE})*byoi serve\b", command):
            self._server.close()
            self._server.enter_context(self._serving(f"{command} --port {self._port}"))
        else:
            command = command.replace("localhost:8080", f"127.0.0.1:{self._port}")
            done = subprocess.run(
                ["bash", "-c", command],
                cwd=self.folder,
                env=self._environ,
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
            self.outputs.append(done.stdout)

    @contextlib.contextmanager
    def _serving(self, command: str) -> Iterator[None]:
        log_file = self.folder / "serve.log"
        with log_file.open("wb") as log:
            server = subprocess.Popen(
                ["bash", "-c", f"exec env {command}"],
                cwd=self.folder,
                env=self._environ,
                stdout=log,
                stderr=log,
            )
        try:
            deadline = time.monotonic() + 60
            while not health.is_healthy(f"http://127.0.0.1:{self._port}"):
                assert server.poll() is None, f"{command}\n{log_file.read_text()}"
                assert time.monotonic() < deadline, f"{command}\n{log_file.read_text()}"
                time.sleep(0.05)
            yield
        finally:
            server.terminate()
            server.wait(30)


def run(folder: str, tmp_path: Path, page: str = PAGE) -> list[str]:
    """Write the files of a folder of the page, run its commands; gives what they printed."""
    with contextlib.ExitStack() as stack:
        terminal = Terminal(tmp_path, stack)
        for block in blocks(page):
            if block.folder == folder and block.file:
                file = tmp_path / folder / block.file
                file.parent.mkdir(exist_ok=True)
                file.write_text(block.text, encoding="utf-8")
            elif block.folder == folder and not block.needs:
                for command in block.commands():
                    where = (
                        command.replace("cd ../", "cd ") if terminal.folder == tmp_path else command
                    )
                    terminal.run(where)
        return terminal.outputs


def test_every_block_belongs_to_a_folder_and_is_run_or_says_what_it_needs() -> None:
    found = list(blocks())
    assert {block.folder for block in found if not block.needs} == set(FOLDERS)
    assert {block.needs for block in found} == {"", "index", "docker"}
    for block in found:
        commands = [] if block.file else block.commands()
        engine = r"docker |byoi (image .*--tag|deploy|delete|emulator)"
        assert (block.needs == "docker") == any(re.match(engine, one) for one in commands)


@pytest.mark.parametrize("command", [
    command for page in (PAGE, SECTION)
    for block in blocks(page) if not block.file for command in block.commands()
    if re.search(r"\bbyoi ", command)
])  # fmt: skip
def test_every_command_has_the_verbs_and_options_of_the_parser(command: str) -> None:
    words = shlex.split(re.sub(rf"^(?:{VARIABLE})*byoi ", "", command))
    cli._parser(words).parse_args(words)


def test_a_project_from_init_trains_is_tested_serves_and_answers(tmp_path: Path) -> None:
    *_, tests, answer = run("churn", tmp_path)
    assert "passed" in tests
    assert len(json.loads(answer)) == 2  # rows of the sample request


def test_the_commands_of_the_readme_lead_to_an_answer(tmp_path: Path) -> None:
    outputs = run("my-model", tmp_path, SECTION)
    assert "passed" in outputs[-2]
    assert len(json.loads(outputs[-1])) == 2


def test_the_sample_of_aws_taken_across_answers_as_before(tmp_path: Path) -> None:
    _, csv, dockerfile, preloaded, tests = (one.strip() for one in run("trees", tmp_path))
    assert csv == "setosa"
    assert "pip install" in dockerfile
    assert preloaded == '["setosa"]'
    assert "1 passed" in tests


def test_a_model_file_is_served_without_a_script(tmp_path: Path) -> None:
    _, answer = run("leaves", tmp_path)
    (row,) = json.loads(answer)["predictions"]
    assert row["label"] == 0
    assert len(row["probabilities"]) == 3


def test_the_training_program_writes_the_model_that_the_script_loads(tmp_path: Path) -> None:
    (text,) = (block.text for block in blocks() if block.file == "train")
    assert text.startswith("#!/usr/bin/env python3\n")
    program = tmp_path / "train"
    program.write_text(text, encoding="utf-8")
    loader = importlib.machinery.SourceFileLoader("train_of_the_page", str(program))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    channel = tmp_path / "opt" / "ml" / "input" / "data" / "training"
    channel.mkdir(parents=True)
    (channel / "leaves.csv").write_text("small,1.0,0.2\nlarge,6.0,2.5\n", encoding="utf-8")
    # The platform makes it before the container starts.
    (tmp_path / "opt" / "ml" / "model").mkdir()
    assert training.run(module.fit, tmp_path) == 0
    model = pickle.loads((tmp_path / "opt/ml/model/decision-tree-model.pkl").read_bytes())
    assert model.predict([[5.9, 2.4]]).tolist() == ["large"]
