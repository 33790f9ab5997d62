"""What can be told of a VPC and a key before SageMaker uses them."""

import pytest
from stubbed_account import REGION, ROLE, StubbedAccount, make_plan

from byoi.deployment import placement_check
from byoi.deployment.placement import Placement

SUBNETS = ["subnet-00000001", "subnet-00000002"]
GROUPS = ["sg-00000001"]
KEY = "1234abcd-12ab-34cd-56ef-1234567890ab"
KEY_ARN = f"arn:aws:kms:{REGION}:123456789012:key/{KEY}"


@pytest.fixture(scope="module")
def account():
    """One for all: the model of EC2 takes a second to load."""
    return StubbedAccount()


def of_vpc(account):
    plan = make_plan(placement=Placement(subnets=SUBNETS, security_groups=GROUPS))
    (finding,) = placement_check.check(account, plan)
    return finding


def vpc(account, *, vpcs=("vpc-1", "vpc-1"), zones=("a", "b"), owner="vpc-1"):
    found = [
        {"SubnetId": name, "VpcId": one, "AvailabilityZone": zone}
        for name, one, zone in zip(SUBNETS, vpcs, zones, strict=True)
    ]
    account.answer("ec2", "describe_subnets", {"Subnets": found}, SubnetIds=SUBNETS)
    groups = {"SecurityGroups": [{"GroupId": GROUPS[0], "VpcId": owner}]}
    account.answer("ec2", "describe_security_groups", groups, GroupIds=GROUPS)
    return of_vpc(account)


def of_key(account, key=KEY):
    (finding,) = placement_check.check(account, plan_with(key))
    return finding


def plan_with(key):
    return make_plan(placement=Placement(kms_key=key))


def test_without_either_nothing_is_asked(account) -> None:
    assert list(placement_check.check(account, make_plan())) == []


def test_a_vpc_in_two_zones_is_as_it_must_be(account) -> None:
    finding = vpc(account)
    assert finding.is_ok is True
    assert finding.what.endswith("vpc-1, in a, b")


@pytest.mark.parametrize(
    ("changes", "is_ok", "said"),
    [
        ({"vpcs": ("vpc-1", "vpc-2")}, False, "of 2 VPCs, vpc-1, vpc-2"),
        ({"owner": "vpc-9"}, False, "of 2 VPCs, vpc-1, vpc-9"),
        ({"zones": ("a", "a")}, None, "all subnets are in a"),
    ],
)
def test_a_vpc_that_does_not_fit_is_named(account, changes, is_ok, said) -> None:
    finding = vpc(account, **changes)
    assert finding.is_ok is is_ok
    assert said in finding.what
    assert finding.remedy


@pytest.mark.parametrize(
    ("code", "is_ok", "remedy"),
    [
        ("InvalidSubnetID.NotFound", False, "describe-subnets"),
        ("UnauthorizedOperation", None, "DescribeSubnets was refused"),
    ],
)
def test_a_subnet_that_is_not_shown(account, code, is_ok, remedy) -> None:
    account.refuse("ec2", "describe_subnets", code)
    finding = of_vpc(account)
    assert finding.is_ok is is_ok
    assert remedy in finding.remedy


def answer_key(account, name, state):
    answer = {"KeyMetadata": {"KeyId": KEY, "KeyState": state, "Arn": KEY_ARN}}
    account.answer("kms", "describe_key", answer, KeyId=name)


def test_a_key_has_to_be_enabled(account) -> None:
    answer_key(account, KEY, "PendingDeletion")
    finding = of_key(account)
    assert finding.is_ok is False
    assert "it is PendingDeletion" in finding.what


@pytest.mark.parametrize(("decision", "is_ok"), [("allowed", True), ("implicitDeny", None)])
def test_the_role_has_to_use_the_key_of_an_alias(account, decision, is_ok) -> None:
    answer_key(account, "alias/mine", "Enabled")
    actions = ["kms:CreateGrant", "kms:Decrypt"]
    account.answer(
        "iam",
        "simulate_principal_policy",
        {
            "EvaluationResults": [
                {"EvalActionName": name, "EvalDecision": decision} for name in actions
            ]
        },
        PolicySourceArn=ROLE,
        ActionNames=actions,
        ResourceArns=[KEY_ARN],
    )
    enabled, rights = placement_check.check(account, plan_with("alias/mine"))
    assert enabled.is_ok is True
    assert rights.is_ok is is_ok
    # Whether the key's policy allows it, IAM does not tell.
    assert (f"KeyArn={KEY_ARN}" in rights.remedy) is (is_ok is None)


@pytest.mark.parametrize(
    ("code", "is_ok"), [("NotFoundException", False), ("AccessDeniedException", None)]
)
def test_a_key_that_is_not_shown(account, code, is_ok) -> None:
    account.refuse("kms", "describe_key", code)
    finding = of_key(account)
    assert finding.is_ok is is_ok
    assert finding.remedy


def test_a_key_of_another_region_is_not_asked_for(account) -> None:
    finding = of_key(account, f"arn:aws:kms:us-west-2:123456789012:key/{KEY}")
    assert finding.is_ok is False
    assert f"is in us-west-2, and the endpoint will be in {REGION}" in finding.what
