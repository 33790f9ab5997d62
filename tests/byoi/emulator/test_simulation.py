"""SimulatePrincipalPolicy: decisions of real policies, asked by boto3."""

import json

import pytest
from botocore.exceptions import ClientError
from emulated_aws import trust

OBJECT = "arn:aws:s3:::films/model.tar.gz"
OTHER = "arn:aws:s3:::other/model.tar.gz"


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def statement(effect="Allow", action="s3:GetObject", resource="arn:aws:s3:::films/*", **more):
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


@pytest.fixture
def iam(in_processes):
    return in_processes.client("iam")


@pytest.fixture
def role(iam):
    made = iam.create_role(
        RoleName="simulated",
        AssumeRolePolicyDocument=json.dumps(trust("sagemaker.amazonaws.com")),
    )
    yield made["Role"]["Arn"]
    for name in iam.list_role_policies(RoleName="simulated")["PolicyNames"]:
        iam.delete_role_policy(RoleName="simulated", PolicyName=name)
    iam.delete_role(RoleName="simulated")


@pytest.fixture
def managed(iam):
    """Make managed policies; the call returns an ARN."""
    made = []

    def make(name, *statements):
        policy = iam.create_policy(PolicyName=name, PolicyDocument=document(*statements))
        made.append(policy["Policy"]["Arn"])
        return made[-1]

    yield make
    for arn in made:
        iam.delete_policy(PolicyArn=arn)


def allow(iam, *statements, name="inline"):
    iam.put_role_policy(RoleName="simulated", PolicyName=name, PolicyDocument=document(*statements))


def simulate(iam, source, actions=("s3:GetObject",), resources=(OBJECT,), **more):
    if resources:
        more["ResourceArns"] = list(resources)
    return iam.simulate_principal_policy(PolicySourceArn=source, ActionNames=list(actions), **more)


def decide(*arguments, **more):
    (result,) = simulate(*arguments, **more)["EvaluationResults"]
    return result


def test_a_role_may_what_its_policies_allow(iam, role) -> None:
    assert decide(iam, role)["EvalDecision"] == "implicitDeny"
    allow(iam, statement())
    found = decide(iam, role, resources=(OBJECT, OTHER))
    # The most restrictive of all resources.
    assert (found["EvalDecision"], found["MatchedStatements"]) == ("implicitDeny", [])
    each = {one["EvalResourceName"]: one for one in found["ResourceSpecificResults"]}
    assert each[OBJECT]["EvalResourceDecision"] == "allowed"
    assert each[OBJECT]["MatchedStatements"] == [{"SourcePolicyId": "inline"}]
    assert each[OTHER]["EvalResourceDecision"] == "implicitDeny"
    allow(iam, statement("Deny", "s3:*", OTHER), name="never")
    found = decide(iam, role, resources=(OBJECT, OTHER))
    assert found["EvalDecision"] == "explicitDeny"
    assert found["MatchedStatements"] == [{"SourcePolicyId": "never"}]


def test_without_resources_all_are_meant(iam, role) -> None:
    allow(iam, statement(), statement(action="ecr:GetAuthorizationToken", resource="*"))
    answer = simulate(iam, role, ("s3:GetObject", "ecr:GetAuthorizationToken"), ())
    found = {one["EvalActionName"]: one for one in answer["EvaluationResults"]}
    assert found["s3:GetObject"]["EvalDecision"] == "implicitDeny"
    assert found["ecr:GetAuthorizationToken"]["EvalDecision"] == "allowed"
    assert {one["EvalResourceName"] for one in found.values()} == {"*"}
    assert "ResourceSpecificResults" not in found["s3:GetObject"]


def test_a_boundary_limits_and_another_can_be_tried(iam, role, managed) -> None:
    allow(iam, statement())
    arn = managed("limit", statement(action="logs:*", resource="*"))
    iam.put_role_permissions_boundary(RoleName="simulated", PermissionsBoundary=arn)
    found = decide(iam, role)
    assert found["EvalDecision"] == "implicitDeny"
    assert found["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": False}
    wide = document(statement(action="*", resource="*"))
    found = decide(iam, role, PermissionsBoundaryPolicyInputList=[wide])
    assert found["EvalDecision"] == "allowed"
    assert found["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": True}
    never = document(statement("Deny", "*", "*"))
    found = decide(iam, role, PermissionsBoundaryPolicyInputList=[never])
    assert found["EvalDecision"] == "explicitDeny"
    with pytest.raises(ClientError, match="Only one permissions boundary"):
        decide(iam, role, PermissionsBoundaryPolicyInputList=[wide, never])
    iam.delete_role_permissions_boundary(RoleName="simulated")


