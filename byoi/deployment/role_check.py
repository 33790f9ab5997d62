"""Whether SageMaker can use the execution role: it exists, trusts SageMaker, and may do its work.

Sources: API GetRole, SimulatePrincipalPolicy; SageMaker Developer Guide, sagemaker-roles.html
("CreateModel API: Execution Role Permissions") and security-confused-deputy-prevention.html.
"""

import fnmatch
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from byoi.deployment.account import EXECUTION_ROLE_COMMAND, Account, error_code
from byoi.deployment.finding import Finding, untold
from byoi.deployment.plan import Plan

_SERVICE = "sagemaker.amazonaws.com"
_PAGE = "https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html"
_PULL = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
_LOG = ("logs:CreateLogStream", "logs:PutLogEvents")


def check(account: Account, plan: Plan) -> Iterator[Finding]:
    """Yield whether a plan's role is there and trusts SageMaker, and what it may do."""
    arn = plan.role_arn
    what = f"execution role {arn}"
    try:
        found = account.client("iam").get_role(RoleName=arn.rpartition("/")[2])["Role"]
    except ClientError as error:
        if error_code(error) == "NoSuchEntity":
            yield Finding(f"{what} does not exist", False, EXECUTION_ROLE_COMMAND)
        else:
            yield untold(what, error)
        return
    except BotoCoreError as error:
        yield untold(what, error)
        return
    if found["Arn"] != arn:
        yield Finding(
            f"{what} does not exist; this account has {found['Arn']}",
            False,
            f"export BYOI_ROLE_ARN={found['Arn']}",
        )
        return
    yield Finding(what, True)
    yield _trust(found, account.region)
    yield _permissions(account, plan)


def _trust(found: Mapping[str, Any], region: str) -> Finding:
    """Return whether SageMaker may act as the role."""
    what = f"{_SERVICE} may assume {found['RoleName']}"
    statements = [
        statement
        for statement in _list(found["AssumeRolePolicyDocument"].get("Statement"))
        if statement.get("Effect") == "Allow" and _is_for_sagemaker(statement)
    ]
    if not statements:
        return Finding(
            f"{what}: its trust policy does not say so",
            False,
            f"make a role that does: {EXECUTION_ROLE_COMMAND}; or change its trust policy: {_PAGE}",
        )
    verdicts = [_holds(one.get("Condition", {}), found["Arn"], region) for one in statements]
    if True in verdicts:
        return Finding(what, True)
    conditions = ", ".join(str(one["Condition"]) for one in statements)
    if None in verdicts:
        return Finding(what, None, f"its trust policy has conditions: {conditions}")
    return Finding(
        f"{what}: not from this account and region",
        False,
        f"its trust policy has conditions: {conditions}; change them: {_PAGE}",
    )


def _is_for_sagemaker(statement: Mapping[str, Any]) -> bool:
    principal = statement.get("Principal", {})
    services = _list(principal.get("Service")) if isinstance(principal, Mapping) else [principal]
    actions = [action.lower() for action in _list(statement.get("Action"))]
    return bool({_SERVICE, "*"} & set(services)) and any(
        fnmatch.fnmatchcase("sts:assumerole", action) for action in actions
    )


def _holds(condition: Mapping[str, Any], role_arn: str, region: str) -> bool | None:
    """Return whether a trust policy's condition lets this account's SageMaker in.

    None where it asks for something else than who SageMaker acts for.
    """
    _, partition, _, _, number, _ = role_arn.split(":", 5)
    actual = {
        "aws:sourceaccount": number,
        "aws:sourcearn": f"arn:{partition}:sagemaker:{region}:{number}:endpoint/any",
    }
    for operator, tests in condition.items():
        for name, values in tests.items():
            value = actual.get(name.lower())
            if value is None or not re.fullmatch(r"(Arn|String)(Equals|Like)", operator):
                return None
            if not any(fnmatch.fnmatchcase(value, wanted) for wanted in _list(values)):
                return False
    return True


def _permissions(account: Account, plan: Plan) -> Finding:
    """Return whether the role may read, pull and log, which only IAM itself can tell."""
    what = f"{plan.role_arn.rpartition('/')[2]} may read the model data, pull the image and log"
    denied = []
    try:
        pages = account.client("iam").get_paginator("simulate_principal_policy")
        for actions, resource in _needs(account, plan):
            for page in pages.paginate(
                PolicySourceArn=plan.role_arn, ActionNames=list(actions), ResourceArns=[resource]
            ):
                denied += [
                    f"{result['EvalActionName']} on {resource}"
                    for result in page["EvaluationResults"]
                    if result["EvalDecision"] != "allowed"
                ]
    except (BotoCoreError, ClientError) as error:
        return untold(what, error)
    if denied:
        return Finding(
            f"{what}: it may not {', '.join(denied)}",
            False,
            f"infra/execution_role.yaml has what it needs: {EXECUTION_ROLE_COMMAND}",
        )
    return Finding(what, True)


def _needs(account: Account, plan: Plan) -> Iterator[tuple[Iterable[str], str]]:
    """Yield actions and the resource they are needed on."""
    _, partition, _, _, number, _ = plan.role_arn.split(":", 5)
    where = f"{account.region}:{number}"
    if plan.model_data_url is not None:
        yield ("s3:GetObject",), f"arn:{partition}:s3:::{plan.model_data_url.removeprefix('s3://')}"
    host, _, path = plan.image_uri.partition("/")
    if path and host.startswith(f"{number}.dkr"):
        repository = path.partition("@")[0].partition(":")[0]
        yield _PULL, f"arn:{partition}:ecr:{where}:repository/{repository}"
        yield ("ecr:GetAuthorizationToken",), "*"
    group = f"/aws/sagemaker/Endpoints/{plan.endpoint_name}"
    yield _LOG, f"arn:{partition}:logs:{where}:log-group:{group}:log-stream:any"


def _list(value: Any) -> list[Any]:
    """Return a policy's value as a list: one thing may stand without one."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
