"""The tool without the library of this repository's model, on a model that is not ours.

`byoi/` alone is in a folder on the path: no `byoi_lib`, and no metadata that names its verbs.
"""

import json
import re
import shutil
from pathlib import Path

import pytest
from environments import EXTRAS, PROJECT, ROOT, Environment

MODULE = "my_inference.py"
SOURCE = """
import json

def model_fn(model_dir):
    with open(f"{model_dir}/weights.json") as file:
        return json.load(file)

def predict_fn(data, model):
    return model["slope"] * data + model["offset"]
"""


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """All packages of the tool, and in its folder nothing but `byoi/`."""
    folder = tmp_path_factory.mktemp("alone")
    others = [text for extra in ("serve", "aws", "emulator") for text in EXTRAS[extra]]
    environment = Environment(folder, [*PROJECT["dependencies"], *others])
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "byoi", folder / "path" / "byoi", ignore=ignored)
    return environment


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    """A linear model and its module."""
    folder = tmp_path / "line"
    folder.mkdir()
    (folder / MODULE).write_text(SOURCE, encoding="utf-8")
    (folder / "weights.json").write_text('{"slope": 2, "offset": 1}', encoding="utf-8")
    return folder


def ok(alone: Environment, *arguments: object) -> str:
    done = alone.byoi(*arguments, PYTHONPATH=str(alone.folder / "path"))
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_library_of_this_model_is_not_there(alone: Environment) -> None:
    code = "import importlib.metadata as m; print([*m.entry_points(group='byoi.verbs')]);"
    done = alone.run("-c", f"{code} import byoi_lib", PYTHONPATH=str(alone.folder / "path"))
    assert done.stdout == "[]\n"
    assert "No module named 'byoi_lib'" in done.stderr


def test_help_names_the_verbs_of_the_tool(alone: Environment) -> None:
    shown = ok(alone, "--help")
    verbs = ["init", "pack", "image", "serve", "invoke", "check"]
    verbs += ["deploy", "endpoints", "delete", "emulator"]
    assert re.findall(r"^    (\w+)(?:  |$)", shown, re.MULTILINE) == verbs


def test_serve_asks_for_a_module(alone: Environment, model_dir: Path) -> None:
    path = str(alone.folder / "path")
    done = alone.byoi("serve", "--model-dir", model_dir, PYTHONPATH=path)
    assert done.returncode == 1
    line = done.stderr.splitlines()[-1]
    assert "nothing that can be served" in line
    assert "--module FILE.py" in line


def test_the_model_of_the_library_asks_for_the_library(alone: Environment, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    path = str(alone.folder / "path")
    done = alone.byoi("serve", "--model-dir", tmp_path, PYTHONPATH=path)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "byoi_lib is not installed" in line
    assert "byoi serve --module FILE.py" in line


def test_a_model_that_is_not_ours_is_served(alone: Environment, model_dir: Path) -> None:
    path = str(alone.folder / "path")
    arguments = ("--model-dir", model_dir, "--module", model_dir / MODULE)
    with alone.serving(*arguments, PYTHONPATH=path) as url:
        assert json.loads(ok(alone, "invoke", url, "--data", "[0, 1, 2]")) == [1, 3, 5]


def test_a_model_that_is_not_ours_is_packed_and_deployed(
    alone: Environment, model_dir: Path
) -> None:
    assert "no manifest.json: packed all 2 files" in ok(alone, "pack", model_dir, "line.tar.gz")
    byoi = f"{alone.python} -m byoi.cli"
    script = f"""
        {byoi} deploy byoi:latest --name line --model-data line.tar.gz --startup-timeout 60 \
            --env BYOI_INFERENCE_MODULE=/opt/ml/model/{MODULE}
        {byoi} endpoints
        {byoi} invoke line --data "[0, 1, 2]"
        {byoi} delete line
    """
    command = ("emulator", "--runner", "processes", "run", "--", "sh", "-ec", script)
    said = ok(alone, *command)
    assert "line: InService" in said
    assert "\n[1, 3, 5]\n" in said
