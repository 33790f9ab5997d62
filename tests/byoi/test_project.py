"""The parts of a project's folder."""

from pathlib import Path

import pytest

from byoi import errors
from byoi.project import Project


def test_an_empty_folder_has_no_part(tmp_path: Path) -> None:
    assert Project.find(tmp_path) == Project(tmp_path)


def test_each_part_has_its_place(tmp_path: Path) -> None:
    for name in ("inference.py", "requirements.txt", "sample_request.csv"):
        (tmp_path / name).touch()
    (tmp_path / "model").mkdir()
    found = Project.find(tmp_path)
    assert found.module == tmp_path / "inference.py"
    assert found.model_dir == tmp_path / "model"
    assert found.requirements == tmp_path / "requirements.txt"
    assert found.sample == tmp_path / "sample_request.csv"


def test_the_module_may_be_in_code(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "inference.py").touch()
    assert Project.find(tmp_path).module == tmp_path / "code" / "inference.py"


def test_two_samples_are_refused(tmp_path: Path) -> None:
    (tmp_path / "sample_request.csv").touch()
    (tmp_path / "sample_request.json").touch()
    with pytest.raises(errors.ConfigurationError, match=r"sample_request\.csv, sample_request"):
        Project.find(tmp_path)


def test_a_folder_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigurationError, match="is not a folder"):
        Project.find(tmp_path / "absent")
