"""From what a user names to a plan: digests, the place of the model data, the role."""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path

from byoi_lib.deployment import image_digest, model_object
from byoi_lib.deployment.account import Account, aws_errors
from byoi_lib.deployment.plan import Plan
from byoi_lib.deployment.role import check as check_role


@aws_errors("it cannot be planned")
def make(  # noqa: PLR0913 - keywords with a default
    account: Account,
    endpoint_name: str,
    image_uri: str,
    model_data: Path | str | None,
    *,
    role_arn: str | None = None,
    instance_type: str = "ml.m5.large",
    instance_count: int = 1,
    environment: Mapping[str, str] | None = None,
    startup_timeout_s: int | None = None,
    expires: dt.datetime | None = None,
) -> Plan:
    """Return a plan; nothing is made or uploaded yet.

    Args:
        account: Where it is to be deployed.
        endpoint_name: Chosen by the user.
        image_uri: Image with tag or digest.
        model_data: An archive of this machine, an s3:// URI, or None.
        role_arn: Of the execution role; by default `account.role_arn()`.
        instance_type: A hosting type.
        instance_count: How many of them.
        environment: Variables of the container.
        startup_timeout_s: As `Plan`'s.
        expires: As `Plan`'s.

    Raises:
        ConfigurationError: Something cannot be used, or is missing.
        ModelDataError: There is no such archive.
        HostingError: AWS refused a call.
    """
    url, digest = None, ""
    if isinstance(model_data, str) and model_data.startswith("s3://"):
        url, digest = model_data, model_object.find_digest(account.client("s3"), model_data)
    elif model_data is not None:
        url, digest = model_object.place(account.bucket(), Path(model_data))
    return Plan(
        endpoint_name,
        image_uri,
        url,
        check_role(role_arn, "--role") if role_arn else account.role_arn(),
        instance_type=instance_type,
        instance_count=instance_count,
        environment=environment or {},
        startup_timeout_s=startup_timeout_s,
        expires=expires,
        image_digest=image_digest.find(image_uri, account.client("ecr"), account.environ),
        model_digest=digest,
    )


@aws_errors("the model data were not uploaded")
def upload(account: Account, plan: Plan, model_data: Path | str | None) -> bool:
    """Put an archive of this machine where the plan expects it; False where it is there.

    Raises:
        HostingError: AWS refused it.
    """
    if plan.model_data_url is None or model_data is None or str(model_data).startswith("s3://"):
        return False
    return model_object.upload(account.client("s3"), plan.model_data_url, Path(model_data))
