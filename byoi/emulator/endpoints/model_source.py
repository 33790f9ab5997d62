"""The model data of a container definition: from the emulated S3 to a directory.

Source: API ContainerDefinition (ModelDataUrl, ModelDataSource), S3ModelDataSource.
"""

from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from byoi import errors, model_data
from byoi.names import S3Uri

_ARCHIVE_SUFFIX = ".tar.gz"
# API S3ModelDataSource: a longer name of an object cannot become the name of a file.
_NAME_BYTES = 255


class ModelSource:
    """Reads model data from a bucket.

    Args:
        read: Returns the object of a bucket and key, None if there is none.
        keys: Returns the keys of a bucket that begin with a prefix.
    """

    def __init__(
        self,
        read: Callable[[str, str], bytes | None],
        keys: Callable[[str, str], list[str]],
    ) -> None:
        self._read = read
        self._keys = keys

    def stage(self, container: Mapping[str, Any], directory: Path) -> None:
        """Create a directory with the model data; without model data, it is empty.

        Args:
            container: API ContainerDefinition.
            directory: Becomes /opt/ml/model.

        Raises:
            ModelDataError: The model data do not exist, or cannot be unpacked safely.
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
            uri = _parse(source["S3Uri"])
            self._write(uri, uri.key.rpartition("/")[2], directory)
        else:
            self._copy_prefix(source["S3Uri"], directory)

    def _unpack(self, url: str, directory: Path) -> None:
        if not url.endswith(_ARCHIVE_SUFFIX):
            raise errors.ModelDataError(
                f"model data {url}: expected a key that ends in {_ARCHIVE_SUFFIX}; "
                "write the archive with `byoi pack`"
            )
        archive = directory.with_name(directory.name + _ARCHIVE_SUFFIX)
        archive.write_bytes(self._fetch(_parse(url)))
        try:
            model_data.unpack(archive, directory)
        except errors.ModelDataError as error:
            raise errors.ModelDataError(f"model data {url}: {error}") from error
        finally:
            archive.unlink()

    def _copy_prefix(self, url: str, directory: Path) -> None:
        prefix = _parse(url)
        is_folder = prefix.key.endswith("/") or not prefix.key
        keys = self._keys(prefix.bucket, prefix.key) if is_folder else []
        if not keys:
            raise errors.ModelDataError(
                f"model data {url}: no object is under this prefix, which has to end in /"
            )
        for key in keys:
            uri = S3Uri(prefix.bucket, key)
            self._write(uri, key.removeprefix(prefix.key), directory)

    def _write(self, uri: S3Uri, name: str, directory: Path) -> None:
        parts = name.split("/")
        if any(
            not part.strip() or part in {".", ".."} or len(part.encode()) > _NAME_BYTES
            for part in parts
        ):
            raise errors.ModelDataError(
                f"model data {uri}: {name!r} cannot be the name of a file; "
                "delete the object, or upload it under another name"
            )
        target = directory / PurePosixPath(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(self._fetch(uri))

    def _fetch(self, uri: S3Uri) -> bytes:
        content = self._read(uri.bucket, uri.key)
        if content is None:
            raise errors.ModelDataError(
                f"model data {uri}: there is no such object; upload the archive first "
                "(sagemaker.Session.upload_data)"
            )
        return content


def _parse(url: str) -> S3Uri:
    try:
        return S3Uri.parse(url)
    except errors.ConfigurationError as error:
        raise errors.ModelDataError(
            f"model data {url!r}: the emulator reads s3://bucket/key URIs; upload the model data "
            "to the emulated S3 (sagemaker.Session.upload_data)"
        ) from error
