"""Model data in S3, against moto's."""

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from byoi import errors
from byoi.deployment import model_object


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "any.tar.gz"
    path.write_bytes(b"model")
    return path


def test_the_place_is_named_by_the_content(archive: Path, tmp_path: Path) -> None:
    url, sha256 = model_object.place("mine", archive)
    assert url == f"s3://mine/byoi/{sha256[:16]}/model.tar.gz"
    assert len(sha256) == 64
    same = tmp_path / "same.tar.gz"
    same.write_bytes(b"model")
    assert model_object.place("mine", same) == (url, sha256)
    same.write_bytes(b"other")
    assert model_object.place("mine", same) != (url, sha256)


@pytest.mark.parametrize("name", ["absent.tar.gz", "model.zip"])
def test_what_is_no_archive_has_no_place(tmp_path: Path, name: str) -> None:
    (tmp_path / "model.zip").write_bytes(b"")
    with pytest.raises(errors.ModelDataError, match="byoi pack"):
        model_object.place("mine", tmp_path / name)


def test_an_archive_is_sent_once(s3: Any, archive: Path) -> None:
    url, _ = model_object.place("mine", archive)
    assert model_object.upload(s3, url, archive)
    assert not model_object.upload(s3, url, archive)
    key = url.removeprefix("s3://mine/")
    assert s3.get_object(Bucket="mine", Key=key)["Body"].read() == b"model"


def test_what_was_cut_short_is_sent_again(s3: Any, archive: Path) -> None:
    url, _ = model_object.place("mine", archive)
    s3.put_object(Bucket="mine", Key=url.removeprefix("s3://mine/"), Body=b"mod")
    assert model_object.upload(s3, url, archive)


def test_a_bucket_that_is_not_there_is_named(s3: Any, archive: Path) -> None:
    url, _ = model_object.place("absent", archive)
    with pytest.raises(errors.HostingError, match="BYOI_BUCKET"):
        model_object.upload(s3, url, archive)


def refuse_looks(s3: Any, code: str) -> None:
    def refuse(**_: object) -> None:
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, "HeadObject")

    s3.meta.events.register("before-call.s3.HeadObject", refuse)


def test_who_may_only_write_writes(s3: Any, archive: Path) -> None:
    refuse_looks(s3, "403")
    url, _ = model_object.place("mine", archive)
    assert model_object.upload(s3, url, archive)
    assert model_object.find_digest(s3, url) == ""


def test_an_answer_that_is_none_is_not_taken_for_a_missing_object(s3: Any, archive: Path) -> None:
    refuse_looks(s3, "503")
    url, _ = model_object.place("mine", archive)
    with pytest.raises(ClientError, match="503"):
        model_object.upload(s3, url, archive)


def test_other_content_under_the_same_uri_is_another_digest(s3: Any) -> None:
    assert model_object.find_digest(s3, "s3://mine/a/model.tar.gz") == ""
    s3.put_object(Bucket="mine", Key="a/model.tar.gz", Body=b"one")
    one = model_object.find_digest(s3, "s3://mine/a/model.tar.gz")
    s3.put_object(Bucket="mine", Key="a/model.tar.gz", Body=b"two")
    assert one
    assert model_object.find_digest(s3, "s3://mine/a/model.tar.gz") != one
