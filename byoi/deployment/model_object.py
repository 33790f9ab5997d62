"""Model data in S3: an archive of this machine is uploaded once, under the digest of its bytes.

Source: API CreateModel, ContainerDefinition.ModelDataUrl (s3://BUCKET/KEY of one .tar.gz).
"""

from pathlib import Path
from typing import Any

from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError

from byoi import errors
from byoi.digest import FileDigest

# Everything of ours in the bucket is below.
FOLDER = "byoi/"
_DIGEST_CHARACTERS = 16
# Whoever may not list a bucket is told 403 of what is not there.
_UNKNOWN = {"403", "404", "AccessDenied", "Forbidden", "NoSuchKey", "NotFound"}


def place(bucket: str, archive: Path) -> tuple[str, str]:
    """Return the URI that an archive's copy has, or will have, and its SHA-256.

    Args:
        bucket: Of the account.
        archive: A model.tar.gz.

    Raises:
        ModelDataError: There is no such archive.
    """
    if not archive.is_file() or not archive.name.endswith(".tar.gz"):
        raise errors.ModelDataError(
            f"{archive}: no such archive of model data; write one with `byoi pack DIR FILE.tar.gz`"
        )
    sha256 = FileDigest.of(archive).sha256
    return f"s3://{bucket}/{FOLDER}{sha256[:_DIGEST_CHARACTERS]}/model.tar.gz", sha256


def upload(s3: Any, url: str, archive: Path) -> bool:
    """Put an archive where `place` says, unless it is there already.

    Args:
        s3: boto3's client of that name.
        url: What `place` returned.
        archive: A model.tar.gz.

    Returns:
        Whether anything was sent.

    Raises:
        HostingError: It could not be uploaded.
        ClientError: AWS did not answer the look.
    """
    bucket, key = _parts(url)
    if _size_bytes(s3, bucket, key) == archive.stat().st_size:
        return False
    try:
        s3.upload_file(str(archive), bucket, key)
    except S3UploadFailedError as error:
        raise errors.HostingError(
            f"{archive} could not be uploaded: {error}; BYOI_BUCKET has to name a bucket in "
            "which you may write"
        ) from error
    return True


def find_digest(s3: Any, url: str) -> str:
    """Return what changes with the content of an object; "" where it cannot be read.

    Preflight says why it cannot be read; SageMaker has the last word.

    Args:
        s3: boto3's client of that name.
        url: s3://BUCKET/KEY.
    """
    bucket, key = _parts(url)
    try:
        found = s3.head_object(Bucket=bucket, Key=key)
    except ClientError:
        return ""
    return str(found["ETag"]).strip('"')


def _parts(url: str) -> tuple[str, str]:
    bucket, _, key = url.removeprefix("s3://").partition("/")
    return bucket, key


def _size_bytes(s3: Any, bucket: str, key: str) -> int | None:
    try:
        return int(s3.head_object(Bucket=bucket, Key=key)["ContentLength"])
    except ClientError as error:
        if error.response["Error"]["Code"] in _UNKNOWN:
            return None
        raise
