"""What is left of a quota: the account's own value, less what runs in the region."""

import datetime as dt

import pytest
from stubbed_account import NUMBER, REGION, StubbedAccount, make_plan

from byoi.deployment import quota

NAME = "ml.m5.large for endpoint usage"
WHEN = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
TYPE = "ml.m5.large"


def value(number, name=NAME):
    return {"ServiceCode": "sagemaker", "QuotaName": name, "Value": number}


def answer_quotas(account, own, default=None):
    """The account's quotas, and AWS's where these are asked for."""
    for call, quotas in (
        ("list_service_quotas", own),
        ("list_aws_default_service_quotas", default),
    ):
        if quotas is not None:
            asked = {"ServiceCode": "sagemaker", "MaxResults": 100}
            account.answer("service-quotas", call, {"Quotas": quotas}, **asked)


def answer_endpoints(account, **endpoints):
    """Endpoints that run: name to (type, current count, desired count), None without a right."""
    listed = [
        {
            "EndpointName": name,
            "EndpointArn": f"arn:aws:sagemaker:{REGION}:{NUMBER}:endpoint/{name}",
            "CreationTime": WHEN,
            "LastModifiedTime": WHEN,
            "EndpointStatus": "InService",
        }
        for name in endpoints
    ]
    account.answer("sagemaker", "list_endpoints", {"Endpoints": listed})
    for name, variant in endpoints.items():
        if isinstance(variant, str):
            account.refuse("sagemaker", "describe_endpoint", variant)
            continue
        kind, current, desired, config = (*variant, f"{name}-config")[:4]
        counts = {"CurrentInstanceCount": current, "DesiredInstanceCount": desired}
        described = {**next(one for one in listed if one["EndpointName"] == name)}
        described |= {
            "EndpointConfigName": config,
            "ProductionVariants": [{"VariantName": "AllTraffic", **counts}],
        }
        account.answer("sagemaker", "describe_endpoint", described, EndpointName=name)
        produced = {"VariantName": "AllTraffic", "ModelName": "any", "InstanceType": kind}
        account.answer(
            "sagemaker",
            "describe_endpoint_config",
            {
                "EndpointConfigName": config,
                "EndpointConfigArn": f"arn:aws:sagemaker:{REGION}:{NUMBER}:endpoint-config/any",
                "ProductionVariants": [produced],
                "CreationTime": WHEN,
            },
            EndpointConfigName=config,
        )


def look(account, **plan):
    (finding,) = quota.check(account, make_plan(**plan))
    return finding


@pytest.mark.parametrize(
    ("own", "running", "count", "is_ok", "seen"),
    [
        (2, {}, 1, True, "2, used 0, needed 1"),
        (2, {}, 3, False, "2, used 0, needed 3"),
        (0, {}, 1, False, "0, used 0, needed 1"),
        (2, {"other": (TYPE, 1, 1)}, 1, True, "2, used 1, needed 1"),
        (2, {"other": (TYPE, 1, 2)}, 1, False, "2, used 2, needed 1"),
        (2, {"other": ("ml.c5.large", 2, 2)}, 1, True, "2, used 0, needed 1"),
        (2, {"a": (TYPE, 1, 1), "b": (TYPE, 1, 1)}, 1, False, "2, used 2, needed 1"),
        # An update of ours starts the new instance beside the old one.
        (1, {"reviews": (TYPE, 1, 1)}, 1, False, "1, used 1, needed 1"),
        # What was deleted since it was listed uses nothing.
        (1, {"gone": "ValidationException"}, 1, True, "1, used 0, needed 1"),
    ],
)
def test_what_runs_counts(own, running, count, is_ok, seen) -> None:
    account = StubbedAccount()
    answer_quotas(account, [value(9, "ml.m5.large for training job usage"), value(own)])
    answer_endpoints(account, **running)
    finding = look(account, instance_count=count)
    assert (finding.is_ok, seen in finding.what) == (is_ok, True), finding
    assert ("console.aws.amazon.com/servicequotas" in finding.remedy) is not is_ok


def test_where_the_account_has_no_value_of_its_own_aws_default_counts() -> None:
    account = StubbedAccount()
    answer_quotas(account, [], [value(4)])
    answer_endpoints(account)
    assert look(account).is_ok is True


def test_a_type_without_a_quota_cannot_be_had() -> None:
    account = StubbedAccount()
    answer_quotas(account, [], [value(4)])
    answer_endpoints(account)
    finding = look(account, instance_type="ml.p9.large")
    assert (finding.is_ok, "does not exist in eu-central-1" in finding.what) == (False, True)


def test_what_runs_as_planned_needs_no_more() -> None:
    account = StubbedAccount()
    answer_quotas(account, [value(1)])
    answer_endpoints(account, reviews=(TYPE, 1, 1, make_plan().config_name))
    assert look(account).is_ok is True


def test_endpoints_one_may_not_look_at_are_named() -> None:
    account = StubbedAccount()
    answer_quotas(account, [value(2)])
    answer_endpoints(account, secret="AccessDeniedException", other=(TYPE, 1, 1))
    finding = look(account)
    assert (finding.is_ok, "secret" in finding.remedy) == (None, True)


def test_quotas_that_are_not_answered_are_not_known() -> None:
    account = StubbedAccount()
    account.refuse("service-quotas", "list_service_quotas", "AccessDeniedException")
    finding = look(account)
    assert finding.is_ok is None
    assert finding.remedy == "ListServiceQuotas was refused (AccessDeniedException: no)"
