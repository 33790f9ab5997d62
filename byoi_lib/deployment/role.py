"""The execution role: what SageMaker acts as when it pulls the image and reads model data."""

import re
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from byoi_lib import errors

# Made from infra/execution_role.yaml, whose output has this name.
STACK = "byoi-execution-role"
OUTPUT = "RoleArn"
COMMAND = (
    f"aws cloudformation create-stack --stack-name {STACK} "
    "--template-body file://infra/execution_role.yaml --capabilities CAPABILITY_IAM "
    "--parameters ParameterKey=Bucket,ParameterValue=$BYOI_BUCKET"
)
_ARN = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/.+")


def find(environ: Mapping[str, str], cloudformation: Any) -> str:
    """Return the role's ARN: BYOI_ROLE_ARN, else the output of the stack that makes one.

    Args:
        environ: Where BYOI_ROLE_ARN is read.
        cloudformation: boto3's client of that name.

    Raises:
        ConfigurationError: There is neither, or BYOI_ROLE_ARN is no role's ARN.
        ClientError: AWS refused the look at the stack for another reason than its absence.
    """
    given = environ.get("BYOI_ROLE_ARN", "").strip()
    if given:
        return check(given, "BYOI_ROLE_ARN")
    try:
        stacks = cloudformation.describe_stacks(StackName=STACK)["Stacks"]
    except ClientError as error:
        # CloudFormation's word for a stack that is not there.
        if error.response["Error"]["Code"] != "ValidationError":
            raise
        stacks = []
    for stack in stacks:
        for output in stack.get("Outputs", ()):
            if output["OutputKey"] == OUTPUT:
                return str(output["OutputValue"])
    raise errors.ConfigurationError(
        f"no execution role: BYOI_ROLE_ARN is not set, and there is no stack {STACK} with an "
        f"output {OUTPUT} in this region. Make one:\n  {COMMAND}\n"
        "or name yours: export BYOI_ROLE_ARN=arn:aws:iam::ACCOUNT:role/NAME"
    )


def check(arn: str, where: str) -> str:
    """Return `arn` where it has the form of a role's.

    Args:
        arn: What was given.
        where: The variable or option it came from, for the error.

    Raises:
        ConfigurationError: It has not.
    """
    if not _ARN.fullmatch(arn):
        raise errors.ConfigurationError(
            f"{where}={arn!r}: expected a role's ARN such as arn:aws:iam::123456789012:role/NAME"
        )
    return arn
