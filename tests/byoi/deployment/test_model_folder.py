"""A folder as the files below a prefix, against moto's S3."""

import os
from pathlib import Path
from typing import Any

import pytest

from byoi import errors
from byoi.deployment import model_folder
from byoi.names import problem_of_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "model"
    (path / "code" / "__pycache__").mkdir(parents=True)
    (path / "code" / "inference.py").write_text("code")
    (path / "code" / "__pycache__" / "inference.pyc").write_text("bytecode")
    (path / "weights.bin").write_bytes(b"weights")
    return path


def keys(s3: Any) -> list[str]:
    return [one["Key"] for one in s3.list_objects_v2(Bucket="mine").get("Contents", ())]


def test_the_place_is_named_by_names_and_content(folder: Path) -> None:
    url, sha256 = model_folder.place("mine", folder)
    assert url == f"s3://mine/byoi/{sha256[:16]}/model/"
    assert model_folder.place("mine", folder) == (url, sha256)
    assert model_folder.place("mine", folder, "alias/mine")[0] != url
    (folder / "weights.bin").rename(folder / "weights2.bin")
    assert model_folder.place("mine", folder)[0] != url


def test_only_what_is_missing_is_sent(s3: Any, folder: Path) -> None:
    url, _ = model_folder.place("mine", folder)
    assert model_folder.upload(s3, url, folder) == 2
    prefix = url.removeprefix("s3://mine/")
    assert keys(s3) == [f"{prefix}code/inference.py", f"{prefix}weights.bin"]
    assert model_folder.upload(s3, url, folder) == 0
    s3.put_object(Bucket="mine", Key=f"{prefix}weights.bin", Body=b"cut")
    assert model_folder.upload(s3, url, folder) == 1


def test_what_does_not_belong_there_is_named(s3: Any, folder: Path) -> None:
    url, _ = model_folder.place("mine", folder)
    s3.put_object(Bucket="mine", Key=f"{url.removeprefix('s3://mine/')}notes.txt", Body=b"mine")
    with pytest.raises(errors.HostingError, match=r"not of .*: notes\.txt; remove them: aws s3 rm"):
        model_folder.upload(s3, url, folder)


def test_a_bucket_that_is_not_there_is_named(s3: Any, folder: Path) -> None:
    url, _ = model_folder.place("absent", folder)
    with pytest.raises(errors.HostingError, match="BYOI_BUCKET"):
        model_folder.upload(s3, url, folder)


def test_other_objects_are_another_digest(s3: Any) -> None:
    url = "s3://mine/files/"
    assert model_folder.find_digest(s3, url) == ""
    s3.put_object(Bucket="mine", Key="files/a", Body=b"one")
    one = model_folder.find_digest(s3, url)
    s3.put_object(Bucket="mine", Key="files/a", Body=b"two")
    two = model_folder.find_digest(s3, url)
    s3.put_object(Bucket="mine", Key="files/b", Body=b"two")
    assert len({"", one, two, model_folder.find_digest(s3, url)}) == 4
    assert model_folder.find_digest(s3, "s3://mine/") == ""
    assert model_folder.find_digest(s3, "s3://absent/files/") == ""


def test_a_folder_that_cannot_be_one_of_files_is_named(folder: Path, tmp_path: Path) -> None:
    (folder / " ").write_text("blank")
    with pytest.raises(errors.ModelDataError, match="' ' cannot be the name of a file; rename it"):
        model_folder.place("mine", folder)
    (folder / " ").unlink()
    os.mkfifo(folder / "pipe")
    with pytest.raises(errors.ModelDataError, match="pipe: not a regular file"):
        model_folder.place("mine", folder)
    (folder / "pipe").unlink()
    (folder / "link").symlink_to("/etc/hostname")
    with pytest.raises(errors.ModelDataError, match="link: a symbolic link"):
        model_folder.place("mine", folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(errors.ModelDataError, match="no files in it"):
        model_folder.place("mine", tmp_path / "empty")


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["a", "b/c", "b/d/e"], ""),
        (["b", "b/c"], "'b' is a file, and a folder of other files"),
        (["b/c/d", "b/c"], "'b/c' is a file"),
        (["a/"], "'a/' cannot be the name of a file"),
        (["x" * 256], "cannot be the name of a file"),
        (["x" * 255], ""),
        (["."], "cannot be"),
        (["a\0b"], "cannot be"),
    ],
)
def test_names_are_those_that_sagemaker_takes(names: list[str], problem: str) -> None:
    found = problem_of_files(names)
    assert problem in found
    assert bool(found) is bool(problem)
