"""What can be told of a role before SageMaker tries to assume it."""

import datetime as dt
import json

import pytest
from stubbed_account import NUMBER, REGION, ROLE, StubbedAccount, make_plan

from byoi.deployment import account, role_check
from byoi.deployment.account import EXECUTION_ROLE_COMMAND
from byoi.deployment.placement import Placement

DATA = "s3://byoi-data/byoi/model.tar.gz"
PULL = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
LOG = ("logs:CreateLogStream", "logs:PutLogEvents")
RIGHTS = (
    (("s3:GetObject",), "arn:aws:s3:::byoi-data/byoi/model.tar.gz"),
    (PULL, f"arn:aws:ecr:{REGION}:{NUMBER}:repository/byoi"),
    (("ecr:GetAuthorizationToken",), "*"),
    (
        LOG,
        f"arn:aws:logs:{REGION}:{NUMBER}:log-group:/aws/sagemaker/Endpoints/reviews:log-stream:any",
    ),
)


CONNECT = (
    "ec2:CreateNetworkInterface",
    "ec2:CreateNetworkInterfacePermission",
    "ec2:DeleteNetworkInterface",
    "ec2:DeleteNetworkInterfacePermission",
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
)
PREFIX = {
    "ContextEntries": [
        {
            "ContextKeyName": "s3:prefix",
            "ContextKeyValues": ["files/"],
            "ContextKeyType": "string",
        }
    ]
}


def statement(**changes):
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "sagemaker.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    return {**trust, **changes}


def look(account, *statements, arn=ROLE, decisions=(), **plan):
    """Return the findings for a role with this trust policy, and these rights."""
    trust = {"Version": "2012-10-17", "Statement": list(statements)}
    found = {
        "Path": "/",
        "RoleName": "byoi-role",
        "RoleId": "AROAAAAAAAAAAAAAAAAAA",
        "Arn": arn,
        "CreateDate": dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        "AssumeRolePolicyDocument": json.dumps(trust),
    }
    account.answer("iam", "get_role", {"Role": found}, RoleName="byoi-role")
    for actions, resource, decision, *context in decisions:
        results = [{"EvalActionName": name, "EvalDecision": decision} for name in actions]
        account.answer(
            "iam",
            "simulate_principal_policy",
            {"EvaluationResults": results},
            PolicySourceArn=ROLE,
            ActionNames=list(actions),
            ResourceArns=[resource],
            **(context[0] if context else {}),
        )
    if not decisions:
        account.refuse("iam", "simulate_principal_policy", "AccessDenied")
    return list(role_check.check(account, make_plan(**plan)))


def condition(operator, key, value):
    return {"Condition": {operator: {key: value}}}


@pytest.mark.parametrize(
    ("trust", "is_ok"),
    [
        (statement(), True),
        (statement(Principal={"Service": ["ec2.amazonaws.com", "sagemaker.amazonaws.com"]}), True),
        (statement(Action=["sts:AssumeRole", "sts:TagSession"]), True),
        (statement(Action="sts:*"), True),
        (statement(**condition("StringEquals", "aws:SourceAccount", NUMBER)), True),
        (
            statement(
                **condition("ArnLike", "aws:SourceArn", f"arn:aws:sagemaker:{REGION}:{NUMBER}:*")
            ),
            True,
        ),
        (statement(Effect="Deny"), False),
        (statement(Principal={"Service": "lambda.amazonaws.com"}), False),
        (statement(Principal={"AWS": f"arn:aws:iam::{NUMBER}:root"}), False),
        (statement(Action="sts:TagSession"), False),
        (statement(**condition("StringEquals", "aws:SourceAccount", "999999999999")), False),
        (
            statement(
                **condition("ArnLike", "aws:SourceArn", f"arn:aws:sagemaker:us-west-2:{NUMBER}:*")
            ),
            False,
        ),
        (statement(**condition("StringEquals", "sts:ExternalId", "any")), None),
        (statement(**condition("StringNotEquals", "aws:SourceAccount", NUMBER)), None),
    ],
)
def test_the_trust_policy_decides(trust, is_ok) -> None:
    finding = look(StubbedAccount(), trust)[1]
    assert finding.is_ok is is_ok
    assert bool(finding.remedy) is (is_ok is not True)


def test_a_role_that_is_not_there_comes_with_the_command_that_makes_one() -> None:
    account = StubbedAccount()
    account.refuse("iam", "get_role", "NoSuchEntity", 404)
    (finding,) = role_check.check(account, make_plan())
    assert (finding.is_ok, finding.remedy) == (False, EXECUTION_ROLE_COMMAND)


def test_a_role_of_another_account_or_path_is_none() -> None:
    findings = look(StubbedAccount(), statement(), arn=f"arn:aws:iam::{NUMBER}:role/path/byoi-role")
    assert [(one.is_ok, one.remedy) for one in findings] == [
        (False, f"export BYOI_ROLE_ARN=arn:aws:iam::{NUMBER}:role/path/byoi-role")
    ]


@pytest.mark.parametrize("call", ["get_role", "simulate_principal_policy"])
def test_what_iam_does_not_show_is_told_as_that(call) -> None:
    account = StubbedAccount()
    if call == "get_role":
        account.refuse("iam", "get_role", "AccessDenied")
        findings = list(role_check.check(account, make_plan()))
    else:
        findings = look(account, statement())
    name = {"get_role": "GetRole"}.get(call, "SimulatePrincipalPolicy")
    assert findings[-1].is_ok is None
    assert findings[-1].remedy == f"{name} was refused (AccessDenied: no)"


@pytest.mark.parametrize("denied", [None, 0, 1, 2, 3])
def test_iam_is_asked_for_all_that_the_endpoint_needs(denied) -> None:
    decisions = [
        (*right, "implicitDeny" if number == denied else "allowed")
        for number, right in enumerate(RIGHTS)
    ]
    finding = look(StubbedAccount(), statement(), decisions=decisions, model_data_url=DATA)[2]
    assert finding.is_ok is (denied is None)
    if denied is not None:
        actions, resource = RIGHTS[denied]
        assert f"it may not {actions[0]} on {resource}" in finding.what
        assert account.EXECUTION_ROLE_COMMAND in finding.remedy


@pytest.mark.parametrize("denied", [None, "s3:ListBucket", "ec2:CreateNetworkInterface"])
def test_files_and_a_vpc_need_more(denied) -> None:
    rights = [
        (("s3:GetObject",), "arn:aws:s3:::byoi-data/files/any", {}),
        (("s3:ListBucket",), "arn:aws:s3:::byoi-data", PREFIX),
        *((*right, {}) for right in RIGHTS[1:]),
        (CONNECT, "*", {}),
    ]
    decisions = [
        (actions, resource, "implicitDeny" if actions[0] == denied else "allowed", context)
        for actions, resource, context in rights
    ]
    vpc = Placement(subnets=["subnet-01234567"], security_groups=["sg-01234567"])
    wanted = {"model_data_url": "s3://byoi-data/files/", "placement": vpc}
    finding = look(StubbedAccount(), statement(), decisions=decisions, **wanted)[2]
    assert finding.is_ok is (denied is None)
    assert "connect to the VPC" in finding.what
    assert (denied or "byoi-role") in finding.what
