"""Check whether the VPC and the key that a plan names are there, and can be used together.

Sources: API DescribeSubnets, DescribeSecurityGroups, DescribeKey; DG host-vpc.html ("at least two
subnets in different availability zones, even if you have only one hosting instance"); API
CreateEndpointConfig, KmsKeyId (the key's policy must let the execution role use it); DG
sagemaker-roles.html (kms:Decrypt for input that is encrypted, kms:CreateGrant for volumes).
"""

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from byoi.deployment import role_check
from byoi.deployment.account import Account, error_code
from byoi.deployment.finding import Finding, not_known
from byoi.deployment.plan import Plan
from byoi.names import Arn

_ZONES = 2
# To read what is uploaded, and to attach the volume.
_USE = ("kms:CreateGrant", "kms:Decrypt")


def check(account: Account, plan: Plan) -> Iterator[Finding]:
    """Yield what is found of the VPC and of the key; nothing where a plan names none."""
    if plan.placement.subnets:
        yield _check_vpc(account, plan)
    if plan.placement.kms_key is not None:
        yield from _check_key(account, plan, plan.placement.kms_key)


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


def _check_key(account: Account, plan: Plan, key: str) -> Iterator[Finding]:
    what = f"key {key}"
    region = key.split(":")[3] if key.startswith("arn:") else account.region
    if region != account.region:
        yield Finding(
            f"{what} is in {region}, and the endpoint will be in {account.region}",
            False,
            f"name a key of {account.region}: aws kms list-aliases",
        )
        return
    try:
        found: dict[str, Any] = account.client("kms").describe_key(KeyId=key)["KeyMetadata"]
    except (ClientError, BotoCoreError) as error:
        if isinstance(error, ClientError) and error_code(error) == "NotFoundException":
            yield Finding(
                f"{what} does not exist in {account.region}", False, "aws kms list-aliases"
            )
        else:
            yield not_known(what, error)
        return
    if found.get("KeyState") != "Enabled":
        yield Finding(
            f"{what} cannot be used: it is {found.get('KeyState')}",
            False,
            f"aws kms enable-key --key-id {found['KeyId']}; or name another",
        )
        return
    yield Finding(f"{what} is enabled", True)
    yield _check_rights(account, plan.role_arn, found["Arn"])


def _check_rights(account: Account, role_arn: str, key_arn: str) -> Finding:
    """Return whether the role's policies let it use a key; the key's own may, too."""
    what = f"{Arn.parse(role_arn).role_name} may use the key"
    try:
        missing = role_check.denied(account, role_arn, [role_check.Need(_USE, key_arn)])
    except (ClientError, BotoCoreError) as error:
        return not_known(what, error)
    if missing:
        return Finding(
            f"{what}: its own policies do not allow {', '.join(missing)}",
            None,
            f"unless the key's policy does: infra/execution_role.yaml with KeyArn={key_arn}",
        )
    return Finding(what, True)
