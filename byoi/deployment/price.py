"""The price of an endpoint per hour, from AWS's Price List API; no price is written here.

Sources: API pricing_GetProducts (the answer's shape); Price List Query API, "Service Endpoint"
(us-east-1, eu-central-1 and ap-south-1 only); AmazonSageMaker's attributes `instanceName`,
`regionCode`, `component` and `platoinstancetype`, as aws-samples use them.
"""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from byoi.deployment.account import Account
from byoi.deployment.plan import Plan

# A region whose API answers for all regions.
API_REGION = "us-east-1"
# Real-time endpoints; the same instance has other prices for training and other work.
_COMPONENT = "Hosting"
OFFLINE = "price: not known offline"


def line(account: Account, plan: Plan) -> str:
    """Return the price of a plan's instances per hour as one line; never raise."""
    try:
        client = account.client("pricing", region=API_REGION)
    except BotoCoreError:
        return OFFLINE
    return per_hour_line(client, plan.instance_type, account.region, plan.instance_count)


def per_hour_line(pricing: Any, instance_type: str, region: str, count: int) -> str:
    """Return the price of an endpoint's instances per hour as one line; never raise.

    Args:
        pricing: boto3's client of that name, in `API_REGION`.
        instance_type: Such as `ml.m5.large`.
        region: Region of the instances.
        count: Number of instances.
    """
    try:
        found = sorted(set(_prices(pricing, instance_type, region)))
    except (BotoCoreError, ClientError):
        return OFFLINE
    if not found:
        return f"price: not known for {instance_type} in {region}"
    total = " to ".join(f"{(price * count).normalize():f}" for price in _ends(found))
    return f"price: {total} USD per hour for {count} {instance_type} in {region}"


def _prices(pricing: Any, instance_type: str, region: str) -> Iterator[Decimal]:
    """Yield the on-demand prices of one instance hour, in US dollars."""
    wanted = {"instanceName": instance_type, "regionCode": region}
    pages = pricing.get_paginator("get_products").paginate(
        ServiceCode="AmazonSageMaker",
        Filters=[
            {"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in wanted.items()
        ],
        FormatVersion="aws_v1",
    )
    for page in pages:
        for text in page["PriceList"]:
            entry = json.loads(text)
            attributes = entry["product"]["attributes"]
            # Entries have one of these two names for the same attribute.
            if _COMPONENT in {attributes.get("component"), attributes.get("platoinstancetype")}:
                yield from _hourly(entry["terms"].get("OnDemand", {}))


def _hourly(terms: dict[str, Any]) -> Iterator[Decimal]:
    for term in terms.values():
        for dimension in term["priceDimensions"].values():
            price = Decimal(dimension["pricePerUnit"].get("USD", "0"))
            # A price of 0 is the free tier's.
            if dimension["unit"] == "Hrs" and price:
                yield price


def _ends(prices: list[Decimal]) -> list[Decimal]:
    return prices[:1] if len(prices) == 1 else [prices[0], prices[-1]]
