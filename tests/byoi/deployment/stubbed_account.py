"""An account whose answers a test writes down; botocore checks them against AWS's own shapes."""

from typing import Any

import boto3
from botocore.stub import Stubber

from byoi.deployment.account import Account
from byoi.deployment.plan import Plan

REGION = "eu-central-1"
NUMBER = "123456789012"
ROLE = f"arn:aws:iam::{NUMBER}:role/byoi-role"
IMAGE = f"{NUMBER}.dkr.ecr.{REGION}.amazonaws.com/byoi:1"


class StubbedAccount(Account):
    """An account without a network.

    Attributes:
        stubs: boto3's name of a service to where its answers are written.
    """

    def __init__(self) -> None:
        self.stubs: dict[str, Stubber] = {}
        session = boto3.Session(
            aws_access_key_id="any", aws_secret_access_key="any", region_name=REGION
        )
        super().__init__(session, environ={})

    def client(self, service: str, *, region: str | None = None) -> Any:
        """A client that answers what the test wrote, and nothing else."""
        client = super().client(service, region=region)
        if service not in self.stubs:
            self.stubs[service] = Stubber(client)
            self.stubs[service].activate()
        return client

    def answer(self, service: str, call: str, answer: dict[str, Any], **expected: Any) -> None:
        """Write down what a call is answered with, and the parameters it must have."""
        self.client(service)
        self.stubs[service].add_response(call, answer, expected or None)

    def refuse(self, service: str, call: str, code: str, status: int = 400) -> None:
        """Write down what a call is refused with."""
        self.client(service)
        self.stubs[service].add_client_error(call, code, "no. And more", status)


def make_plan(**changes: Any) -> Plan:
    """A plan with as little as may be."""
    wanted = {"image_uri": IMAGE, "model_data_url": None, "role_arn": ROLE, **changes}
    return Plan("reviews", **wanted)
