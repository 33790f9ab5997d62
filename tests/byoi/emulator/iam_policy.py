"""A small part of how IAM decides: what the project's own policies need, and no more of it.

Source: IAM User Guide, reference_policies_evaluation-logic.html and
reference_policies_variables.html. Only Allow, two operators, and wildcards in resources.
"""

import fnmatch
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ACCOUNT = "123456789012"


def statements(file: Path) -> list[dict[str, Any]]:
    """The statements of a policy."""
    found = json.loads(file.read_text(encoding="utf-8"))["Statement"]
    assert all(one["Effect"] == "Allow" for one in found)
    assert all("*" not in action for one in found for action in listed(one["Action"]))
    return found


def actions(found: Iterable[Mapping[str, Any]]) -> list[str]:
    """All actions that are allowed on something."""
    return [action for one in found for action in listed(one["Action"])]


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
    return any(
        action in listed(one["Action"])
        and any(fnmatch.fnmatchcase(resource, pattern) for pattern in listed(one["Resource"]))
        and _holds(one.get("Condition", {}), context)
        for one in found
    )


def _holds(condition: Mapping[str, Any], context: Mapping[str, str]) -> bool:
    for operator, tests in condition.items():
        # Here every key has one value, so any of them is the one.
        assert operator in {"StringEquals", "ForAnyValue:StringEquals"}, operator
        for key, values in tests.items():
            wanted = [value.replace("${aws:PrincipalAccount}", ACCOUNT) for value in listed(values)]
            if context.get(key) not in wanted:
                return False
    return True


def listed(value: Any) -> list[Any]:
    """A value as a list: one thing may stand without one."""
    return value if isinstance(value, list) else [value]
