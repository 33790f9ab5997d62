"""The model data of a container definition, from the emulated S3 to a directory.

Source: API ContainerDefinition (ModelDataUrl, ModelDataSource), S3ModelDataSource.
"""

from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from byoi import errors, model_data

_ARCHIVE_SUFFIX = ".tar.gz"
# API S3ModelDataSource: names of objects that cannot become names of files.
_NAME_BYTES = 255


class ModelSource:
    """Reads model data from a bucket.

    Args:
        read: Bucket and key to an object's bytes, None where there is none.
        keys: Bucket and prefix to the keys that begin with it.
    """

    def __init__(
        self,
        read: Callable[[str, str], bytes | None],
        keys: Callable[[str, str], list[str]],
    ) -> None:
        self._read = read
        self._keys = keys

    def stage(self, container: Mapping[str, Any], directory: Path) -> None:
        """Put the model data into `directory`, which is made; it stays empty where there is none.

        Args:
            container: API ContainerDefinition.
            directory: Becomes /opt/ml/model.

        Raises:
            ModelDataError: Nothing is there, or it cannot be unpacked safely.
        """
        directory.mkdir(parents=True)
        source = (container.get("ModelDataSource") or {}).get("S3DataSource")
        if url := container.get("ModelDataUrl"):
            self._unpack(url, directory)
        elif source is None:
            return
        elif source["CompressionType"] == "Gzip":
            self._unpack(source["S3Uri"], directory)
        elif source["S3DataType"] == "S3Object":
            self._write(source["S3Uri"], source["S3Uri"].rpartition("/")[2], directory)
        else:
            self._copy_prefix(source["S3Uri"], directory)

    def _unpack(self, url: str, directory: Path) -> None:
        if not url.endswith(_ARCHIVE_SUFFIX):
            raise errors.ModelDataError(
                f"model data {url}: expected a key that ends in {_ARCHIVE_SUFFIX}; "
                "write the archive with `byoi pack`"
            )
        archive = directory.with_name(directory.name + _ARCHIVE_SUFFIX)
        archive.write_bytes(self._fetch(url))
        try:
            model_data.unpack(archive, directory)
        except errors.ModelDataError as error:
            raise errors.ModelDataError(f"model data {url}: {error}") from error
        finally:
            archive.unlink()

    def _copy_prefix(self, url: str, directory: Path) -> None:
        bucket, prefix = _parts(url)
        keys = self._keys(bucket, prefix) if prefix.endswith("/") or not prefix else []
        if not keys:
            raise errors.ModelDataError(
                f"model data {url}: no object is under this prefix, which has to end in /"
            )
        for key in keys:
            self._write(f"s3://{bucket}/{key}", key.removeprefix(prefix), directory)

    def _write(self, url: str, name: str, directory: Path) -> None:
        parts = name.split("/")
        if any(
            not part.strip() or part in {".", ".."} or len(part.encode()) > _NAME_BYTES
            for part in parts
        ):
            raise errors.ModelDataError(
                f"model data {url}: {name!r} cannot be the name of a file; "
                "delete the object, or upload it under another name"
            )
        target = directory / PurePosixPath(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(self._fetch(url))

    def _fetch(self, url: str) -> bytes:
        content = self._read(*_parts(url))
        if content is None:
            raise errors.ModelDataError(
                f"model data {url}: there is no such object; upload the archive first "
                "(sagemaker.Session.upload_data)"
            )
        return content


def _parts(url: str) -> tuple[str, str]:
    if not url.startswith("s3://"):
        raise errors.ModelDataError(
            f"model data {url!r}: the emulator reads s3://bucket/key URIs; upload it to the "
            "emulated S3 (sagemaker.Session.upload_data)"
        )
    bucket, _, key = url.removeprefix("s3://").partition("/")
    return bucket, key
