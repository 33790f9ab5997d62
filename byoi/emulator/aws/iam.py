"""Users, groups and roles of moto's IAM: who may assume them, and what their policies allow.

Sources: IAM User Guide, "Policy evaluation logic"; the wording of AccessDenied is that of AWS's
answers quoted in public issues (philschmid/cdk-samples 2).
"""

from typing import Any

from moto.iam.exceptions import NotFoundException
from moto.iam.models import User, iam_backends

from byoi import policy
from byoi.emulator.aws import account
from byoi.emulator.aws.errors import NotEmulatedError
from byoi.policy import Decision, Document, Request

_ASSUME = "sts:AssumeRole"


def find_role(arn: str) -> Any:
    """Return moto's record of a role, None if there is no such role."""
    try:
        return _backend().get_role_by_arn(arn)
    except NotFoundException:
        return None


def may_assume(service: str, role_arn: str) -> bool:
    """Return whether a role exists whose trust policy lets a service assume it.

    Raises:
        NotEmulatedError: The trust policy has a condition, a variable or a principal that
            cannot be evaluated.
    """
    role = find_role(role_arn)
    if role is None:
        return False
    request = Request(_ASSUME, service=service)
    return _decide([role.assume_role_policy_document], request) is Decision.ALLOWED


def is_trusting(role: Any, service: str) -> bool:
    """Return whether a role's trust policy lets a service assume it if its conditions are met.

    Raises:
        NotEmulatedError: As `may_assume`, except for conditions.
    """
    request = Request(_ASSUME, service=service, context=None)
    return _decide([role.assume_role_policy_document], request) is Decision.ALLOWED


def explain_denial(role_arn: str, action: str, resource: str) -> str | None:
    """Return why a role may not do something, in IAM's words; None if it may.

    Args:
        role_arn: ARN of the role.
        action: Such as `sagemaker:InvokeEndpoint`.
        resource: ARN of the resource.

    Raises:
        NotEmulatedError: A policy of the role has a condition or a variable that cannot be
            evaluated.
    """
    role = find_role(role_arn)
    if role is None:
        return f"role {role_arn} does not exist"
    kinds = {"an identity-based policy": [document for _, document in identity_policies(role)]}
    if (limit := boundary(role)) is not None:
        kinds = {"a permissions boundary": [limit], **kinds}
    for kind, documents in kinds.items():
        decision = _decide(documents, Request(action, resource))
        if decision is not Decision.ALLOWED:
            reason = f"because no {kind.split(maxsplit=1)[1]} allows the {action} action"
            if decision is Decision.EXPLICIT_DENY:
                reason = f"with an explicit deny in {kind}"
            session = f"assumed-role/{role.name}/BackplaneAssumeRoleSession"
            return (
                f"User: arn:aws:sts::{account.NUMBER}:{session} is not authorized to perform: "
                f"{action} on resource: {resource} {reason}"
            )
    return None


def find(arn: str) -> Any:
    """Return moto's record of a user, a group or a role, None if there is no such one."""
    backend = _backend()
    holders = (*backend.get_roles(), *backend.users.values(), *backend.list_groups())
    return next((holder for holder in holders if holder.arn == arn), None)


def identity_policies(holder: Any) -> list[tuple[str, Document]]:
    """Return name and document of each policy of a user, a group or a role.

    Args:
        holder: moto's record; of a user, the policies of its groups count too.
    """
    groups = _backend().get_groups_for_user(holder.name) if isinstance(holder, User) else []
    found: list[tuple[str, Document]] = []
    for one in (holder, *groups):
        found += one.policies.items()
        found += [(it.name, _default_version(it)) for it in one.managed_policies.values()]
    return found


def boundary(holder: Any) -> Document | None:
    """Return the document of a permissions boundary, None without one; in moto only roles have."""
    arn = getattr(holder, "permissions_boundary_arn", None)
    return _default_version(_backend().get_policy(arn)) if arn else None


def _decide(documents: list[Document], request: Request) -> Decision:
    evaluation = policy.evaluate(documents, request)
    if evaluation.undecided:
        raise NotEmulatedError(" and ".join(evaluation.undecided))
    return evaluation.decision


def _backend() -> Any:
    return iam_backends[account.NUMBER]["aws"]


def _default_version(managed: Any) -> Document:
    """Return the document of a managed policy's default version."""
    return next(str(one.document) for one in managed.versions if one.is_default)
