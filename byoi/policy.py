"""IAM policies: what they decide about a request, as far as it can be told from here.

Sources: IAM User Guide, "Policy evaluation logic" (an explicit Deny wins; nothing is allowed
unless a statement allows it), "IAM JSON policy elements reference", "Condition operators",
"Policy variables".
"""

import enum
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Document = str | Mapping[str, Any]

# What a role needs to connect a container to a VPC.
# Source: SageMaker Developer Guide, sagemaker-roles.html.
VPC_ACTIONS = (
    "ec2:CreateNetworkInterface",
    "ec2:CreateNetworkInterfacePermission",
    "ec2:DeleteNetworkInterface",
    "ec2:DeleteNetworkInterfacePermission",
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
)
_OPERATOR = re.compile(r"(?:ForAnyValue:)?(?:(?:String|Arn)(?:Equals|Like)|Bool)")
_VARIABLE = re.compile(r"\$\{([^}]*)\}")


class Decision(enum.Enum):
    """A decision about a request; the first three are EvalDecision of SimulatePrincipalPolicy."""

    ALLOWED = "allowed"
    EXPLICIT_DENY = "explicitDeny"
    IMPLICIT_DENY = "implicitDeny"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Request:
    """A request that policies decide about.

    Attributes:
        action: The action, for example `s3:GetObject`.
        resource: ARN of the resource, `*` for an action without one; None for a trust policy,
            whose statements name no resource.
        service: The service that makes the request; None if a policy belongs to the caller,
            whose statements name no principal.
        context: Condition keys and their values; None takes every condition as met.
        is_complete: Whether a key that `context` lacks is absent from the request; otherwise
            its value is not known, and neither is whether the condition holds.
    """

    action: str
    resource: str | None = None
    service: str | None = None
    context: Mapping[str, str] | None = field(default_factory=dict)
    is_complete: bool = False


