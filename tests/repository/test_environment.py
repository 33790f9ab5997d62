"""environment.yml: its pip part is installed by pip into an empty environment and used."""

import os
import subprocess
import tempfile
import venv
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


def pip_part() -> list[str]:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    (part,) = (entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    return part


def test_conda_part_names_python_nginx_and_pip() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    names = [e for e in environment["dependencies"] if isinstance(e, str)]
    assert names == ["python=3.11", "nginx", "pip"]


@pytest.mark.timeout(900)
def test_pip_part_installs_and_runs_the_first_notebook(tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    # conda hands the lines as they are to pip, in a file beside environment.yml.
    with tempfile.NamedTemporaryFile("w", dir=ROOT, suffix=".requirements.txt") as requirements:
        requirements.write("\n".join(pip_part()))
        requirements.flush()
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--requirement", requirements.name],
            check=True,
            cwd=ROOT,
        )
    environ = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    subprocess.run(
        [
            *(python, "-m", "jupyter", "nbconvert", "--to", "notebook", "--execute"),
            *(f"--output-dir={tmp_path}", ROOT / "notebooks" / "01_train.ipynb"),
        ],
        check=True,
        env={**environ, "PATH": f"{python.parent}{os.pathsep}{environ['PATH']}"},
        capture_output=True,
    )
    assert (tmp_path / "01_train.ipynb").is_file()
