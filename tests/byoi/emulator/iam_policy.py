"""The project's own policy for deployers, evaluated as IAM would."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from byoi import policy

ACCOUNT = "123456789012"


def statements(file: Path) -> list[Mapping[str, Any]]:
    """The statements of a policy, which only allow, and name each action."""
    found = policy.statements(file.read_text(encoding="utf-8"))
    assert all(one["Effect"] == "Allow" for one in found)
    assert all("*" not in action for action in actions(found))
    return found


def actions(found: Iterable[Mapping[str, Any]]) -> list[str]:
    """All actions that are allowed on something."""
    return [action for one in found for action in policy.listed(one["Action"])]


def allows(
    found: Iterable[Mapping[str, Any]], action: str, resource: str, context: Mapping[str, str]
) -> bool:
    """Whether an action is allowed on a resource.

    Args:
        found: The policy's statements.
        action: Such as `s3:GetObject`.
        resource: Its ARN, or `*` where the action has no resource.
        context: Condition keys and their values.
    """
    known = {**context, "aws:PrincipalAccount": ACCOUNT}
    request = policy.Request(action, resource, context=known, is_complete=True)
    evaluation = policy.evaluate([{"Statement": list(found)}], request)
    assert not evaluation.undecided
    return evaluation.is_allowed
