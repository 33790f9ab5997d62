"""What pip installs into an empty environment, and that it is used there."""

import os
import re
import subprocess
import tempfile
import venv
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
# To compile all that is installed takes a minute of a processor, and little of it is imported.
INSTALL = ("-m", "pip", "install", "--quiet", "--no-compile")


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
            [python, *INSTALL, "--requirement", requirements.name],
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


@pytest.mark.timeout(600)
def test_pip_installs_an_extra_from_the_checkout(tmp_path: Path, tiny_model_dir: Path) -> None:
    """The command that messages name. What each extra needs is tested in tests/byoi/test_extras."""
    lock = (ROOT / "requirements" / "dev.txt").read_text(encoding="utf-8")
    pins = re.findall(r"^([\w.-]+)(?:\[[\w,]+\])?(==[^\n\\]*)", lock, re.MULTILINE)
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("".join(f"{name}{pin}\n" for name, pin in pins), encoding="utf-8")
    venv.create(tmp_path / "env", with_pip=True)
    install = (tmp_path / "env" / "bin" / "python", *INSTALL)
    subprocess.run([*install, "--constraint", constraints, ".[serve]"], check=True, cwd=ROOT)

    def byoi(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [tmp_path / "env" / "bin" / "byoi", *map(str, arguments)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert "p_positive" in byoi("predict", "--model-dir", tiny_model_dir, "good film").stdout
    assert "pip install '.[aws]'" in byoi("endpoints").stderr