def test_a_user_has_the_policies_of_its_groups(iam, managed) -> None:
    user = iam.create_user(UserName="simulated")["User"]["Arn"]
    group = iam.create_group(GroupName="simulated")["Group"]["Arn"]
    arn = managed("readers", statement())
    iam.attach_group_policy(GroupName="simulated", PolicyArn=arn)
    assert decide(iam, group)["EvalDecision"] == "allowed"
    assert decide(iam, user)["EvalDecision"] == "implicitDeny"
    iam.add_user_to_group(GroupName="simulated", UserName="simulated")
    assert decide(iam, user)["MatchedStatements"] == [{"SourcePolicyId": "readers"}]
    never = document(statement("Deny", "*", "*"))
    found = decide(iam, user, PolicyInputList=[never])
    assert found["MatchedStatements"] == [{"SourcePolicyId": "PolicyInputList.1"}]
    iam.remove_user_from_group(GroupName="simulated", UserName="simulated")
    iam.detach_group_policy(GroupName="simulated", PolicyArn=arn)
    iam.delete_group(GroupName="simulated")
    iam.delete_user(UserName="simulated")


def test_conditions_are_decided_by_the_context_and_missing_keys_are_named(iam, role) -> None:
    condition = {"StringEquals": {"aws:RequestedRegion": "us-east-1"}}
    allow(iam, statement(Condition=condition))
    found = decide(iam, role)
    assert found["EvalDecision"] == "implicitDeny"
    assert found["MissingContextValues"] == ["aws:RequestedRegion"]
    assert decide(iam, role, resources=(OTHER,))["MissingContextValues"] == []

    def entry(*values):
        return {
            "ContextKeyName": "aws:RequestedRegion",
            "ContextKeyValues": list(values),
            "ContextKeyType": "string",
        }

    found = decide(iam, role, ContextEntries=[entry("us-east-1")])
    assert (found["EvalDecision"], found["MissingContextValues"]) == ("allowed", [])
    found = decide(iam, role, ContextEntries=[entry("eu-west-1")])
    assert found["EvalDecision"] == "implicitDeny"
    with pytest.raises(ClientError, match=r"NotEmulated.*several values of the context key"):
        decide(iam, role, ContextEntries=[entry("us-east-1", "eu-west-1")])


def test_results_come_in_pages(iam, role) -> None:
    allow(iam, statement(action="s3:*"))
    names = [f"s3:Get{number}" for number in range(7)]
    pages = iam.get_paginator("simulate_principal_policy").paginate(
        PolicySourceArn=role,
        ActionNames=names,
        ResourceArns=[OBJECT],
        PaginationConfig={"PageSize": 3},
    )
    found = [[one["EvalActionName"] for one in page["EvaluationResults"]] for page in pages]
    assert found == [names[:3], names[3:6], names[6:]]
    with pytest.raises(ClientError, match="Invalid Marker"):
        simulate(iam, role, Marker="elsewhere")


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"ResourcePolicy": document(statement())}, "ResourcePolicy"),
        ({"ResourceOwner": "arn:aws:iam::123456789012:root"}, "ResourceOwner"),
        ({"CallerArn": "arn:aws:iam::123456789012:user/other"}, "CallerArn"),
        ({"ResourceHandlingOption": "EC2-VPC-EBS"}, "ResourceHandlingOption"),
        ({"actions": ("s3:Get*",)}, "the action s3:Get"),
    ],
)
def test_what_would_change_the_decision_is_refused_by_name(iam, role, more, named) -> None:
    with pytest.raises(ClientError, match="NotEmulated") as caught:
        simulate(iam, role, **more)
    assert named in str(caught.value)


def test_a_condition_that_cannot_be_evaluated_is_refused_by_name(iam, role) -> None:
    allow(iam, statement(Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}))
    with pytest.raises(ClientError, match=r"NotEmulated.*IpAddress"):
        simulate(iam, role)


@pytest.mark.parametrize(
    ("source", "code", "words"),
    [
        ("arn:aws:iam::123456789012:role/absent", "NoSuchEntity", "role with name absent cannot"),
        ("arn:aws:iam::123456789012:user/absent", "NoSuchEntity", "user with name absent cannot"),
        ("arn:aws:iam::999999999999:role/simulated", "NoSuchEntity", "cannot be found"),
        ("arn:aws:iam::123456789012:root", "InvalidInput", "does not clearly define entity type"),
        ("arn:aws:sts::123456789012:assumed-role/a/b", "InvalidInput", "Invalid Entity Arn"),
    ],
)
def test_who_is_not_there_is_an_error_in_awss_form(iam, role, source, code, words) -> None:
    with pytest.raises(ClientError, match=words) as caught:
        simulate(iam, source)
    assert caught.value.response["Error"]["Code"] == code


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"resources": ("films",)}, "not in a valid ARN format: films"),
        ({"actions": ("GetObject",)}, "GetObject is not the name of an action"),
        ({"PolicyInputList": ["{"]}, "PolicyInputList.1 is not JSON"),
        ({"PolicyInputList": ["[]"]}, "PolicyInputList.1 is no policy"),
        ({"PolicyInputList": ['{"Statement": {"Effect": "Perhaps"}}']}, "is no policy"),
        ({"ContextEntries": [{"ContextKeyName": "aws:a"}]}, "need a name and a value"),
    ],
)
def test_what_the_api_does_not_take_is_an_invalid_input(iam, role, more, words) -> None:
    with pytest.raises(ClientError, match=words) as caught:
        simulate(iam, role, **more)
    assert caught.value.response["Error"]["Code"] == "InvalidInput"
