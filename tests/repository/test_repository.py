"""What a stranger's clone must be: portable, self-contained, installable."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Names of the places packages come from; written in pieces, so that this file passes.
INDEX = re.compile("|".join(["//py" + "pi", "//files" + ".pythonhosted", "//deb" + ".debian"]))


def files() -> list[Path]:
    done = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    binary = {".onnx", ".png"}
    return {
        str(path.relative_to(ROOT)): path.read_bytes().decode("utf-8")
        for path in files()
        if path.suffix not in binary
    }


def test_no_file_names_a_package_index(texts: dict[str, str]) -> None:
    assert [name for name, text in texts.items() if INDEX.search(text)] == []


def test_no_file_holds_a_path_of_this_machine(texts: dict[str, str]) -> None:
    if len(ROOT.parts) < 3:
        pytest.fail(f"{ROOT} is too short a path to look for")
    assert [name for name, text in texts.items() if f"{ROOT}/" in text] == []


def test_lines_end_as_gitattributes_says(texts: dict[str, str]) -> None:
    assert [name for name, text in texts.items() if "\r\n" in text] == []


def test_no_file_is_large() -> None:
    assert [str(path) for path in files() if path.stat().st_size > 1024 * 1024] == []


def test_no_file_holds_an_access_key(texts: dict[str, str]) -> None:
    found = {
        (name, key)
        for name, text in texts.items()
        for key in re.findall(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b", text)
        if key != "AKIAIOSFODNN7EXAMPLE"  # the one of AWS's own documentation
    }
    assert found == set()


def test_locks_are_hashed() -> None:
    for name in ("serve", "train", "dev", "cli", "sdk3", "audit"):
        lock = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
        pins = re.findall(r"^[a-z0-9][^\n]*==", lock, re.MULTILINE)
        assert len(pins) == len(re.findall(r"^[a-z0-9][^\n]*\\\n    --hash=", lock, re.MULTILINE))


def test_conda_pins_are_those_of_the_lock() -> None:
    pin = re.compile(
        r"^([a-z0-9._-]+(?:\[[a-z,]+\])?==[^ \n\\]+(?: ; [^\n\\]+?)?) *\\?$", re.MULTILINE
    )
    lock = set(pin.findall((ROOT / "requirements" / "dev.txt").read_text(encoding="utf-8")))
    conda = set(pin.findall((ROOT / "requirements" / "conda.txt").read_text(encoding="utf-8")))
    versions = {re.sub(r" ;.*", "", line) for line in lock}
    assert conda
    assert {re.sub(r" ;.*", "", line) for line in conda} <= versions


def test_make_alone_prints_help() -> None:
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    for target in ("demo", "test", "check", "lab", "image", ".venv"):
        assert re.search(rf"make {re.escape(target)} ", done.stdout), done.stdout


def test_make_names_the_python_it_needs(tmp_path: Path) -> None:
    """Another Python than 3.11 to 3.13 gets one clear line."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "requirements").mkdir()
    shutil.copy(ROOT / "requirements" / "dev.txt", tmp_path / "requirements" / "dev.txt")
    done = subprocess.run(
        ["make", ".venv", "PYTHON="], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "needs Python 3.11, 3.12 or 3.13" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_supported_versions_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == ">=3.11,<3.14"


@pytest.mark.timeout(600)
def test_the_wheel_trains_and_deploys_outside_the_checkout(tmp_path: Path) -> None:
    """Installed in an empty environment; third-party packages come from this one."""
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", f"--outdir={tmp_path}", ROOT],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    # nginx's configuration and the page's files too.
    files = {str(path.relative_to(ROOT)) for path in (ROOT / "byoi").rglob("*") if path.is_file()}
    packed = set(zipfile.ZipFile(wheel).namelist())
    assert {name for name in files if "__pycache__" not in name} <= packed
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel], check=True
    )
    # The locked packages, installed once for these tests; the checkout itself is not on the path.
    locked = next(path for path in sys.path if path.endswith("site-packages"))
    (site,) = (tmp_path / "env" / "lib").glob("python*/site-packages")
    (site / "locked.pth").write_text(f"{locked}\n", encoding="utf-8")
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def byoi(*arguments: object) -> str:
        command = [tmp_path / "env" / "bin" / "byoi", *map(str, arguments)]
        done = subprocess.run(
            command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = subprocess.run(
        [python, "-c", "import byoi_lib; print(byoi_lib.__file__)"],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert str(tmp_path) in where
    told = byoi("demo", "--folder", tmp_path / "demo")
    for word in ("accuracy", "InService", "p_positive", "left of the endpoint: nothing"):
        assert word in told, told
    assert "positive" in byoi("predict", "--model-dir", tmp_path / "demo" / "model")
