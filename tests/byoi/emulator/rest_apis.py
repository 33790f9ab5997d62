"""A REST API made with boto3 in front of an endpoint, and plain HTTP to call it."""

import contextlib
import http.client
import itertools
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from emulated_aws import Aws

from byoi.deployment import account

STAGE = "test"
TRUST = {
    "Effect": "Allow",
    "Principal": {"Service": "apigateway.amazonaws.com"},
    "Action": "sts:AssumeRole",
}
ALLOW = {"Effect": "Allow", "Action": "sagemaker:InvokeEndpoint", "Resource": "*"}
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Answer:
    """What a client got."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        return str(self.json["message"])


def call(url: str, body: bytes | None = b"hello", method: str = "POST", **headers: str) -> Answer:
    """Send one request; `content_type` is `Content-Type`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None:
        named.setdefault("content-type", "text/plain")
    request = urllib.request.Request(url, body, named, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return Answer(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as answer:
        with answer:
            return Answer(answer.code, answer.headers, answer.read())


def signed_call(
    session: boto3.Session,
    url: str,
    body: bytes | None = b"hello",
    method: str = "POST",
    *,
    service: str = "execute-api",
    **headers: str,
) -> Answer:
    """Send one request that botocore signed with the keys of a session."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named.setdefault("content-type", "text/plain")
    request = AWSRequest(method, url, named, body)
    SigV4Auth(session.get_credentials(), service, session.region_name).add_auth(request)
    return call(url, body, method, **dict(request.headers.items()))


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


class RestApi:
    """One API with one method, POST on one resource, and the role it invokes the endpoint as."""

    def __init__(self, aws: Aws, endpoint: str, path: str = "predictions", **api: Any) -> None:
        self.aws, self.endpoint = aws, endpoint
        self.gateway, self.iam = aws.client("apigateway"), aws.client("iam")
        self.role_name = f"api-{next(_numbers)}"
        made = self.iam.create_role(
            RoleName=self.role_name, AssumeRolePolicyDocument=document(TRUST)
        )
        self.role = made["Role"]["Arn"]
        self.allow(ALLOW)
        made = self.gateway.create_rest_api(name=self.role_name, **api)
        self.id, self.parent = made["id"], made["rootResourceId"]
        for part in path.split("/"):
            self.parent = self.gateway.create_resource(
                restApiId=self.id, parentId=self.parent, pathPart=part
            )["id"]
        self.where = {"restApiId": self.id, "resourceId": self.parent, "httpMethod": "POST"}
        self.root = account.invoke_url(self.gateway, self.id, STAGE)
        self.url = f"{self.root}/{path}"
        self.made: list[tuple[str, str]] = []

    def allow(self, *statements: dict[str, Any]) -> None:
        self.iam.put_role_policy(
            RoleName=self.role_name, PolicyName="policy", PolicyDocument=document(*statements)
        )

    def method(self, **parameters: Any) -> None:
        self.gateway.put_method(**{**self.where, "authorizationType": "NONE", **parameters})

    def integrate(self, **parameters: Any) -> None:
        uri = f"arn:aws:apigateway:us-east-1:runtime.sagemaker:path//endpoints/{self.endpoint}"
        given = {
            "type": "AWS",
            "integrationHttpMethod": "POST",
            "credentials": self.role,
            "uri": f"{uri}/invocations",
            **parameters,
        }
        self.gateway.put_integration(**self.where, **given)

    def respond(self, status: str = "200", **parameters: Any) -> None:
        self.gateway.put_method_response(
            **self.where,
            statusCode=status,
            responseParameters=dict.fromkeys(parameters.get("responseParameters", {}), False),
        )
        self.gateway.put_integration_response(**self.where, statusCode=status, **parameters)

    def deploy(self) -> "RestApi":
        self.gateway.create_deployment(restApiId=self.id, stageName=STAGE)
        return self

    def plan(self, **parameters: Any) -> tuple[dict[str, Any], str]:
        """Make a key and a usage plan, and return the key and the plan's id."""
        key = self.gateway.create_api_key(name=self.role_name, enabled=True)
        plan = self.gateway.create_usage_plan(
            name=self.role_name, apiStages=[{"apiId": self.id, "stage": STAGE}], **parameters
        )
        self.made.append((key["id"], plan["id"]))
        return key, plan["id"]

    def usual(self, **integration: Any) -> "RestApi":
        """Everything passes, in both directions."""
        self.method()
        self.integrate(**integration)
        self.respond()
        return self.deploy()

    def delete(self) -> None:
        for key, plan in self.made:
            self.gateway.delete_usage_plan(usagePlanId=plan)
            self.gateway.delete_api_key(apiKey=key)
        self.gateway.delete_rest_api(restApiId=self.id)
        self.iam.delete_role_policy(RoleName=self.role_name, PolicyName="policy")
        self.iam.delete_role(RoleName=self.role_name)


@contextlib.contextmanager
def usual(aws: Aws, endpoint: str, **integration: Any) -> Iterator[RestApi]:
    """An API through which everything passes, deployed and in the end deleted."""
    api = RestApi(aws, endpoint)
    try:
        yield api.usual(**integration)
    finally:
        api.delete()
