"""Checks that run before anything is made: role, model data, image, VPC and key, quota.

All of them run, so that one run shows every failure, each with its remedy. The check of the model
data is here; the others have modules of their own.

Sources: API HeadBucket and HeadObject; API ContainerDefinition, ModelDataUrl (one .tar.gz, in
the endpoint's region); API ListObjectsV2.
"""

from collections.abc import Iterable, Iterator

from botocore.exceptions import BotoCoreError, ClientError

from byoi import errors
from byoi.deployment import image_check, model_folder, placement_check, quota, role_check
from byoi.deployment.account import Account, error_code
from byoi.deployment.finding import Finding, not_known
from byoi.deployment.plan import Plan
from byoi.names import S3Uri, problem_of_files

_SUFFIX = ".tar.gz"


def check(account: Account, plan: Plan, *, is_uploaded: bool = True) -> list[Finding]:
    """Return the findings of all checks; nothing is made, and no failure is raised.

    Args:
        account: Account to deploy to.
        plan: What is to be deployed.
        is_uploaded: Whether the model data is in S3 already; otherwise only its bucket is checked.
    """
    return [
        *role_check.check(account, plan),
        *check_model_data(account, plan, is_uploaded=is_uploaded),
        *image_check.check(account, plan),
        *placement_check.check(account, plan),
        *quota.check(account, plan),
    ]


def require(findings: Iterable[Finding]) -> None:
    """Raise if a finding is a failure; what is not known is not a failure.

    Raises:
        ConfigurationError: Something would make the deployment fail; the message has all of it.
    """
    failures = [finding for finding in findings if finding.is_ok is False]
    if failures:
        lines = "\n".join(str(finding) for finding in failures)
        raise errors.ConfigurationError(
            f"nothing was created, because the deployment would fail:\n{lines}"
        )


def check_model_data(
    account: Account, plan: Plan, *, is_uploaded: bool = True
) -> Iterator[Finding]:
    """Yield whether the bucket is reachable, and the archive, or files below a prefix, are in it.

    Args:
        account: Account that reads S3.
        plan: Names the model data; what is baked into the image is not checked.
        is_uploaded: Whether it is there already; otherwise only the bucket is checked.
    """
    if plan.model_data_url is None:
        return
    uri = S3Uri.parse(plan.model_data_url)
    bucket = _check_bucket(account, uri.bucket)
    yield bucket
    if is_uploaded and bucket.is_ok is not False:
        yield _check_files(account, uri) if plan.is_uncompressed else _check_archive(account, uri)


def _check_bucket(account: Account, bucket: str) -> Finding:
    what = f"bucket {bucket}"
    try:
        answer = account.client("s3").head_bucket(Bucket=bucket)
    except ClientError as error:
        if error_code(error) in {"404", "NoSuchBucket"}:
            remedy = f"aws s3 mb s3://{bucket}; or name another: export BYOI_BUCKET=NAME"
            return Finding(f"{what} does not exist", False, remedy)
        return not_known(what, error)
    except BotoCoreError as error:
        return not_known(what, error)
    region = answer.get("BucketRegion", account.region)
    if region != account.region:
        return Finding(
            f"{what} is in {region}, and the endpoint will be in {account.region}",
            False,
            f"export AWS_DEFAULT_REGION={region}; or use a bucket of {account.region}",
        )
    return Finding(what, True)


def _check_archive(account: Account, uri: S3Uri) -> Finding:
    what = f"model data {uri}"
    if not uri.key.endswith(_SUFFIX):
        remedy = (
            "make one: byoi pack DIR model.tar.gz, and upload that; or end the URI of a prefix, "
            "whose objects are the files of the model, with /"
        )
        return Finding(f"{what} is not a {_SUFFIX}", False, remedy)
    try:
        answer = account.client("s3").head_object(Bucket=uri.bucket, Key=uri.key)
    except ClientError as error:
        if error_code(error) in {"404", "NoSuchKey"}:
            return Finding(f"{what} does not exist", False, f"aws s3 cp model.tar.gz {uri}")
        return not_known(what, error)
    except BotoCoreError as error:
        return not_known(what, error)
    size_bytes = answer["ContentLength"]
    if not size_bytes:
        remedy = f"upload it again: aws s3 cp model.tar.gz {uri}"
        return Finding(f"{what} is empty", False, remedy)
    return Finding(f"{what}, {size_bytes:,} bytes", True)


def _check_files(account: Account, uri: S3Uri) -> Finding:
    what = f"model data {uri}"
    try:
        found = list(model_folder.stored(account.client("s3"), uri))
    except (ClientError, BotoCoreError) as error:
        return not_known(what, error)
    if not found:
        return Finding(f"{what} has no objects", False, f"aws s3 cp --recursive DIR {uri}")
    if problem := problem_of_files([one.name for one in found]):
        remedy = "delete the object, or upload it under another key"
        if any(one.name.endswith("/") or not one.name for one in found):
            remedy += "; a key that ends in / is what the S3 console makes of a folder"
        return Finding(f"{what}: {problem}", False, remedy)
    size_bytes = sum(one.size_bytes for one in found)
    return Finding(f"{what}, {len(found)} files, {size_bytes:,} bytes", True)