@dataclass(frozen=True)
class Evaluation:
    """What policies decide about a request.

    Attributes:
        decision: The decision.
        undecided: The conditions, variables and principals that could not be evaluated, each
            once; empty unless the decision is `UNDECIDED`.
        deciding: The statements that lead to the decision, each as the place of its policy
            among those evaluated and its own place in that policy, from 0; empty where no
            statement applies.
        missing: The condition keys that the request has no value for, each once: those of
            statements that cover its action and resource.
    """

    decision: Decision
    undecided: tuple[str, ...] = ()
    deciding: tuple[tuple[int, int], ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def is_allowed(self) -> bool:
        """Whether the request is allowed for certain."""
        return self.decision is Decision.ALLOWED


def evaluate(documents: Iterable[Document], request: Request) -> Evaluation:
    """Evaluate policies that allow or deny together, such as all identity policies of a role.

    Args:
        documents: The policies, as JSON or parsed.
        request: The request.
    """
    undecided: list[str] = []
    missing: list[str] = []
    verdicts: dict[str, dict[tuple[int, int], bool | None]] = {"Allow": {}, "Deny": {}}
    for place, document in enumerate(documents):
        for number, statement in enumerate(statements(document)):
            verdict = _applies(statement, request, undecided, missing)
            verdicts[statement["Effect"]][place, number] = verdict
    allowing, denying = verdicts["Allow"], verdicts["Deny"]
    keys = tuple(dict.fromkeys(missing))
    if True in denying.values():
        return Evaluation(Decision.EXPLICIT_DENY, deciding=_applying(denying), missing=keys)
    if all(verdict is False for verdict in allowing.values()):
        return Evaluation(Decision.IMPLICIT_DENY, missing=keys)
    if True in allowing.values() and None not in denying.values():
        return Evaluation(Decision.ALLOWED, deciding=_applying(allowing), missing=keys)
    return Evaluation(Decision.UNDECIDED, tuple(dict.fromkeys(undecided)), missing=keys)


def statements(document: Document) -> list[Mapping[str, Any]]:
    """Return the statements of a policy, which may have one without a list around it."""
    parsed = json.loads(document) if isinstance(document, str) else document
    return listed(parsed.get("Statement"))


def listed(value: Any) -> list[Any]:
    """Return an element of a policy as a list: a single value may stand without one."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _applying(verdicts: Mapping[tuple[int, int], bool | None]) -> tuple[tuple[int, int], ...]:
    return tuple(place for place, verdict in verdicts.items() if verdict)


def _applies(
    statement: Mapping[str, Any], request: Request, undecided: list[str], missing: list[str]
) -> bool | None:
    """Return whether a statement applies to a request, None if that cannot be told.

    Reasons for the latter are added to `undecided`, and to `missing` the condition keys without
    a value that it would depend on.
    """
    reasons: list[str] = []
    condition = statement.get("Condition") or {}
    verdicts = [
        _names_service(statement, request, reasons),
        _covers(statement, "Action", request.action.lower(), request, reasons),
        request.resource is None
        or _covers(statement, "Resource", request.resource, request, reasons),
    ]
    if False not in verdicts and request.context is not None:
        known = {name.lower() for name in request.context}
        missing += [
            name for tests in condition.values() for name in tests if name.lower() not in known
        ]
    verdicts.append(_holds(condition, request, reasons))
    verdict = _all(verdicts)
    if verdict is None:
        undecided += reasons
    return verdict


def _names_service(
    statement: Mapping[str, Any], request: Request, reasons: list[str]
) -> bool | None:
    """Return whether a trust policy's statement is about the service; None for everybody."""
    if request.service is None:
        return True
    principal = statement.get("Principal")
    if not isinstance(principal, Mapping):
        reasons.append(f"the Principal {principal!r} of a trust policy")
        return None
    return request.service in listed(principal.get("Service"))


def _covers(
    statement: Mapping[str, Any], element: str, value: str, request: Request, reasons: list[str]
) -> bool | None:
    """Return whether Action or Resource, or NotAction or NotResource, covers a value."""
    negated = f"Not{element}"
    patterns = listed(statement.get(negated if negated in statement else element))
    if element == "Action":  # names of actions are case-insensitive, ARNs are not
        patterns = [pattern.lower() for pattern in patterns]
    found = _any(_matches(pattern, value, request, reasons) for pattern in patterns)
    return (None if found is None else not found) if negated in statement else found


def _holds(
    condition: Mapping[str, Mapping[str, Any]], request: Request, reasons: list[str]
) -> bool | None:
    """Return whether all tests of a Condition hold, None if that cannot be told."""
    if request.context is None:
        return True
    context = {name.lower(): value for name, value in request.context.items()}
    verdicts: list[bool | None] = []
    for operator, tests in condition.items():
        known = _OPERATOR.fullmatch(operator)
        for name, values in tests.items():
            actual = context.get(name.lower())
            if known is None or (actual is None and not request.is_complete):
                verdicts.append(None)
                reasons.append(f"the Condition {json.dumps(condition)} of a policy")
            elif actual is None:
                verdicts.append(False)
            else:
                has_wildcards = not operator.endswith(("StringEquals", "Bool"))
                # A Bool may stand without quotation marks.
                found = (
                    _matches(
                        str(value).lower() if isinstance(value, bool) else value,
                        actual,
                        request,
                        reasons,
                        has_wildcards=has_wildcards,
                    )
                    for value in listed(values)
                )
                verdicts.append(_any(found))
    return _all(verdicts)


def _any(verdicts: Iterable[bool | None]) -> bool | None:
    found = set(verdicts)
    return True if True in found else None if None in found else False


def _all(verdicts: Iterable[bool | None]) -> bool | None:
    found = set(verdicts)
    return False if False in found else None if None in found else True


def _matches(
    pattern: str,
    value: str,
    request: Request,
    reasons: list[str],
    *,
    has_wildcards: bool = True,
) -> bool | None:
    """Return whether a pattern matches a value, None if it has an unknown policy variable."""
    context = {name.lower(): known for name, known in (request.context or {}).items()}
    wild = ""
    for position, part in enumerate(_VARIABLE.split(pattern)):
        if position % 2 == 0:
            escaped = re.escape(part)
            if has_wildcards:
                escaped = escaped.replace(r"\*", ".*").replace(r"\?", ".")
            wild += escaped
        elif (known := context.get(part.lower())) is None:
            reasons.append(f"the policy variable in {pattern}")
            return None
        else:
            wild += re.escape(known)
    return re.fullmatch(wild, value, re.DOTALL) is not None
