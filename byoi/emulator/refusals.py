"""The refusal of what the emulator does not vouch for, and the message that says so.

moto answers many calls with something made up: a training job that is "Completed" and
has no output, a canned prediction. Nothing of that kind passes here.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from byoi.emulator import vouched

# The error's name; AWS has none like it. boto3 never sends a call again after this status.
CODE = "NotEmulated"
STATUS = 501

# As a caller knows it who has not met boto3's names.
_TITLES = {"apigateway": "API Gateway"}


def is_emulated(service: str, action: str) -> bool:
    """Whether a service, as boto3 names it, has an action that is vouched for."""
    return vouched.row(service, action) is not None


def find(
    service: str, action: str, parameters: Mapping[str, Any], unknown: Iterable[str] = ()
) -> str | None:
    """Return what a call asks for that is not emulated, None where all is.

    Args:
        service: As boto3 names it.
        action: Such as `CreateModel`; of CloudFormation's resources, the action behind them.
        parameters: The call's, or the resource's properties.
        unknown: Names of parameters that the service's model does not have.
    """
    if not is_emulated(service, action):
        return f"{action} of {_TITLES.get(service, service)}"
    named = vouched.refused(service, action, parameters)
    named += [name for name in unknown if name not in named]
    return f"{action} with {', '.join(dict.fromkeys(named))}" if named else None


def message(what: str) -> str:
    """Return the sentence that refuses `what`."""
    return (
        f"The emulator does not emulate {what}, and does not invent an answer. "
        "docs/emulator.md lists what it does; this call needs AWS."
    )
