"""Model data in S3: an archive of this machine is uploaded once, under the digest of its bytes.

Source: API CreateModel, ContainerDefinition.ModelDataUrl (s3://BUCKET/KEY of one .tar.gz).
"""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from byoi_lib import errors
from byoi_lib.manifest import FileDigest

# Everything of ours in the bucket is below.
FOLDER = "byoi/"
_DIGEST_CHARACTERS = 16
_ABSENT = {"404", "NoSuchKey", "NotFound"}


def upload(s3: Any, bucket: str, archive: Path) -> tuple[str, str]:
    """Return the URI of an archive's copy and its SHA-256; upload it where it is missing.

    Args:
        s3: boto3's client of that name.
        bucket: Of the account.
        archive: A model.tar.gz.

    Raises:
        ModelDataError: There is no such archive.
        ClientError: AWS refused the upload.
    """
    if not archive.is_file() or not archive.name.endswith(".tar.gz"):
        raise errors.ModelDataError(
            f"{archive}: no such archive of model data; write one with `byoi pack DIR FILE.tar.gz`"
        )
    digest = FileDigest.of(archive)
    key = f"{FOLDER}{digest.sha256[:_DIGEST_CHARACTERS]}/model.tar.gz"
    if _size_bytes(s3, bucket, key) != digest.size_bytes:
        s3.upload_file(str(archive), bucket, key)
    return f"s3://{bucket}/{key}", digest.sha256


def find_digest(s3: Any, url: str) -> str:
    """Return what changes with the content of an object; "" where it cannot be read.

    Preflight says why it cannot be read; SageMaker has the last word.

    Args:
        s3: boto3's client of that name.
        url: s3://BUCKET/KEY.
    """
    parts = urlsplit(url)
    try:
        found = s3.head_object(Bucket=parts.netloc, Key=parts.path.lstrip("/"))
    except ClientError:
        return ""
    return str(found["ETag"]).strip('"')


def _size_bytes(s3: Any, bucket: str, key: str) -> int | None:
    try:
        return int(s3.head_object(Bucket=bucket, Key=key)["ContentLength"])
    except ClientError as error:
        if error.response["Error"]["Code"] in _ABSENT:
            return None
        raise
