"""SimulatePrincipalPolicy: what the policies of a user, a group or a role decide; moto has no such.

Of an answer, what is not known here is left out: where in a policy a statement stands, and the
effect of an organization. `EvalResourceName` is `*`, since the ARN templates of the services are
not known here; each resource of a request is in `ResourceSpecificResults`.

Sources: API SimulatePrincipalPolicy and EvaluationResult (one result for each action, whose
decision is the most restrictive of its resources'); IAM User Guide, "Policy evaluation logic" and
"Testing IAM policies with the IAM policy simulator". The wording about ARNs is that of AWS's
answers quoted in public issues (newrelic/newrelic-lambda-cli 96,
aws-containers/amazon-ecs-exec-checker 35).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from moto.core.responses import ActionResult
from moto.iam.exceptions import InvalidInput, NoSuchEntity
from moto.iam.responses import IamResponse

from byoi import policy
from byoi.emulator.aws import iam
from byoi.emulator.aws.errors import NotEmulatedError
from byoi.policy import Decision, Document, Evaluation, Request

_ACTION = "SimulatePrincipalPolicy"
_ALL = "*"
_PAGE_ITEMS = 100
_HOLDERS = ("user", "group", "role")
# Parameters that would change a decision, and that are not looked at.
_REFUSED = ("PolicyExclusionList", "ResourceHandlingOption", "ResourceOwner", "ResourcePolicy")
# The most restrictive first.
_DECISIONS = (Decision.EXPLICIT_DENY, Decision.IMPLICIT_DENY, Decision.ALLOWED)


@dataclass(frozen=True)
class _Principal:
    """Whose request is simulated: named policies that allow or deny, and what limits them."""

    names: tuple[str, ...]
    documents: tuple[Document, ...]
    boundary: Document | None


@dataclass(frozen=True)
class _Result:
    """What is decided about one action on one resource."""

    resource: str
    decision: Decision
    identity: Evaluation
    is_within_boundary: bool | None


def replacements() -> Iterator[tuple[Any, str, Any]]:
    """Yield object, name and new value of each replaced attribute of moto."""
    yield IamResponse, "simulate_principal_policy", _respond


def simulate(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer to a call.

    Args:
        asked: The parameters of SimulatePrincipalPolicy.

    Raises:
        NoSuchEntity: There is no such user, group or role.
        InvalidInput: A parameter is not what the API takes.
        NotEmulatedError: A policy has something that cannot be evaluated, or the call asks for
            something that is not looked at.
    """
    _require_known(asked)
    actions = list(asked.get("ActionNames") or ())
    resources = list(asked.get("ResourceArns") or (_ALL,))
    for name in actions:
        if not all(name.partition(":")[::2]):
            raise InvalidInput(f"{name} is not the name of an action: expected SERVICE:ACTION.")
    for name in resources:
        if name != _ALL and not name.startswith("arn:"):
            raise InvalidInput(f"ResourceNames are not in a valid ARN format: {name}.")
    context = _context(asked)
    principal = _principal(asked)
    begin, end = _page(asked, len(actions))
    results = [
        _answer(name, [_decide(principal, name, one, context) for one in resources], principal)
        for name in actions[begin:end]
    ]
    is_truncated = end < len(actions)
    marker = {"Marker": str(end)} if is_truncated else {}
    return {"EvaluationResults": results, "IsTruncated": is_truncated, **marker}


def _respond(self: Any) -> ActionResult:
    return ActionResult(simulate(self.params))


def _require_known(asked: Mapping[str, Any]) -> None:
    named = [name for name in _REFUSED if asked.get(name)]
    caller = asked.get("CallerArn")
    if caller and caller != asked["PolicySourceArn"]:
        named.append("CallerArn of another than PolicySourceArn")
    named += [f"the action {name}" for name in asked.get("ActionNames") or () if "*" in name]
    if named:
        raise NotEmulatedError(f"{_ACTION} with {', '.join(named)}")


def _context(asked: Mapping[str, Any]) -> dict[str, str]:
    """Return the condition keys of a request and their values."""
    context: dict[str, str] = {}
    for entry in asked.get("ContextEntries") or ():
        name, values = entry.get("ContextKeyName"), list(entry.get("ContextKeyValues") or ())
        if not name or not values:
            raise InvalidInput(f"ContextEntries need a name and a value; received {dict(entry)}.")
        if len(values) > 1 or name in context:
            raise NotEmulatedError(f"{_ACTION} with several values of the context key {name}")
        context[name] = str(values[0])
    return context


