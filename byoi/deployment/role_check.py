"""Check whether SageMaker can use the execution role: it exists, trusts SageMaker, has permissions.

Sources: API GetRole, SimulatePrincipalPolicy; SageMaker Developer Guide, sagemaker-roles.html
("CreateModel API: Execution Role Permissions", which has what a private VPC needs) and
security-confused-deputy-prevention.html; S3 User Guide, "Required permissions" of ListObjectsV2
(a prefix is listed before its objects are read).
"""

import dataclasses
import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from byoi import policy
from byoi.deployment.account import EXECUTION_ROLE_COMMAND, Account, error_code
from byoi.deployment.finding import Finding, not_known
from byoi.deployment.plan import Plan
from byoi.deployment.waiting import log_group
from byoi.names import Arn, ImageReference, S3Uri

_SERVICE = "sagemaker.amazonaws.com"
_PAGE = "https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html"
_PULL = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
_LOG = ("logs:CreateLogStream", "logs:PutLogEvents")
# More of `EXECUTION_ROLE_COMMAND`: a parameter of the template.
_FOR_VPC = " ParameterKey=Vpc,ParameterValue=yes"


def check(account: Account, plan: Plan) -> Iterator[Finding]:
    """Yield whether a plan's role exists, trusts SageMaker, and has the permissions it needs."""
    arn = plan.role_arn
    what = f"execution role {arn}"
    try:
        found = account.client("iam").get_role(RoleName=Arn.parse(arn).role_name)["Role"]
    except ClientError as error:
        if error_code(error) == "NoSuchEntity":
            yield Finding(f"{what} does not exist", False, EXECUTION_ROLE_COMMAND)
        else:
            yield not_known(what, error)
        return
    except BotoCoreError as error:
        yield not_known(what, error)
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
    """Return whether SageMaker may act as the role, for this account and region."""
    what = f"{_SERVICE} may assume {found['RoleName']}"
    document = found["AssumeRolePolicyDocument"]
    arn = Arn.parse(found["Arn"])
    endpoint = Arn(arn.partition, "sagemaker", region, arn.account, "endpoint/any")
    context = {"aws:SourceAccount": arn.account, "aws:SourceArn": str(endpoint)}
    request = policy.Request("sts:AssumeRole", service=_SERVICE, context=context)
    evaluation = policy.evaluate([document], request)
    if evaluation.is_allowed:
        return Finding(what, True)
    if evaluation.decision is policy.Decision.UNDECIDED:
        return Finding(what, None, f"its trust policy has {', '.join(evaluation.undecided)}")
    unconditional = dataclasses.replace(request, context=None)
    if policy.evaluate([document], unconditional).is_allowed:
        conditions = ", ".join(
            str(one["Condition"]) for one in policy.statements(document) if "Condition" in one
        )
        return Finding(
            f"{what}: not from this account and region",
            False,
            f"its trust policy has conditions: {conditions}; change them: {_PAGE}",
        )
    return Finding(
        f"{what}: its trust policy does not allow it",
        False,
        f"create a role that does: {EXECUTION_ROLE_COMMAND}; or change its trust policy: {_PAGE}",
    )


def _permissions(account: Account, plan: Plan) -> Finding:
    """Return whether the role may read, pull and log, as IAM itself evaluates it."""
    aims = "read the model data, pull the image and log"
    if plan.placement.subnets:
        aims = "read the model data, pull the image, log and connect to the VPC"
    what = f"{Arn.parse(plan.role_arn).role_name} may {aims}"
    try:
        missing = denied(account, plan.role_arn, _needs(account, plan))
    except (BotoCoreError, ClientError) as error:
        return not_known(what, error)
    if missing:
        more = _FOR_VPC if plan.placement.subnets else ""
        return Finding(
            f"{what}: it may not {', '.join(missing)}",
            False,
            f"infra/execution_role.yaml has what it needs: {EXECUTION_ROLE_COMMAND}{more}",
        )
    return Finding(what, True)


@dataclasses.dataclass(frozen=True)
class Need:
    """Actions, the resource that they are needed for, and the prefix that is listed."""

    actions: Iterable[str]
    resource: str
    prefix: str = ""

    def context(self) -> dict[str, Any]:
        """Return the parameter with what a policy's conditions may look at."""
        if not self.prefix:
            return {}
        entry = {
            "ContextKeyName": "s3:prefix",
            "ContextKeyValues": [self.prefix],
            "ContextKeyType": "string",
        }
        return {"ContextEntries": [entry]}


def denied(account: Account, role_arn: str, needs: Iterable[Need]) -> list[str]:
    """Return what a role may not do, as IAM evaluates its policies: `ACTION on RESOURCE`.

    Raises:
        ClientError, BotoCoreError: IAM did not answer.
    """
    found = []
    pages = account.client("iam").get_paginator("simulate_principal_policy")
    for need in needs:
        for page in pages.paginate(
            PolicySourceArn=role_arn,
            ActionNames=list(need.actions),
            ResourceArns=[need.resource],
            **need.context(),
        ):
            found += [
                f"{result['EvalActionName']} on {need.resource}"
                for result in page["EvaluationResults"]
                if result["EvalDecision"] != "allowed"
            ]
    return found


def _needs(account: Account, plan: Plan) -> Iterator[Need]:
    """Yield what the role has to be allowed."""
    role = Arn.parse(plan.role_arn)
    arn = functools.partial(Arn, role.partition)
    if plan.model_data_url is not None:
        uri = S3Uri.parse(plan.model_data_url)
        file = "any" if plan.is_uncompressed else ""
        yield Need(("s3:GetObject",), str(arn("s3", "", "", f"{uri.bucket}/{uri.key}{file}")))
        if plan.is_uncompressed:
            yield Need(("s3:ListBucket",), str(arn("s3", "", "", uri.bucket)), uri.key)
    image = ImageReference.parse(plan.image_uri)
    if image.ecr is not None and image.ecr.account == role.account:
        repository = f"repository/{image.repository}"
        yield Need(_PULL, str(arn("ecr", account.region, role.account, repository)))
        yield Need(("ecr:GetAuthorizationToken",), "*")
    stream = f"log-group:{log_group(plan.endpoint_name)}:log-stream:any"
    yield Need(_LOG, str(arn("logs", account.region, role.account, stream)))
    if plan.placement.subnets:
        yield Need(policy.VPC_ACTIONS, "*")
