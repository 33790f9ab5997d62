"""The notebooks are tests of their own (`pytest --nbval notebooks/`); these judge the notebooks."""

import copy
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jupytext
import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

# Cells whose output nbval may leave out, as (notebook, tag, text the cell contains): reason.
LEFT_OUT: dict[tuple[str, str, str], str] = {}

# What the outputs of each notebook show and nbval compares.
COMPARED = {
    "01_train": ("accuracy", "positive", "negative", "cleaned up"),
    "02_local_mode": ("accuracy", "positive", "negative", "cleaned up"),
    "03_push": ("accuracy", "positive", "negative", "cleaned up"),
    "04_deploy": ("accuracy", "positive", "failed: 0", "cleaned up"),
    "05_api_gateway": ("positive", "negative", "429", "cleaned up"),
    "06_your_own_model": ("accuracy", "offline", "400", "cleaned up"),
    "99_clean_up": ("inservice", "expired", "refused", "cleaned up"),
}


def load(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def code_cells(notebook: dict) -> list[dict]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def text_of(cell: dict) -> str:
    return "".join(cell["source"])


def compared(cell: dict) -> Iterator[str]:
    """The texts of a cell's output that nbval compares."""
    for output in cell["outputs"]:
        if output["output_type"] == "stream":
            yield "".join(output["text"])
        elif "data" in output:
            for media_type in ("text/plain", "text/html"):
                yield "".join(output["data"].get(media_type, ""))


def test_every_step_of_the_journey_is_there() -> None:
    assert [path.stem for path in NOTEBOOKS] == sorted(COMPARED)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
class TestNotebook:
    def test_is_made_from_its_script(self, path: Path) -> None:
        script = jupytext.read(path.with_suffix(".py"))
        notebook = load(path)
        made_from = [(cell.cell_type, cell.source) for cell in script.cells]
        assert made_from == [(cell["cell_type"], text_of(cell)) for cell in notebook["cells"]]

    def test_was_run_from_top_to_bottom(self, path: Path) -> None:
        cells = code_cells(load(path))
        assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
        for cell in cells:
            assert all(output["output_type"] != "error" for output in cell["outputs"])
            assert all(output.get("name") != "stderr" for output in cell["outputs"])

    def test_is_short_and_leaves_logic_to_the_library(self, path: Path) -> None:
        for cell in code_cells(load(path)):
            lines = [line for line in text_of(cell).splitlines() if line.strip()]
            assert len(lines) <= 15, text_of(cell)
            assert not re.search(r"^\s*(def|class|async def) |^[!%]", text_of(cell), re.MULTILINE)

    def test_says_what_it_teaches_takes_and_leaves(self, path: Path) -> None:
        notebook = load(path)
        first = text_of(notebook["cells"][0])
        for word in ("You will learn", "Time", "Cost", "journey.svg"):
            assert word in first, word
        prose = "\n".join(text_of(c) for c in notebook["cells"] if c["cell_type"] == "markdown")
        for heading in ("What can go wrong", "Clean up", "What next"):
            assert heading in prose, heading
        assert "2.257" in text_of(code_cells(notebook)[0])

    def test_compares_what_matters(self, path: Path) -> None:
        shown = "\n".join(text for cell in code_cells(load(path)) for text in compared(cell))
        for word in COMPARED[path.stem]:
            assert word in shown.lower(), word

    def test_leaves_out_only_what_is_listed(self, path: Path) -> None:
        for cell in code_cells(load(path)):
            tags = [
                t for t in cell["metadata"].get("tags", []) if t.startswith(("nbval", "raises"))
            ]
            tags += re.findall(r"# *NBVAL_\w+|# *PYTEST_VALIDATE\w+", text_of(cell))
            for tag in tags:
                listed = [
                    reason
                    for (name, allowed, part), reason in LEFT_OUT.items()
                    if name == path.stem and allowed == tag and part in text_of(cell)
                ]
                assert listed, f"{tag} on: {text_of(cell)}"

    def test_holds_no_path_or_account_of_the_machine_it_ran_on(self, path: Path) -> None:
        outputs = json.dumps([cell["outputs"] for cell in code_cells(load(path))])
        assert str(ROOT) not in outputs
        assert not re.search(r"/tmp/|/root/|/home/", re.sub(r'"image/png": "[^"]*"', "", outputs))

    def test_fails_when_an_output_is_wrong(self, path: Path, tmp_path: Path) -> None:
        """A wrong output planted in a copy must be noticed by the command that tests notebooks."""
        planted = copy.deepcopy(load(path))
        cell = next(c for c in code_cells(planted) if any(compared(c)))
        # The cells after it are dropped: one wrong output is enough, and they take time.
        last = planted["cells"].index(cell)
        planted["cells"] = planted["cells"][: last + 1]
        for output in cell["outputs"]:
            if output["output_type"] == "stream":
                output["text"] = ["planted\n"]
            elif "data" in output:
                output["data"]["text/plain"] = ["planted"]
        copied = tmp_path / path.name
        copied.write_text(json.dumps(planted), encoding="utf-8")
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "--nbval",
                "-q",
                "-c",
                ROOT / "pyproject.toml",
                copied,
            ],
            cwd=path.parent,
            capture_output=True,
            text=True,
            check=False,
            timeout=280,
        )
        assert done.returncode == 1, done.stdout
        assert "planted" in done.stdout
