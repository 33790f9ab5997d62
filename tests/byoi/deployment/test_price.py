"""The line with the price: the answer's shape is that of the API's own page.

docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_pricing_GetProducts.html,
"Sample Response"; names and values of AmazonSageMaker's attributes are those that public
users of the API filter by. No answer of AWS itself was at hand.
"""

import json

import pytest
from botocore.exceptions import EndpointConnectionError
from stubbed_account import StubbedAccount, make_plan

from byoi.deployment import price

TYPE, REGION = "ml.m5.large", "eu-central-1"


def entry(usd: str, *, unit: str = "Hrs", **attributes: str) -> str:
    """One string of PriceList."""
    sku = "WQGC34PB2AWS8R4U"
    dimension = {
        "unit": unit,
        "endRange": "Inf",
        "description": "made up",
        "appliesTo": [],
        "rateCode": f"{sku}.JRTCKXETXF.6YS6EN2CT7",
        "beginRange": "0",
        "pricePerUnit": {"USD": usd},
    }
    term = {
        "priceDimensions": {f"{sku}.JRTCKXETXF.6YS6EN2CT7": dimension},
        "sku": sku,
        "effectiveDate": "2017-08-01T00:00:00Z",
        "offerTermCode": "JRTCKXETXF",
        "termAttributes": {},
    }
    product = {"productFamily": "ML Instance", "attributes": attributes, "sku": sku}
    return json.dumps(
        {
            "product": product,
            "serviceCode": "AmazonSageMaker",
            "terms": {"OnDemand": {f"{sku}.JRTCKXETXF": term}},
            "version": "20170901182201",
            "publicationDate": "2017-09-01T18:22:01Z",
        }
    )


HOSTING = entry("0.1380000000", component="Hosting", platoinstancetype="Hosting")


def lines(*pages: list[str], count: int = 1) -> str:
    account = StubbedAccount()
    filters = [
        {"Type": "TERM_MATCH", "Field": "instanceName", "Value": TYPE},
        {"Type": "TERM_MATCH", "Field": "regionCode", "Value": REGION},
    ]
    for number, page in enumerate(pages):
        token = {"NextToken": str(number)} if number + 1 < len(pages) else {}
        asked = {"NextToken": str(number - 1)} if number else {}
        account.answer(
            "pricing",
            "get_products",
            {"FormatVersion": "aws_v1", "PriceList": page, **token},
            ServiceCode="AmazonSageMaker",
            Filters=filters,
            FormatVersion="aws_v1",
            **asked,
        )
    return price.per_hour_line(account.client("pricing"), TYPE, REGION, count)


@pytest.mark.parametrize(
    ("entries", "count", "line"),
    [
        ([HOSTING], 1, "price: 0.138 USD per hour for 1 ml.m5.large in eu-central-1"),
        ([HOSTING], 3, "price: 0.414 USD per hour for 3 ml.m5.large in eu-central-1"),
        ([entry("10", component="Hosting")], 1, "price: 10 USD per hour for 1 ml.m5.large in"),
        # One of the two names is enough.
        ([entry("0.2", platoinstancetype="Hosting")], 1, "price: 0.2 USD per hour"),
        # What training costs, what a month costs, and the hours that are free, is no price of it.
        ([entry("9", component="Training"), HOSTING], 1, "price: 0.138 USD"),
        ([entry("9", unit="GB-Mo", component="Hosting"), HOSTING], 1, "price: 0.138 USD"),
        ([entry("0.0000000000", component="Hosting"), HOSTING], 1, "price: 0.138 USD"),
        ([entry("0.2", component="Hosting"), HOSTING], 1, "price: 0.138 to 0.2 USD per hour"),
        ([], 1, "price: not known for ml.m5.large in eu-central-1"),
        ([entry("9", component="Training")], 1, "price: not known for ml.m5.large in"),
    ],
)
def test_the_line_has_what_endpoints_cost(entries, count, line) -> None:
    assert lines(entries, count=count).startswith(line)


def test_all_pages_are_read() -> None:
    assert lines([], [HOSTING]).startswith("price: 0.138 USD")


def test_who_may_not_ask_is_told_that_it_is_not_known() -> None:
    account = StubbedAccount()
    account.refuse("pricing", "get_products", "AccessDeniedException")
    assert price.line(account, make_plan()) == "price: not known offline"


class Offline:
    """A client in a network that ends here."""

    def get_paginator(self, _name):
        return self

    def paginate(self, **_filters):
        raise EndpointConnectionError(endpoint_url="https://api.pricing.us-east-1.amazonaws.com/")


def test_offline_it_is_not_known() -> None:
    assert price.per_hour_line(Offline(), TYPE, REGION, 1) == "price: not known offline"


def test_the_api_is_asked_where_it_answers_for_all_regions() -> None:
    account = StubbedAccount()
    account.refuse("pricing", "get_products", "any")
    client = account.client("pricing", region=price.API_REGION)
    assert "us-east-1" in client.meta.endpoint_url
    # A price is not worth waiting for.
    assert client.meta.config.retries["total_max_attempts"] == 1
