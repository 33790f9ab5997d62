"""Whether a role lets API Gateway invoke an endpoint, as IAM would decide from its policies.

Sources: IAM User Guide, "Policy evaluation logic" (an explicit Deny wins, nothing is allowed that
no statement allows), "IAM JSON policy elements"; the wording of AccessDenied is that of AWS's
answers quoted in public issues (philschmid/cdk-samples 2).
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from moto.iam.models import iam_backends

from byoi.emulator.aws import account, roles
from byoi.emulator.aws.errors import NotEmulatedError

SERVICE = "apigateway.amazonaws.com"
_ACTION = "sagemaker:InvokeEndpoint"


def may_assume(role_arn: str) -> bool:
    """Whether a role exists whose trust policy lets API Gateway assume it."""
    role = roles.find(role_arn)
    return role is not None and _decide(roles.trusting(role, SERVICE))


def denial(role_arn: str, endpoint_arn: str) -> str | None:
    """Return why a role may not invoke an endpoint, in IAM's words; None where it may."""
    role = roles.find(role_arn)
    if role is None:
        return f"role {role_arn} does not exist"
    allowing = [_concerned(one, endpoint_arn) for one in _identity_policies(role)]
    if boundary := _boundary(role):
        limits = list(_concerned(boundary, endpoint_arn))
        if not _decide(limits):
            return _denied(role, endpoint_arn, limits, "permissions boundary")
    concerned = [statement for statements in allowing for statement in statements]
    if _decide(concerned):
        return None
    return _denied(role, endpoint_arn, concerned, "identity-based policy")


def _denied(role: Any, arn: str, concerned: Iterable[Mapping[str, Any]], kind: str) -> str:
    reason = f"because no {kind} allows the {_ACTION} action"
    if any(one["Effect"] == "Deny" for one in concerned):
        article = "an" if kind.startswith("i") else "a"
        reason = f"with an explicit deny in {article} {kind}"
    who = f"arn:aws:sts::{account.NUMBER}:assumed-role/{role.name}/BackplaneAssumeRoleSession"
    return f"User: {who} is not authorized to perform: {_ACTION} on resource: {arn} {reason}"


def _identity_policies(role: Any) -> list[Any]:
    return [*role.policies.values(), *map(_document, role.managed_policies.values())]


def _boundary(role: Any) -> Any:
    """Return the document of a role's permissions boundary, None where it has none."""
    if not role.permissions_boundary_arn:
        return None
    return _document(iam_backends[account.NUMBER]["aws"].get_policy(role.permissions_boundary_arn))


def _document(policy: Any) -> str:
    """Return a managed policy's document in the version that counts."""
    return next(str(one.document) for one in policy.versions if one.is_default)


def _concerned(document: Any, endpoint_arn: str) -> Iterator[Mapping[str, Any]]:
    for one in roles.statements(document):
        if _concerns(one, "Action", _ACTION) and _concerns(one, "Resource", endpoint_arn):
            yield one


def _concerns(statement: Mapping[str, Any], element: str, value: str) -> bool:
    if f"Not{element}" in statement:
        return not roles.matches(statement[f"Not{element}"], value)
    return roles.matches(statement.get(element), value)


def _decide(statements: Iterable[Mapping[str, Any]]) -> bool:
    effects = set()
    for one in statements:
        if one.get("Condition"):
            raise NotEmulatedError(f"the Condition {json.dumps(one['Condition'])} of a policy")
        effects.add(one["Effect"])
    return effects == {"Allow"}
