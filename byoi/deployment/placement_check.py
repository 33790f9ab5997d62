"""Check whether the VPC and the key that a plan names are there, and can be used together.

Sources: API DescribeSubnets, DescribeSecurityGroups, DescribeKey; DG host-vpc.html ("at least two
subnets in different availability zones, even if you have only one hosting instance"); API
CreateEndpointConfig, KmsKeyId (the key's policy must let the execution role use it).
"""

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from byoi.deployment.account import Account, error_code
from byoi.deployment.finding import Finding, not_known
from byoi.deployment.plan import Plan

_ZONES = 2


def check(account: Account, plan: Plan) -> Iterator[Finding]:
    """Yield what is found of the VPC and of the key; nothing where a plan names none."""
    if plan.placement.subnets:
        yield _check_vpc(account, plan)
    if plan.placement.kms_key is not None:
        yield _check_key(account, plan.placement.kms_key)


def _check_vpc(account: Account, plan: Plan) -> Finding:
    subnets, groups = list(plan.placement.subnets), list(plan.placement.security_groups)
    what = f"VPC of {', '.join([*subnets, *groups])}"
    ec2 = account.client("ec2")
    try:
        found = ec2.describe_subnets(SubnetIds=subnets)["Subnets"]
        owners = ec2.describe_security_groups(GroupIds=groups)["SecurityGroups"]
    except (ClientError, BotoCoreError) as error:
        if isinstance(error, ClientError) and error_code(error).endswith(".NotFound"):
            reason = error.response["Error"].get("Message", "")
            return Finding(
                f"{what}: {reason}",
                False,
                f"aws ec2 describe-subnets, and describe-security-groups, list those of "
                f"{account.region}",
            )
        return not_known(what, error)
    vpcs = sorted({str(one["VpcId"]) for one in [*found, *owners]})
    if len(vpcs) > 1:
        return Finding(
            f"{what}: they are of {len(vpcs)} VPCs, {', '.join(vpcs)}",
            False,
            "name subnets and security groups of one VPC",
        )
    zones = sorted({str(one["AvailabilityZone"]) for one in found})
    if len(zones) < _ZONES:
        return Finding(
            f"{what}: all subnets are in {', '.join(zones)}",
            None,
            "SageMaker's guide asks for two subnets in different availability zones, even for "
            "one instance; add a --subnet of another zone",
        )
    return Finding(f"{what}: {', '.join(vpcs)}, in {', '.join(zones)}", True)


def _check_key(account: Account, key: str) -> Finding:
    what = f"key {key}"
    region = key.split(":")[3] if key.startswith("arn:") else account.region
    if region != account.region:
        return Finding(
            f"{what} is in {region}, and the endpoint will be in {account.region}",
            False,
            f"name a key of {account.region}: aws kms list-aliases",
        )
    try:
        found: dict[str, Any] = account.client("kms").describe_key(KeyId=key)["KeyMetadata"]
    except (ClientError, BotoCoreError) as error:
        if isinstance(error, ClientError) and error_code(error) == "NotFoundException":
            return Finding(
                f"{what} does not exist in {account.region}", False, "aws kms list-aliases"
            )
        return not_known(what, error)
    if found.get("KeyState") != "Enabled":
        return Finding(
            f"{what} cannot be used: it is {found.get('KeyState')}",
            False,
            f"aws kms enable-key --key-id {found['KeyId']}; or name another",
        )
    return Finding(
        f"{what} is enabled; whether its policy lets the execution role use it is not asked", True
    )
