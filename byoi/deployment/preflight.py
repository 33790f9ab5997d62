"""What would make a deployment fail, looked for before anything is made.

All of it is looked at, so that one run shows every failure, each with its remedy.

Whether the model data can be read where a plan says they are.

Sources: API HeadBucket and HeadObject; API ContainerDefinition, ModelDataUrl (one .tar.gz, in
the endpoint's region).
"""

from collections.abc import Iterable, Iterator

from botocore.exceptions import BotoCoreError, ClientError

from byoi import errors
from byoi.deployment import image_check, quota, role_check
from byoi.deployment.account import Account, error_code
from byoi.deployment.finding import Finding, untold
from byoi.deployment.plan import Plan

_SUFFIX = ".tar.gz"


def check_model_data(
    account: Account, plan: Plan, *, is_uploaded: bool = True
) -> Iterator[Finding]:
    """Yield whether the bucket is reachable and the archive in it.

    Args:
        account: Reads S3.
        plan: Names the archive; where it is baked into the image, there is nothing to find.
        is_uploaded: Whether it is there already; else only the bucket is looked at.
    """
    if plan.model_data_url is None:
        return
    bucket, _, key = plan.model_data_url.removeprefix("s3://").partition("/")
    found = _bucket(account, bucket)
    yield found
    if is_uploaded and found.is_ok is not False:
        yield _archive(account, bucket, key)


def _bucket(account: Account, bucket: str) -> Finding:
    what = f"bucket {bucket}"
    try:
        answer = account.client("s3").head_bucket(Bucket=bucket)
    except ClientError as error:
        if error_code(error) in {"404", "NoSuchBucket"}:
            remedy = f"aws s3 mb s3://{bucket}; or name another: export BYOI_BUCKET=NAME"
            return Finding(f"{what} does not exist", False, remedy)
        return untold(what, error)
    except BotoCoreError as error:
        return untold(what, error)
    region = answer.get("BucketRegion", account.region)
    if region != account.region:
        return Finding(
            f"{what} is in {region}, and the endpoint will be in {account.region}",
            False,
            f"export AWS_DEFAULT_REGION={region}; or use a bucket of {account.region}",
        )
    return Finding(what, True)


def _archive(account: Account, bucket: str, key: str) -> Finding:
    what = f"model data s3://{bucket}/{key}"
    if not key.endswith(_SUFFIX):
        remedy = "make one: byoi pack DIR model.tar.gz, and upload that"
        return Finding(f"{what} is no {_SUFFIX}", False, remedy)
    try:
        size_bytes = account.client("s3").head_object(Bucket=bucket, Key=key)["ContentLength"]
    except ClientError as error:
        if error_code(error) in {"404", "NoSuchKey"}:
            remedy = f"aws s3 cp model.tar.gz s3://{bucket}/{key}"
            return Finding(f"{what} does not exist", False, remedy)
        return untold(what, error)
    except BotoCoreError as error:
        return untold(what, error)
    if not size_bytes:
        remedy = f"upload it again: aws s3 cp model.tar.gz s3://{bucket}/{key}"
        return Finding(f"{what} is empty", False, remedy)
    return Finding(f"{what}, {size_bytes:,} bytes", True)


_MARKS = {True: "ok", False: "FAILED", None: "not known"}


def check(account: Account, plan: Plan, *, is_uploaded: bool = True) -> list[Finding]:
    """Return what was found; nothing is made, and nothing is raised for what is not as it must be.

    Args:
        account: Where the plan is to be deployed.
        plan: What is to be deployed.
        is_uploaded: Whether the model data are in S3 already; else only their bucket is
            looked at.
    """
    return [
        *role_check.check(account, plan),
        *check_model_data(account, plan, is_uploaded=is_uploaded),
        *image_check.check(account, plan),
        *quota.check(account, plan),
    ]


def require(findings: Iterable[Finding]) -> None:
    """Raise where a finding is a failure; what could not be told is none.

    Raises:
        ConfigurationError: Something would make the deployment fail; the message has all of it.
    """
    failures = [finding for finding in findings if finding.is_ok is False]
    if failures:
        lines = "\n".join(to_text(finding) for finding in failures)
        raise errors.ConfigurationError(f"nothing was made, because it would fail:\n{lines}")


def to_text(finding: Finding) -> str:
    """Return a finding as a line or two."""
    line = f"{_MARKS[finding.is_ok]}: {finding.what}"
    return f"{line}\n    {finding.remedy}" if finding.remedy else line
