"""Roles of moto's IAM: found by their ARN, and whom they trust.

Source: IAM User Guide, "IAM JSON policy elements".
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from moto.iam.exceptions import NotFoundException
from moto.iam.models import iam_backends

from byoi.emulator.aws import account
from byoi.emulator.aws.errors import NotEmulatedError


def find(arn: str) -> Any:
    """Return moto's record of a role, None where there is none."""
    try:
        return iam_backends[account.NUMBER]["aws"].get_role_by_arn(arn)
    except NotFoundException:
        return None


def trusting(role: Any, service: str) -> list[Mapping[str, Any]]:
    """Return the statements of a role's trust policy that are about a service.

    Raises:
        NotEmulatedError: One names nobody in particular, or has a policy variable.
    """
    return [
        one
        for one in statements(role.assume_role_policy_document)
        if matches(one.get("Action"), "sts:AssumeRole") and matches(_services(one), service)
    ]


def statements(document: str | Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the statements of a policy, of which one may stand for a list."""
    parsed = json.loads(document) if isinstance(document, str) else document
    found = parsed.get("Statement") or []
    yield from [found] if isinstance(found, Mapping) else found


def matches(patterns: Any, value: str) -> bool:
    """Whether one of a statement's patterns, or the one it has, covers a value."""
    if patterns is None:
        return False
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        if "${" in pattern:
            raise NotEmulatedError(f"the policy variable in {pattern}")
        wild = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
        # Actions have no case; ARNs do, and SageMaker's names in them are lower-case.
        if re.fullmatch(wild, value, re.IGNORECASE if "/" not in value else 0):
            return True
    return False


def _services(trust: Mapping[str, Any]) -> Any:
    """Return the services that a statement of a trust policy names."""
    principal = trust.get("Principal")
    if not isinstance(principal, Mapping):
        raise NotEmulatedError(f"the Principal {principal!r} of a trust policy")
    return principal.get("Service")
