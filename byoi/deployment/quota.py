"""Whether the account's quota leaves room for a plan's instances.

Sources: API ListServiceQuotas ("If the applied quota value is not available for a quota, the
quota is not retrieved"), ListAWSDefaultServiceQuotas; the quota's name from SageMaker's own
refusal: "The account-level service limit 'ml.m5.large for endpoint usage' is 0 Instances, with
current utilization of 0 Instances and a request delta of 1 Instances"
(github.com/aws-samples/sagemaker-custom-project-templates/issues/51).
"""

from collections.abc import Iterator

from botocore.exceptions import BotoCoreError, ClientError

from byoi.deployment.account import Account, error_code
from byoi.deployment.finding import Finding, untold
from byoi.deployment.plan import Plan

_CALLS = ("list_service_quotas", "list_aws_default_service_quotas")
# SageMaker has thousands of quotas; API ListServiceQuotas gives 100 at most.
_PAGE_SIZE = 100


def check(account: Account, plan: Plan) -> Iterator[Finding]:
    """Yield whether the instances fit, beside those that run in the region now."""
    name = f"{plan.instance_type} for endpoint usage"
    what = f"quota '{name}'"
    try:
        quota = _quota(account, name)
        used, is_there, unread = _used(account, plan)
    except (BotoCoreError, ClientError) as error:
        yield untold(what, error)
        return
    console = (
        f"https://{account.region}.console.aws.amazon.com/servicequotas/home/services/"
        f"sagemaker/quotas (search for {name!r}), or name a type there is room for"
    )
    if is_there:
        yield Finding(f"{what}: nothing more is needed, the endpoint runs as it is", True)
    elif quota is None:
        yield Finding(
            f"{what} is unknown to {account.region}: no endpoint may run on this type there",
            False,
            "name another type; https://aws.amazon.com/sagemaker/pricing/ lists those of a region",
        )
    else:
        free = quota - used
        seen = f"{what}: {quota:g}, used {used}, needed {plan.instance_count}"
        # An update starts the new instances beside the old ones.
        if plan.instance_count > free:
            yield Finding(seen, False, f"ask for more: {console}")
        elif unread:
            yield Finding(seen, None, f"not counted, for want of permission: {', '.join(unread)}")
        else:
            yield Finding(seen, True)


def _quota(account: Account, name: str) -> float | None:
    """Return the quota's value, the account's own or AWS's default; None where there is none."""
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
    used, is_there, unread = 0, False, []
    for page in account.sagemaker.get_paginator("list_endpoints").paginate():
        for endpoint in page["Endpoints"]:
            name = endpoint["EndpointName"]
            try:
                instances, config_name = _instances(account, name, plan.instance_type)
            except ClientError as error:
                if error_code(error).startswith("AccessDenied"):
                    unread.append(name)
                # Any other: deleted since it was listed.
                continue
            used += instances
            is_there |= name == plan.endpoint_name and config_name == plan.config_name
    return used, is_there, unread


def _instances(account: Account, endpoint: str, instance_type: str) -> tuple[int, str]:
    """Return how many instances of a type an endpoint has or is getting, and its configuration."""
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
