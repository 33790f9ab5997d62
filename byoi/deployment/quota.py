"""Check whether the account's quota has room for a plan's instances.

Sources: API ListServiceQuotas ("If the applied quota value is not available for a quota, the
quota is not retrieved"), ListAWSDefaultServiceQuotas; the quota's name from SageMaker's own
refusal: "The account-level service limit 'ml.m5.large for endpoint usage' is 0 Instances, with
current utilization of 0 Instances and a request delta of 1 Instances"
(github.com/aws-samples/sagemaker-custom-project-templates/issues/51).
"""

from collections.abc import Iterator

from botocore.exceptions import BotoCoreError, ClientError

from byoi.deployment.account import Account, error_code
from byoi.deployment.finding import Finding, not_known
from byoi.deployment.plan import Plan

_CALLS = ("list_service_quotas", "list_aws_default_service_quotas")
# SageMaker has thousands of quotas; API ListServiceQuotas gives 100 at most.
_PAGE_SIZE = 100


def check(account: Account, plan: Plan) -> Iterator[Finding]:
    """Yield whether the instances fit beside those that run in the region now."""
    name = f"{plan.instance_type} for endpoint usage"
    what = f"quota '{name}'"
    try:
        quota = _quota(account, name)
        used, is_running, unread = _used(account, plan)
    except (BotoCoreError, ClientError) as error:
        yield not_known(what, error)
        return
    console = (
        f"https://{account.region}.console.aws.amazon.com/servicequotas/home/services/"
        f"sagemaker/quotas (search for {name!r}), or choose a type with room"
    )
    if is_running:
        yield Finding(f"{what}: nothing more is needed, the endpoint already runs as planned", True)
    elif quota is None:
        yield Finding(
            f"{what} does not exist in {account.region}: this instance type is not available there",
            False,
            "choose another type: https://aws.amazon.com/sagemaker/pricing/ lists them by region",
        )
    else:
        free = quota - used
        state = f"{what}: {quota:g}, used {used}, needed {plan.instance_count}"
        # An update starts the new instances beside the old ones.
        if plan.instance_count > free:
            yield Finding(state, False, f"ask for more: {console}")
        elif unread:
            yield Finding(
                state, None, f"not counted, because AWS denied access: {', '.join(unread)}"
            )
        else:
            yield Finding(state, True)


def _quota(account: Account, name: str) -> float | None:
    """Return the quota's value, the account's own or AWS's default; None if there is none."""
    client = account.client("service-quotas")
    for call in _CALLS:
        pages = client.get_paginator(call).paginate(
            ServiceCode="sagemaker", PaginationConfig={"PageSize": _PAGE_SIZE}
        )
        for page in pages:
            for quota in page["Quotas"]:
                if quota["QuotaName"] == name and "Value" in quota:
                    return float(quota["Value"])
    return None


def _used(account: Account, plan: Plan) -> tuple[int, bool, list[str]]:
    """Return instances of the type, whether the plan runs already, and endpoints not read."""
    used, is_running, unread = 0, False, []
    for page in account.sagemaker.get_paginator("list_endpoints").paginate():
        for endpoint in page["Endpoints"]:
            name = endpoint["EndpointName"]
            try:
                instances, config_name = _instances(account, name, plan.instance_type)
            except ClientError as error:
                if error_code(error).startswith("AccessDenied"):
                    unread.append(name)
                # Other errors: it was deleted since it was listed.
                continue
            used += instances
            is_running |= name == plan.endpoint_name and config_name == plan.config_name
    return used, is_running, unread


def _instances(account: Account, endpoint: str, instance_type: str) -> tuple[int, str]:
    """Return how many instances of a type an endpoint has or will have, and its configuration."""
    described = account.sagemaker.describe_endpoint(EndpointName=endpoint)
    config_name = described["EndpointConfigName"]
    config = account.sagemaker.describe_endpoint_config(EndpointConfigName=config_name)
    types = {one["VariantName"]: one.get("InstanceType") for one in config["ProductionVariants"]}
    counts = [
        max(variant.get("CurrentInstanceCount", 0), variant.get("DesiredInstanceCount", 0))
        for variant in described.get("ProductionVariants", ())
        if types.get(variant["VariantName"]) == instance_type
    ]
    return sum(counts), str(config_name)
