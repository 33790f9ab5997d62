"""The model data of a container definition: from the emulated S3 to a directory.

Source: API ContainerDefinition (ModelDataUrl, ModelDataSource), S3ModelDataSource;
ProductionVariant (ModelDataDownloadTimeoutInSeconds: to download and extract).
"""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from byoi import errors, model_data
from byoi.names import S3Uri, problem_of_files

_ARCHIVE_SUFFIX = ".tar.gz"


class ModelSource:
    """Reads model data from a bucket.

    Args:
        read: Returns the object of a bucket and key, None if there is none.
        keys: Returns the keys of a bucket that begin with a prefix.
        clock_s: Seconds that pass.
    """

    def __init__(
        self,
        read: Callable[[str, str], bytes | None],
        keys: Callable[[str, str], list[str]],
        *,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._keys = keys
        self._clock_s = clock_s

    def stage(
        self, container: Mapping[str, Any], directory: Path, timeout_s: float | None = None
    ) -> None:
        """Create a directory with the model data; without model data, it is empty.

        Args:
            container: API ContainerDefinition.
            directory: Becomes /opt/ml/model.
            timeout_s: Seconds to download and unpack it, looked at after each object; None is
                no limit.

        Raises:
            ModelDataError: The model data do not exist, cannot be unpacked safely, or take longer.
        """
        directory.mkdir(parents=True)
        started_s = self._clock_s()

        def require_time() -> None:
            seconds = self._clock_s() - started_s
            if timeout_s is not None and seconds > timeout_s:
                raise errors.ModelDataError(
                    f"the model data was not there after {seconds:.0f} s; the limit is "
                    f"{timeout_s:g} s (ModelDataDownloadTimeoutInSeconds, 60 to 3600)"
                )

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
            self._copy_prefix(source["S3Uri"], directory, require_time)
        require_time()

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

    def _copy_prefix(self, url: str, directory: Path, require_time: Callable[[], None]) -> None:
        prefix = _parse(url)
        if prefix.key and not prefix.key.endswith("/"):
            raise errors.ModelDataError(
                f"model data {url}: a prefix has to end in /; expected {url}/"
            )
        keys = self._keys(prefix.bucket, prefix.key)
        if not keys:
            raise errors.ModelDataError(
                f"model data {url}: no object is under this prefix; upload the files first "
                f"(aws s3 cp --recursive DIR {url})"
            )
        names = [key.removeprefix(prefix.key) for key in keys]
        _require_usable(url, names)
        for key, name in zip(keys, names, strict=True):
            self._write(S3Uri(prefix.bucket, key), name, directory)
            require_time()

    def _write(self, uri: S3Uri, name: str, directory: Path) -> None:
        _require_usable(str(uri), [name])
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


def _require_usable(url: str, names: Sequence[str]) -> None:
    if problem := problem_of_files(names):
        raise errors.ModelDataError(
            f"model data {url}: {problem}; delete the object, or upload it under another name"
        )


def _parse(url: str) -> S3Uri:
    try:
        return S3Uri.parse(url)
    except errors.ConfigurationError as error:
        raise errors.ModelDataError(
            f"model data {url!r}: the emulator reads s3://bucket/key URIs; upload the model data "
            "to the emulated S3 (sagemaker.Session.upload_data)"
        ) from error
