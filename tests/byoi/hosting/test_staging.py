"""Where local mode finds what it mounts."""

import os
import socket
import subprocess
import sys
import tarfile
from pathlib import Path
from types import SimpleNamespace

import boto3
import pytest
import sagemaker

from byoi import errors
from byoi.hosting import runtime_client, staging

SESSION = SimpleNamespace()  # only S3 needs more


def test_an_archive_is_unpacked_without_itself_and_stays_as_it_was(archive: Path, tmp_path: Path):
    before = archive.read_bytes()
    staging.stage_model_data(f"file://{archive}", tmp_path / "model", SESSION)
    names = sorted(path.name for path in (tmp_path / "model").iterdir())
    assert names == ["manifest.json", "model.keras", "model.onnx", "vocabulary.json"]
    assert list(archive.parent.iterdir()) == [archive]
    assert archive.read_bytes() == before


def test_a_model_directory_is_copied(toy_dir: Path, tmp_path: Path):
    staging.stage_model_data(str(toy_dir), tmp_path / "model", SESSION)
    assert (tmp_path / "model" / "witness.py").is_file()


def test_no_model_data_is_an_empty_directory(tmp_path: Path):
    staging.stage_model_data(None, tmp_path / "model", SESSION)
    assert list((tmp_path / "model").iterdir()) == []


@pytest.mark.parametrize("location", ["file:///not/there.tar.gz", "/not/there.tar.gz"])
def test_missing_model_data_is_named(location: str, tmp_path: Path):
    with pytest.raises(errors.ModelDataError, match=r"^/not/there.tar.gz: .*byoi pack"):
        staging.stage_model_data(location, tmp_path / "model", SESSION)


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path):
    path = tmp_path / "model.tar.gz"
    path.write_text("not an archive")
    with pytest.raises(errors.ModelDataError, match=r"model\.tar\.gz"):
        staging.stage_model_data(str(path), tmp_path / "model", SESSION)


@pytest.mark.parametrize("location", ["https://host/model.tar.gz", {"S3DataSource": {}}])
def test_model_data_of_another_kind_is_refused(location: object, tmp_path: Path):
    with pytest.raises(errors.ConfigurationError, match="received"):
        staging.stage_model_data(location, tmp_path / "model", SESSION)


def test_model_data_in_s3_is_fetched_with_the_sessions_credentials(
    moto_aws: str, archive: Path, tmp_path: Path
):
    boto_session = boto3.Session(region_name="us-east-1")
    boto_session.client("s3").create_bucket(Bucket="models")
    boto_session.client("s3").upload_file(str(archive), "models", "a/model.tar.gz")
    boto_session.client("s3").upload_file(str(archive), "models", "b/model.tar.gz")
    boto_session.client("s3").put_object(Bucket="models", Key="b/other", Body=b"1")
    session = sagemaker.Session(boto_session, sagemaker_config=runtime_client.SDK_CONFIG)
    session.config = {"local": {"container_root": str(tmp_path)}}
    staging.stage_model_data("s3://models/a/model.tar.gz", tmp_path / "archive", session)
    assert (tmp_path / "archive" / "manifest.json").is_file()
    staging.stage_model_data("s3://models/b", tmp_path / "prefix", session)
    assert (tmp_path / "prefix" / "other").is_file()


def test_what_the_sdk_refuses_to_mount_is_known(restricted_dir: Path, tmp_path: Path):
    assert staging.is_restricted(restricted_dir)
    assert staging.is_restricted(Path("/etc/anything"))
    assert staging.is_restricted(Path("/rootfs"), ["/root"])
    assert not staging.is_restricted(tmp_path)


def test_the_first_directory_that_containers_may_mount_is_found(
    restricted_dir: Path, tmp_path: Path
):
    found = staging.find_directory([restricted_dir, tmp_path / "absent", tmp_path])
    assert found == tmp_path.resolve()
    with pytest.raises(errors.ConfigurationError, match="set TMPDIR"):
        staging.find_directory([restricted_dir])


def test_a_channel_stays_where_it_may_be_mounted(tmp_path: Path):
    assert staging.stage_channel(f"file://{tmp_path}", tmp_path) == f"file://{tmp_path}"
    assert staging.stage_channel("s3://bucket/key", tmp_path) == "s3://bucket/key"


def test_a_channel_elsewhere_is_copied(restricted_dir: Path, tmp_path: Path):
    (restricted_dir / "rows.jsonl").write_text("1\n")
    for given in (restricted_dir, restricted_dir / "rows.jsonl"):
        uri = staging.stage_channel(f"file://{given}", tmp_path)
        copy = Path(uri.removeprefix("file://"))
        assert copy.is_relative_to(tmp_path)
        rows = copy / "rows.jsonl" if copy.is_dir() else copy
        assert rows.read_text() == "1\n"


def test_a_missing_channel_is_named(tmp_path: Path):
    with pytest.raises(errors.HostingError, match=f"{tmp_path}/absent: no such file"):
        staging.stage_channel(f"file://{tmp_path}/absent", tmp_path)


def test_an_archive_may_hold_folders(tmp_path: Path):
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "inference.py").write_text("1")
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "code", "code")
    staging.stage_model_data(str(tmp_path / "model.tar.gz"), tmp_path / "model", SESSION)
    assert (tmp_path / "model" / "code" / "inference.py").read_text() == "1"


def test_directories_of_ended_processes_go_and_all_others_stay(tmp_path: Path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    host = socket.gethostname()
    gone = tmp_path / f"byoi-local-{host}-{ended.pid}-abc"
    (gone / "log").mkdir(parents=True)
    kept = [
        staging.make_session_directory(tmp_path),
        tmp_path / f"byoi-local-elsewhere-{ended.pid}-abc",
        tmp_path / f"byoi-other-{host}-{ended.pid}-abc",
        tmp_path / f"byoi-local-{host}-1-abc",
        tmp_path / f"byoi-local-{host}-none-abc",
        tmp_path / "byoi-local-abc",
    ]
    for directory in kept:
        directory.mkdir(exist_ok=True)
    staging.remove_orphaned_directories(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(kept)
    assert str(os.getpid()) in kept[0].name