def _principal(asked: Mapping[str, Any]) -> _Principal:
    """Return the principal that a request names, with the policies it adds."""
    arn = str(asked["PolicySourceArn"])
    parts = arn.split(":", 5)
    kind, _, path = parts[-1].partition("/")
    if len(parts) != 6 or parts[2] != "iam" or kind not in _HOLDERS or not path:
        raise InvalidInput(
            f"Invalid Entity Arn: {arn} does not clearly define entity type and name."
        )
    holder = iam.find(arn)
    if holder is None:
        raise NoSuchEntity(f"The {kind} with name {path.rpartition('/')[2]} cannot be found.")
    limits = _documents(asked, "PermissionsBoundaryPolicyInputList")
    if len(limits) > 1:
        raise InvalidInput("Only one permissions boundary can be given.")
    named = [*iam.identity_policies(holder), *_documents(asked, "PolicyInputList")]
    return _Principal(
        names=tuple(name for name, _ in named),
        documents=tuple(document for _, document in named),
        boundary=limits[0][1] if limits else iam.boundary(holder),
    )


def _documents(asked: Mapping[str, Any], parameter: str) -> list[tuple[str, Document]]:
    """Return name and document of each policy that a request brings.

    The names are those that AWS gives them.
    """
    found: list[tuple[str, Document]] = []
    for number, text in enumerate(asked.get(parameter) or (), start=1):
        name = f"{parameter}.{number}"
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InvalidInput(f"{name} is not JSON: {error}.") from error
        if not isinstance(document, dict) or not all(
            isinstance(one, dict) and one.get("Effect") in {"Allow", "Deny"}
            for one in policy.listed(document.get("Statement"))
        ):
            raise InvalidInput(f"{name} is no policy: expected statements that allow or deny.")
        found.append((name, document))
    return found


def _page(asked: Mapping[str, Any], count: int) -> tuple[int, int]:
    """Return the places of the first action to answer, and of the first not to answer."""
    marker, items = str(asked.get("Marker") or "0"), int(asked.get("MaxItems") or _PAGE_ITEMS)
    if not (marker.isascii() and marker.isdigit() and int(marker) <= count):
        raise InvalidInput(f"Invalid Marker: {marker}.")
    return int(marker), min(int(marker) + items, count)


def _decide(
    principal: _Principal, action: str, resource: str, context: Mapping[str, str]
) -> _Result:
    # The keys that are not given are absent, as in AWS's simulator.
    request = Request(action, resource, context=context, is_complete=True)
    identity = policy.evaluate(principal.documents, request)
    limit = None
    if principal.boundary is not None:
        limit = policy.evaluate([principal.boundary], request)
    found = [one for one in (identity, limit) if one is not None]
    if undecided := [what for one in found for what in one.undecided]:
        raise NotEmulatedError(f"{_ACTION} with {' and '.join(dict.fromkeys(undecided))}")
    decision = min((one.decision for one in found), key=_DECISIONS.index)
    return _Result(resource, decision, identity, None if limit is None else limit.is_allowed)


def _answer(action: str, results: Sequence[_Result], principal: _Principal) -> dict[str, Any]:
    """Return the result for an action, from those on each of its resources."""
    decision = min((one.decision for one in results), key=_DECISIONS.index)
    decisive = [one for one in results if one.decision is decision]
    answer = {
        "EvalActionName": action,
        "EvalResourceName": _ALL,
        "EvalDecision": decision.value,
        **_details(decisive, results, principal),
    }
    if [one.resource for one in results] != [_ALL]:
        answer["ResourceSpecificResults"] = [
            {
                "EvalResourceName": one.resource,
                "EvalResourceDecision": one.decision.value,
                **_details([one], [one], principal),
            }
            for one in results
        ]
    return answer


def _details(
    decisive: Sequence[_Result], results: Sequence[_Result], principal: _Principal
) -> dict[str, Any]:
    """Return what led to a decision; of statements, those of the identity's own policies."""
    places = dict.fromkeys(
        place
        for one in decisive
        if one.identity.decision is one.decision
        for place in one.identity.deciding
    )
    missing = dict.fromkeys(key for one in results for key in one.identity.missing)
    details: dict[str, Any] = {
        "MatchedStatements": [{"SourcePolicyId": principal.names[number]} for number, _ in places],
        "MissingContextValues": list(missing),
    }
    if principal.boundary is not None:
        is_allowed = all(one.is_within_boundary for one in results)
        details["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": is_allowed}
    return details
