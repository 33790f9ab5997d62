"""Who calls, in moto's IAM: roles and who may assume them, users, and what their policies allow.

Sources: IAM User Guide, "Policy evaluation logic" (an explicit Deny in any policy wins; identity
policies, permissions boundary and session policy must all allow), "AWS global condition context
keys", "IAM identifiers"; the wording of AccessDenied is that of AWS's answers quoted in public
issues (philschmid/cdk-samples 2).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from moto.iam.exceptions import NotFoundException
from moto.iam.models import User, iam_backends
from moto.iam.responses import IamResponse
from moto.sts.models import sts_backends

from byoi import policy
from byoi.emulator.aws import account
from byoi.emulator.aws.errors import NotEmulatedError
from byoi.policy import Decision, Document, Request

_ASSUME = "sts:AssumeRole"
_PARTITION = "aws"


@dataclass(frozen=True)
class Principal:
    """Who makes a request.

    Attributes:
        arn: ARN of the user, or of the session of a role.
        unique_id: IAM's id of it, a session's with its name behind a colon.
        account: Number of its account.
        limits: Kind of policy, as AWS names it in a denial, to the policies of that kind; of each
            kind one has to allow a request. Empty for the administrator, who may do everything.
        context: Condition keys about the principal, and their values.
    """

    arn: str
    unique_id: str
    account: str
    limits: Mapping[str, tuple[Document, ...]] = field(default_factory=dict)
    context: Mapping[str, str] = field(default_factory=dict)


def find_role(arn: str) -> Any:
    """Return moto's record of a role, None if there is no such role."""
    return _find_role(account.NUMBER, arn)


def find_principal(access_key: str) -> Principal:
    """Return whose an accepted access key is.

    Args:
        access_key: Its id. One that IAM and STS did not issue is that of the emulator's start,
            which belongs to the account's administrator.
    """
    # Lists, because other threads create accounts.
    for number, partitions in list(iam_backends.items()):
        for backend in list(partitions.values()):
            found = backend.access_keys.get(access_key)
            if found is not None and found.user_name is not None:
                return _of_user(number, backend.get_user(found.user_name))
            if found is not None:
                sts = sts_backends[number][_PARTITION]
                return _of_session(number, sts.get_assumed_role_from_access_key(access_key))
    return Principal(f"arn:{_PARTITION}:iam::{account.NUMBER}:root", account.NUMBER, account.NUMBER)


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
    """Return why a role that API Gateway assumed may not do something; see `explain`."""
    role = find_role(role_arn)
    if role is None:
        return f"role {role_arn} does not exist"
    arn = _session_arn(account.NUMBER, role.name, "BackplaneAssumeRoleSession")
    return explain(
        Principal(arn, role.id, account.NUMBER, _limits(role)),
        Request(action, resource),
    )


def explain(principal: Principal, request: Request, *, shown: str | None = None) -> str | None:
    """Return why a principal may not do something, in IAM's words; None if it may.

    Args:
        principal: Who asks.
        request: What is asked for, on a resource of its own account.
        shown: How the resource is named in the words; by default as in the request.

    Raises:
        NotEmulatedError: The decision depends on a condition or a variable of a policy that
            cannot be evaluated.
    """
    evaluations = {
        kind: policy.evaluate(documents, request) for kind, documents in principal.limits.items()
    }
    reason = None
    for kind, found in evaluations.items():
        if found.decision is Decision.IMPLICIT_DENY and reason is None:
            reason = f"because no {kind} allows the {request.action} action"
    for kind, found in evaluations.items():
        if found.decision is Decision.EXPLICIT_DENY:
            article = "an" if kind[0] in "aeiou" else "a"
            reason = f"with an explicit deny in {article} {kind}"
    if reason is None:
        for found in evaluations.values():
            if found.undecided:
                raise NotEmulatedError(" and ".join(found.undecided))
        return None
    return (
        f"User: {principal.arn} is not authorized to perform: {request.action} "
        f"on resource: {shown or request.resource} {reason}"
    )


def find(arn: str) -> Any:
    """Return moto's record of a user, a group or a role, None if there is no such one."""
    backend = iam_backends[account.NUMBER][_PARTITION]
    holders: tuple[Any, ...] = (
        *backend.get_roles(),
        *backend.users.values(),
        *backend.list_groups(),
    )
    return next((holder for holder in holders if holder.arn == arn), None)


def identity_policies(holder: Any) -> list[tuple[str, Document]]:
    """Return name and document of each policy of a user, a group or a role.

    Args:
        holder: moto's record; of a user, the policies of its groups count too.
    """
    is_user = isinstance(holder, User)
    groups = _backend(holder).get_groups_for_user(holder.name) if is_user else []
    found: list[tuple[str, Document]] = []
    for one in (holder, *groups):
        found += one.policies.items()
        found += [(it.name, _default_version(it)) for it in one.managed_policies.values()]
    return found


def boundary(holder: Any) -> Document | None:
    """Return the document of a permissions boundary, None without one; only roles have one here."""
    arn = getattr(holder, "permissions_boundary_arn", None)
    return _default_version(_backend(holder).get_policy(arn)) if arn else None


def replacements() -> Iterator[tuple[Any, str, Any]]:
    """Yield object, name and new value of each replaced attribute of moto's IAM.

    moto forgets the boundary of a user, who could then do more than on AWS.
    """
    create = IamResponse.create_user

    def created(self: Any) -> Any:
        if self._get_param("PermissionsBoundary"):
            raise NotEmulatedError("CreateUser with PermissionsBoundary (a role may have one)")
        return create(self)

    yield IamResponse, "create_user", created


def _backend(holder: Any) -> Any:
    return iam_backends[holder.account_id][_PARTITION]


def _decide(documents: list[Document], request: Request) -> Decision:
    evaluation = policy.evaluate(documents, request)
    if evaluation.undecided:
        raise NotEmulatedError(" and ".join(evaluation.undecided))
    return evaluation.decision


def _of_user(number: str, user: Any) -> Principal:
    context = {**_context(user.arn, number, user.id, "User"), "aws:username": user.name}
    return Principal(user.arn, user.id, number, _limits(user), context)


def _of_session(number: str, session: Any) -> Principal:
    role = _find_role(number, session.role_arn)
    limits = {"identity-based policy": ()} if role is None else _limits(role)
    if session.policy:
        limits = {"session policy": (session.policy,), **limits}
    # A session's own ARN says who acts; conditions name the role (`aws:PrincipalArn`).
    context = _context(session.role_arn, number, session.user_id, "AssumedRole")
    return Principal(session.arn, session.user_id, number, limits, context)


def _context(arn: str, number: str, unique_id: str, kind: str) -> dict[str, str]:
    return {
        "aws:PrincipalArn": arn,
        "aws:PrincipalAccount": number,
        "aws:PrincipalType": kind,
        "aws:userid": unique_id,
    }


def _limits(holder: Any) -> dict[str, tuple[Document, ...]]:
    limits = {"identity-based policy": tuple(document for _, document in identity_policies(holder))}
    limit = boundary(holder)
    return limits if limit is None else {"permissions boundary": (limit,), **limits}


def _find_role(number: str, arn: str) -> Any:
    try:
        return iam_backends[number][_PARTITION].get_role_by_arn(arn)
    except NotFoundException:
        return None


def _session_arn(number: str, role_name: str, session_name: str) -> str:
    return f"arn:{_PARTITION}:sts::{number}:assumed-role/{role_name}/{session_name}"


def _default_version(managed: Any) -> Document:
    """Return the document of a managed policy's default version."""
    return next(str(one.document) for one in managed.versions if one.is_default)
