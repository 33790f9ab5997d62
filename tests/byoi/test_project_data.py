"""`byoi pack` of a project: the model at the top, the code in `code/`, and nothing else."""

import json
import tarfile
from pathlib import Path

import pytest

from byoi import cli, errors, model_data, project_data
from byoi.project import Project


def lay(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"content of {name}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with all that a folder gathers."""
    folder = tmp_path / "churn"
    lay(
        folder,
        *("inference.py", "train.py", "shapes.py", "features/__init__.py", "features/words.txt"),
        *("features/tests/test_words.py", "features/__pycache__/x.pyc", "requirements.txt"),
        *("requirements-dev.txt", "README.md", "test_inference.py", "conftest.py", "tests/t.py"),
        *(".venv/lib/a.py", "venv/lib/a.py", ".git/config", ".env", "sample_request.json"),
        *("model/model.joblib", "model/more/words.txt", "model/.DS_Store"),
    )
    return folder


PACKED = [
    "code/features/__init__.py",
    "code/features/words.txt",
    "code/inference.py",
    "code/requirements.txt",
    "code/shapes.py",
    "model.joblib",
    "more/words.txt",
]


def pack(folder: Path, archive: Path) -> list[str]:
    assert cli.main(["pack", str(folder), str(archive)]) == 0
    with tarfile.open(archive) as tar:
        return tar.getnames()


def test_the_model_is_at_the_top_and_the_code_below_it(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pack(folder, tmp_path / "m.tar.gz") == PACKED
    lines = capsys.readouterr().out.splitlines()
    assert lines[3] == f"packed    {', '.join(PACKED)}"
    assert lines[4] == (
        "left out  README.md, conftest.py, model/.DS_Store, requirements-dev.txt, "
        "sample_request.json, test_inference.py, tests/, train.py, venv/"
    )
    with tarfile.open(tmp_path / "m.tar.gz") as tar:
        assert tar.extractfile("code/inference.py").read() == b"content of inference.py"


def test_the_same_project_is_the_same_archive_also_in_its_own_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack(folder, tmp_path / "m.tar.gz")
    monkeypatch.chdir(folder)
    for _ in range(2):
        assert pack(Path(), Path("model.tar.gz")) == PACKED
        assert Path("model.tar.gz").read_bytes() == (tmp_path / "m.tar.gz").read_bytes()
    assert not list(folder.glob("*.part"))


def test_a_script_in_code_is_packed_with_its_own_folder(folder: Path, tmp_path: Path) -> None:
    (folder / "inference.py").unlink()
    lay(folder, "code/inference.py", "code/words.json", "code/test_it.py", "code/lib/a.py")
    assert pack(folder, tmp_path / "m.tar.gz")[:4] == [
        *("code/inference.py", "code/lib/a.py", "code/requirements.txt", "code/words.json"),
    ]
    lay(folder, "code/requirements.txt")
    pack(folder, tmp_path / "m.tar.gz")
    with tarfile.open(tmp_path / "m.tar.gz") as tar:
        content = tar.extractfile("code/requirements.txt").read()
    assert content == b"content of code/requirements.txt"


def test_a_model_file_without_a_script_is_packed_alone(tmp_path: Path) -> None:
    lay(tmp_path / "leaves", "train.py", "model/model.onnx", "test_inference.py")
    assert pack(tmp_path / "leaves", tmp_path / "m.tar.gz") == ["model.onnx"]


def test_a_model_directory_is_no_project(tmp_path: Path) -> None:
    """With a script of its own, or a model in a folder, or a manifest: as it is."""
    lay(tmp_path / "a", "code/inference.py", "model/saved_model.pb", "requirements.txt")
    lay(tmp_path / "b", "inference.py", "weights.bin")
    for name in ("a", "b"):
        assert not project_data.is_project(tmp_path / name)
    assert "model/saved_model.pb" in pack(tmp_path / "a", tmp_path / "m.tar.gz")
    lay(tmp_path / "c", "train.py", "model/x")
    assert project_data.is_project(tmp_path / "c")
    content = {"format_version": 1, "files": {}}
    (tmp_path / "c" / "manifest.json").write_text(json.dumps(content))
    assert not project_data.is_project(tmp_path / "c")


def test_a_project_that_was_not_trained_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (folder / "model").rglob("*"):
        path.is_file() and path.unlink()
    archive = tmp_path / "m.tar.gz"
    assert cli.main(["pack", str(folder), str(archive)]) == 1
    assert "no files in it" in capsys.readouterr().err
    lay(folder, "model/.DS_Store")
    assert cli.main(["pack", str(folder), str(archive)]) == 1
    assert "no files in it; train first" in capsys.readouterr().err
    (folder / "model").rename(folder / "trained")
    assert cli.main(["pack", str(folder), str(archive)]) == 1
    assert "a project without a folder model; train first: python train.py" in (
        capsys.readouterr().err
    )
    assert not archive.exists()


def test_two_files_of_one_name_are_refused(folder: Path, tmp_path: Path) -> None:
    lay(folder, "model/code/inference.py")
    with pytest.raises(errors.ConfigurationError, match=r"would both be code/inference\.py"):
        project_data.Selection.of(Project.find(folder), tmp_path / "m.tar.gz")


@pytest.mark.parametrize("name", ["shapes.py", "features/words.txt", "requirements.txt", "model/m"])
def test_a_link_is_refused_and_nothing_stays(name: str, folder: Path, tmp_path: Path) -> None:
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to("/etc/passwd")
    selection = project_data.Selection.of(Project.find(folder), tmp_path / "m.tar.gz")
    with pytest.raises(errors.ModelDataError, match="a symbolic link; put the file itself there"):
        model_data.write(selection.files, tmp_path / "out" / "m.tar.gz")
    assert not (tmp_path / "out").exists()


def test_a_link_to_a_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "features" / "linked").symlink_to(tmp_path, target_is_directory=True)
    selection = project_data.Selection.of(Project.find(folder), tmp_path / "m.tar.gz")
    with pytest.raises(errors.ModelDataError, match="linked: a symbolic link"):
        model_data.write(selection.files, tmp_path / "m.tar.gz")


def test_a_name_that_sagemaker_does_not_take_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["pack", str(folder), "model.zip"]) == 1
    assert "archives named *.tar.gz" in capsys.readouterr().err


def test_a_file_that_disappears_halfway_leaves_no_part_of_an_archive(tmp_path: Path) -> None:
    lay(tmp_path, "a")
    archive = tmp_path / "out" / "m.tar.gz"
    with pytest.raises(errors.ModelDataError, match=r"gone: No such file or directory; make it"):
        model_data.write({"a": tmp_path / "a", "b": tmp_path / "gone"}, archive)
    assert list(archive.parent.iterdir()) == []


def test_a_long_list_is_shortened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lay(tmp_path / "many", "train.py", *(f"model/{number:03}" for number in range(30)))
    pack(tmp_path / "many", tmp_path / "m.tar.gz")
    assert ", 019 and 10 more\n" in capsys.readouterr().out
