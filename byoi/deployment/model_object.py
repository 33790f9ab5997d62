"""Model data in S3: an archive of this machine is uploaded once, named by the digest of its bytes.

Source: API CreateModel, ContainerDefinition.ModelDataUrl (s3://BUCKET/KEY of one .tar.gz);
API PutObject (x-amz-server-side-encryption-aws-kms-key-id: a key's id, alias or ARN).
"""

import hashlib
from pathlib import Path
from typing import Any

from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError

from byoi import errors
from byoi.deployment.account import error_code
from byoi.digest import FileDigest
from byoi.names import S3Uri

# All that this project writes into the bucket is below.
FOLDER = "byoi/"
_DIGEST_CHARACTERS = 16
# Without permission to list a bucket, AWS answers 403 for objects that do not exist.
_ABSENT_OR_HIDDEN = {"403", "404", "AccessDenied", "Forbidden", "NoSuchKey", "NotFound"}


def place(bucket: str, archive: Path, kms_key: str | None = None) -> tuple[str, str]:
    """Return the URI for an archive's copy in S3, and the archive's SHA-256.

    Args:
        bucket: Bucket of the account.
        archive: A model.tar.gz.
        kms_key: Encrypts the copy.

    Raises:
        ModelDataError: There is no such archive.
    """
    if not archive.is_file() or not archive.name.endswith(".tar.gz"):
        raise errors.ModelDataError(
            f"{archive}: no such archive of model data, or directory of its files; write one with "
            "`byoi pack DIR FILE.tar.gz`"
        )
    sha256 = FileDigest.of(archive).sha256
    key = f"{FOLDER}{short_digest(sha256, kms_key)}/model.tar.gz"
    return str(S3Uri(bucket, key)), sha256


def short_digest(sha256: str, kms_key: str | None) -> str:
    """Return the part of a place that stands for content, and for the key that encrypts it.

    What is there already is not sent again, so that another key has to be another place.
    """
    if kms_key is not None:
        sha256 = hashlib.sha256(f"{sha256} {kms_key}".encode()).hexdigest()
    return sha256[:_DIGEST_CHARACTERS]


def encryption(kms_key: str | None) -> dict[str, str] | None:
    """Return boto3's arguments of an upload for a key, None for the bucket's own encryption."""
    if kms_key is None:
        return None
    return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key}


def explain(path: Path, error: Exception) -> str:
    """Return the message of a file that could not be uploaded."""
    return (
        f"{path} could not be uploaded: {error}; BYOI_BUCKET has to name a bucket in which you "
        "may write, and a key of --kms-key has to be one that you may use"
    )


def upload(s3: Any, url: str, archive: Path, kms_key: str | None = None) -> bool:
    """Upload an archive to the URI that `place` returned, unless it is there already.

    Args:
        s3: boto3's client of that name.
        url: What `place` returned.
        archive: A model.tar.gz.
        kms_key: Encrypts the copy.

    Returns:
        Whether anything was sent.

    Raises:
        HostingError: It could not be uploaded.
        ClientError: AWS did not say whether it is there.
    """
    uri = S3Uri.parse(url)
    if _size_bytes(s3, uri) == archive.stat().st_size:
        return False
    try:
        s3.upload_file(str(archive), uri.bucket, uri.key, ExtraArgs=encryption(kms_key))
    except S3UploadFailedError as error:
        raise errors.HostingError(explain(archive, error)) from error
    return True


def find_digest(s3: Any, url: str) -> str:
    """Return a text that changes with the content of an object; "" if it cannot be read.

    `preflight` names the reason, and SageMaker has the last word.

    Args:
        s3: boto3's client of that name.
        url: s3://BUCKET/KEY.
    """
    uri = S3Uri.parse(url)
    if not uri.key:
        return ""
    try:
        found = s3.head_object(Bucket=uri.bucket, Key=uri.key)
    except ClientError:
        return ""
    return str(found["ETag"]).strip('"')


def _size_bytes(s3: Any, uri: S3Uri) -> int | None:
    try:
        return int(s3.head_object(Bucket=uri.bucket, Key=uri.key)["ContentLength"])
    except ClientError as error:
        if error_code(error) in _ABSENT_OR_HIDDEN:
            return None
        raise
