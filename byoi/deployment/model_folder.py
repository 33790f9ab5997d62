"""Uncompressed model data in S3: a prefix, each of whose objects becomes a file of the model.

A folder of this machine is uploaded once, below a prefix that is named by its content.

Sources: API S3ModelDataSource (S3Prefix with CompressionType None: the path of a file is its key
without the prefix; names that cannot be used); S3 User Guide, object-keys.html (1,024 bytes).
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError

from byoi import errors, model_data
from byoi.deployment import model_object
from byoi.deployment.account import error_code
from byoi.digest import FileDigest
from byoi.names import S3Uri, problem_of_files

_KEY_BYTES = 1024
_DENIED = {"403", "AccessDenied", "Forbidden"}


@dataclass(frozen=True)
class StoredFile:
    """An object below a prefix.

    Attributes:
        name: Its key without the prefix.
        size_bytes: Its size.
        tag: S3's ETag, another one for other content.
    """

    name: str
    size_bytes: int
    tag: str


def is_prefix(url: str) -> bool:
    """Whether an s3:// URI names a prefix of files, and not an archive."""
    return url.endswith("/")


def files_of(directory: Path) -> dict[str, Path]:
    """Return the files that are uploaded of a directory, by their path in it: those `pack` packs.

    Raises:
        ModelDataError: There are none, or one is missing, altered, a symbolic link or another
            special file, or has a name that SageMaker does not take.
    """
    model_data.require_no_links(directory)
    # The archive is not made: no file of the directory can have its path.
    files, _ = model_data.files_of(directory, directory.with_name(f"{directory.name}.tar.gz"))
    for path in files.values():
        if not path.is_file():
            raise errors.refusal(path, "not a regular file", "move it out of the directory")
    if problem := problem_of_files(files):
        raise errors.refusal(directory, problem, "rename it; SageMaker would refuse it")
    return files


def place(bucket: str, directory: Path, kms_key: str | None = None) -> tuple[str, str]:
    """Return the URI of the prefix for a directory's files, and a digest of all of them.

    Args:
        bucket: Bucket of the account.
        directory: A model directory.
        kms_key: Encrypts them.

    Raises:
        ModelDataError: As `files_of`, or a path is too long for S3.
    """
    files = files_of(directory)
    digests = {name: FileDigest.of(path).sha256 for name, path in sorted(files.items())}
    sha256 = hashlib.sha256(json.dumps(digests).encode()).hexdigest()
    prefix = f"{model_object.FOLDER}{model_object.short_digest(sha256, kms_key)}/model/"
    longest = max(files, key=lambda name: len(name.encode()))
    if len(f"{prefix}{longest}".encode()) > _KEY_BYTES:
        raise errors.refusal(
            directory, f"{longest!r:.300} is too long for S3", "put it into fewer folders"
        )
    return str(S3Uri(bucket, prefix)), sha256


def upload(s3: Any, url: str, directory: Path, kms_key: str | None = None) -> int:
    """Upload the files of a directory to the prefix that `place` returned.

    Args:
        s3: boto3's client of that name.
        url: What `place` returned.
        directory: The directory.
        kms_key: Encrypts them.

    Returns:
        How many were sent: those that are not there already.

    Raises:
        HostingError: One could not be uploaded, or something else lies below the prefix.
        ClientError: AWS did not say what is there.
    """
    uri, files = S3Uri.parse(url), files_of(directory)
    stored = {one.name: one.size_bytes for one in _stored_or_hidden(s3, uri)}
    if others := sorted(stored.keys() - files.keys()):
        raise errors.HostingError(
            f"{url} has objects that are not of {directory}, and would become files of the "
            f"model: {', '.join(others[:3])}; remove them: aws s3 rm --recursive {url}"
        )
    missing = {
        name: path for name, path in files.items() if stored.get(name) != path.stat().st_size
    }
    for name, path in missing.items():
        try:
            s3.upload_file(
                str(path),
                uri.bucket,
                f"{uri.key}{name}",
                ExtraArgs=model_object.encryption(kms_key),
            )
        except S3UploadFailedError as error:
            raise errors.HostingError(model_object.explain(path, error)) from error
    return len(missing)


def find_digest(s3: Any, url: str) -> str:
    """Return a text that changes with the objects below a prefix; "" if they cannot be listed.

    Args:
        s3: boto3's client of that name.
        url: s3://BUCKET/PREFIX/.
    """
    uri = S3Uri.parse(url)
    if not uri.key:
        return ""
    try:
        found = [[one.name, one.tag] for one in stored(s3, uri)]
    except ClientError:
        return ""
    return hashlib.sha256(json.dumps(found).encode()).hexdigest() if found else ""


def stored(s3: Any, uri: S3Uri) -> Iterator[StoredFile]:
    """Yield all objects below a prefix, by their keys.

    Raises:
        ClientError: AWS refused to list them.
    """
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=uri.bucket, Prefix=uri.key)
    for page in pages:
        for one in page.get("Contents", ()):
            yield StoredFile(one["Key"].removeprefix(uri.key), one["Size"], one["ETag"])


def _stored_or_hidden(s3: Any, uri: S3Uri) -> list[StoredFile]:
    """Return what is below a prefix; nothing where it may not be listed, or has no bucket.

    The upload that follows names the bucket.
    """
    try:
        return list(stored(s3, uri))
    except ClientError as error:
        if error_code(error) in _DENIED | {"NoSuchBucket"}:
            return []
        raise
