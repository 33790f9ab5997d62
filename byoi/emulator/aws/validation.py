"""What SageMaker asks of a call beside its model's constraints.

Sources: API CreateModel, CreateEndpointConfig; the wording about the role is that of AWS's
answer quoted in a public issue (awslabs/predictive-maintenance-using-machine-learning 3).
"""

from collections.abc import Mapping
from typing import Any

from moto.sagemaker.exceptions import ValidationError

from byoi.emulator.aws import iam

SERVICE = "sagemaker.amazonaws.com"


def require_role(asked: Mapping[str, Any]) -> None:
    """Check that SageMaker may assume the execution role of a model.

    A role that is not there is let pass: it may be one of the user's account, which is not on
    this machine.

    Raises:
        ValidationError: The role is there, and does not trust SageMaker.
    """
    arn = str(asked.get("ExecutionRoleArn", ""))
    role = iam.find_role(arn)
    # A condition, such as on the account that SageMaker acts for, is taken as met.
    if role is not None and not iam.is_trusting(role, SERVICE):
        raise ValidationError(
            f"Could not assume role {arn}. Please ensure that the role exists and allows "
            f"principal '{SERVICE}' to assume the role."
        )


def require_variants(asked: Mapping[str, Any]) -> None:
    """Check that the variants of an endpoint configuration can be told apart.

    Raises:
        ValidationError: Two have one name; AWS says so in other words.
    """
    names = [variant.get("VariantName") for variant in asked.get("ProductionVariants", ())]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValidationError(f"Two production variants have the name {twice[0]}.")
