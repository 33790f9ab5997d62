import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, NoCredentialsError, ReadTimeoutError

from byoi import errors
from byoi.deployment import account

SESSION = boto3.Session(
    aws_access_key_id="x", aws_secret_access_key="y", region_name="eu-central-1"
)


def made(environ: Mapping[str, str]) -> account.Account:
    return account.Account(SESSION, environ=environ, endpoint_url="http://127.0.0.1:9")


def connected(tmp_path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """`connect` in a process that finds nothing but `variables`."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environ |= {"HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true", **variables}
    code = (
        "from byoi import deployment, errors\n"
        "try: print(deployment.connect().region)\n"
        "except errors.ByoiError as error: print(type(error).__name__, error)"
    )
    return subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True
    )


def test_an_invocation_is_waited_for_longer_than_the_platform_does_and_sent_once() -> None:
    config = made({}).runtime.meta.config
    assert config.read_timeout == 70
    assert config.retries["total_max_attempts"] == 1


def test_other_calls_are_repeated_where_aws_says_so() -> None:
    config = made({}).sagemaker.meta.config
    assert config.retries == {"mode": "standard", "total_max_attempts": 4}
    assert config.connect_timeout < 10


def test_a_client_is_made_once_and_may_be_given() -> None:
    one = made({})
    assert one.client("s3") is one.client("s3")
    assert one.client("pricing", region="us-east-1").meta.region_name == "us-east-1"
    assert one.client("logs").meta.region_name == one.region == "eu-central-1"
    given = object()
    assert account.Account(SESSION, clients={"s3": given}).client("s3") is given


def test_the_bucket_is_the_variable() -> None:
    assert made({"BYOI_BUCKET": "mine"}).bucket() == "mine"


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({}, "aws s3 mb"),
        ({"BYOI_BUCKET": " "}, "aws s3 mb"),
        ({"BYOI_BUCKET": "s3://mine"}, "bare name"),
        ({"BYOI_BUCKET": "mine/folder"}, "bare name"),
    ],
)
def test_a_missing_bucket_comes_with_the_way_to_one(environ: dict[str, str], said: str) -> None:
    with pytest.raises(errors.ConfigurationError, match=said):
        made(environ).bucket()


KEYS = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        (KEYS, "ConfigurationError no AWS region is set"),
        ({"AWS_DEFAULT_REGION": "us-east-1"}, "ConfigurationError no AWS credentials were found"),
        ({"AWS_PROFILE": "nobody"}, "ConfigurationError AWS cannot be used: .*nobody"),
        (KEYS | {"AWS_REGION": "eu-west-1"}, "eu-west-1"),
        (KEYS | {"AWS_DEFAULT_REGION": "us-east-1", "AWS_REGION": "eu-west-1"}, "us-east-1"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, variables: dict[str, str], said: str) -> None:
    shown = connected(tmp_path, **variables).stdout
    assert re.match(said, shown), shown


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (
            ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "Do"),
            errors.HostingError,
            "deployer_policy",
        ),
        (
            ClientError({"Error": {"Code": "ResourceLimitExceeded", "Message": "no"}}, "Do"),
            errors.HostingError,
            "Service Quotas",
        ),
        (
            ClientError({"Error": {"Code": "Other", "Message": "because"}}, "Do"),
            errors.HostingError,
            "doing: .*because$",
        ),
        (ReadTimeoutError(endpoint_url="x"), errors.HostingError, "did not answer: .*network"),
        (NoCredentialsError(), errors.ConfigurationError, "AWS_PROFILE"),
    ],
)
def test_what_aws_refuses_is_one_line_with_a_remedy(
    error: Exception, kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=said) as caught, account.aws_errors("doing"):
        raise error
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is error


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
