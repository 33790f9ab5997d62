"""Model data from S3 to a directory: an archive, an object, or all under a prefix."""

from pathlib import Path

import pytest
from tiny_model import write_tiny_model

from byoi import errors, model_data
from byoi.emulator.endpoints.model_source import ModelSource


@pytest.fixture
def objects(tmp_path: Path) -> dict[str, bytes]:
    write_tiny_model(tmp_path / "tiny")
    packed = model_data.pack(tmp_path / "tiny", tmp_path / "packed.tar.gz")
    return {
        "model/model.tar.gz": packed.path.read_bytes(),
        "files/weights.bin": b"weights",
        "files/code/inference.py": b"code",
        "bad/..": b"outside",
        "console/": b"",
        "console/a": b"a",
        "clash/a": b"file",
        "clash/a/b": b"below it",
    }


@pytest.fixture
def source(objects: dict[str, bytes]) -> ModelSource:
    return ModelSource(
        lambda bucket, key: objects.get(key) if bucket == "models" else None,
        lambda _bucket, prefix: [key for key in objects if key.startswith(prefix)],
    )


def s3(uri: str, kind: str, compression: str = "None") -> dict:
    data = {"S3Uri": uri, "S3DataType": kind, "CompressionType": compression}
    return {"ModelDataSource": {"S3DataSource": data}}


@pytest.mark.parametrize(
    "container",
    [
        {"ModelDataUrl": "s3://models/model/model.tar.gz"},
        s3("s3://models/model/model.tar.gz", "S3Object", "Gzip"),
    ],
)
def test_an_archive_is_unpacked(source, tmp_path, container) -> None:
    source.stage(container, tmp_path / "model")
    assert (tmp_path / "model" / "manifest.json").is_file()
    assert not (tmp_path / "model.tar.gz").exists()


def test_one_object_becomes_one_file(source, tmp_path) -> None:
    source.stage(s3("s3://models/files/weights.bin", "S3Object"), tmp_path / "model")
    assert (tmp_path / "model" / "weights.bin").read_bytes() == b"weights"


def test_a_prefix_becomes_a_tree(source, tmp_path) -> None:
    source.stage(s3("s3://models/files/", "S3Prefix"), tmp_path / "model")
    assert (tmp_path / "model" / "code" / "inference.py").read_bytes() == b"code"


def test_without_model_data_the_directory_is_empty(source, tmp_path) -> None:
    source.stage({}, tmp_path / "model")
    assert list((tmp_path / "model").iterdir()) == []


@pytest.mark.parametrize(
    ("container", "said"),
    [
        ({"ModelDataUrl": "s3://models/files/weights.bin"}, "ends in .tar.gz"),
        ({"ModelDataUrl": "s3://models/absent.tar.gz"}, "no such object"),
        ({"ModelDataUrl": "https://models/model.tar.gz"}, "s3://bucket/key"),
        (s3("s3://models/files", "S3Prefix"), "has to end in /"),
        (s3("s3://models/absent/", "S3Prefix"), "no object is under this prefix"),
        (s3("s3://models/bad/", "S3Prefix"), "cannot be the name of a file"),
        (s3("s3://models/console/", "S3Prefix"), "'' cannot be the name of a file; delete"),
        (s3("s3://models/clash/", "S3Prefix"), "'a' is a file, and a folder of other files"),
        (s3("s3://models/files/weights.tar.gz", "S3Object", "Gzip"), "no such object"),
    ],
)
def test_what_cannot_be_used_is_named(source, tmp_path, container, said) -> None:
    with pytest.raises(errors.ModelDataError, match=said):
        source.stage(container, tmp_path / "model")


@pytest.mark.parametrize(
    "container",
    [{"ModelDataUrl": "s3://models/model/model.tar.gz"}, s3("s3://models/files/", "S3Prefix")],
)
@pytest.mark.parametrize(("timeout_s", "is_late"), [(None, False), (60.0, True), (3600.0, False)])
def test_the_time_to_download_is_kept(objects, tmp_path, container, timeout_s, is_late) -> None:
    def read(_bucket: str, key: str) -> bytes:
        clock.append(clock[-1] + 50)
        return objects[key]

    # An archive is one object; each takes more than half a minute.
    clock = [0.0 if "ModelDataSource" in container else 20.0]
    begun = [0.0]
    source = ModelSource(
        read,
        lambda _bucket, prefix: [key for key in objects if key.startswith(prefix)],
        clock_s=lambda: begun.pop() if begun else clock[-1],
    )
    if is_late:
        with pytest.raises(errors.ModelDataError, match=r"the limit is 60 s \(ModelDataDownload"):
            source.stage(container, tmp_path / "model", timeout_s)
        return
    source.stage(container, tmp_path / "model", timeout_s)
    assert list((tmp_path / "model").iterdir())


def test_a_damaged_archive_is_named(source, objects, tmp_path) -> None:
    objects["model/model.tar.gz"] = b"damaged"
    container = {"ModelDataUrl": "s3://models/model/model.tar.gz"}
    with pytest.raises(errors.ModelDataError, match=r"s3://models/model/model\.tar\.gz"):
        source.stage(container, tmp_path / "model")
