from typing import Any

import pytest
from botocore.exceptions import ClientError

from byoi import errors
from byoi.deployment import account

ARN = "arn:aws:iam::123456789012:role/service/mine"


class CloudFormation:
    """What is asked of boto3's client."""

    def __init__(self, stacks: list[dict[str, Any]] | ClientError) -> None:
        self.stacks = stacks

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803 - boto3's
        assert StackName == "byoi-execution-role"
        if isinstance(self.stacks, ClientError):
            raise self.stacks
        return {"Stacks": self.stacks}


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "DescribeStacks")


ABSENT = CloudFormation(refusal("ValidationError"))


def test_the_variable_wins() -> None:
    assert account.find_role_arn({"BYOI_ROLE_ARN": ARN}, ABSENT) == ARN


def test_without_it_the_stack_says_it() -> None:
    outputs = [
        {"OutputKey": "Bucket", "OutputValue": "x"},
        {"OutputKey": "RoleArn", "OutputValue": ARN},
    ]
    assert account.find_role_arn({}, CloudFormation([{"Outputs": outputs}])) == ARN


@pytest.mark.parametrize("cloudformation", [ABSENT, CloudFormation([{}])])
def test_without_either_there_is_the_command_that_makes_one(cloudformation: Any) -> None:
    with pytest.raises(errors.ConfigurationError) as caught:
        account.find_role_arn({"BYOI_ROLE_ARN": ""}, cloudformation)
    command = next(line for line in str(caught.value).splitlines() if "aws cloudf" in line)
    assert "--stack-name byoi-execution-role" in command
    assert "infra/execution_role.yaml" in command


def test_a_refused_look_is_not_taken_for_a_missing_stack() -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        account.find_role_arn({}, CloudFormation(refusal("AccessDenied")))


@pytest.mark.parametrize(
    "arn", ["mine", "arn:aws:iam::1:role/x", "arn:aws:iam::123456789012:user/x"]
)
def test_what_is_no_roles_arn_is_refused(arn: str) -> None:
    with pytest.raises(errors.ConfigurationError, match="BYOI_ROLE_ARN="):
        account.find_role_arn({"BYOI_ROLE_ARN": arn}, ABSENT)


def test_the_other_partitions_have_roles_too() -> None:
    arn = "arn:aws-us-gov:iam::123456789012:role/mine"
    assert account.check_role_arn(arn, "--role") == arn
