"""What a recorded call needs of IAM: actions, each with the resource and the context it is for.

Sources: Service Authorization Reference (list_amazonsagemaker.html and its kin) for resources;
S3 API reference, "Permissions" of each operation; the registry schemas that CloudFormation
publishes for its resource types (`handlers`, `permissions`), of which those count that
a resource of ours uses: roles have neither managed policies nor tags.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml
from iam_policy import ACCOUNT

REGION = "us-east-1"
_ROLE_READS = ("GetRole", "GetRolePolicy", "ListAttachedRolePolicies", "ListRolePolicies")
_ROLE = {
    "CreateStack": ("CreateRole", "PutRolePolicy", *_ROLE_READS),
    "DeleteStack": ("DeleteRole", "DeleteRolePolicy", *_ROLE_READS),
}
# Type to path, and to the methods that make and delete one. CloudFormation tags some of them.
_GATEWAY = {
    "RestApi": ("/restapis", ("POST", "GET", "PUT", "PATCH"), ("DELETE",)),
    "Resource": ("/restapis/any/resources/any", ("POST", "GET"), ("DELETE",)),
    "Method": ("/restapis/any/resources/any/methods/any", ("PUT", "GET"), ("DELETE",)),
    "Deployment": ("/restapis/any/deployments", ("POST", "GET"), ("DELETE", "GET")),
    "Model": ("/restapis/any/models", ("POST", "GET"), ("DELETE", "GET")),
    "Stage": ("/restapis/any/stages", ("POST", "PATCH", "GET", "PUT"), ("DELETE",)),
    "UsagePlan": ("/usageplans", ("POST", "GET", "PUT"), ("DELETE",)),
    "UsagePlanKey": ("/usageplans/any/keys", ("POST", "GET"), ("DELETE",)),
    "ApiKey": ("/apikeys", ("POST", "GET", "PUT"), ("DELETE", "GET")),
    "RequestValidator": ("/restapis/any/requestvalidators", ("POST", "GET"), ("DELETE",)),
    "GatewayResponse": ("/restapis/any/gatewayresponses", ("PUT", "GET"), ("DELETE", "GET")),
}
_TAGGED = ("ApiKey", "RestApi", "Stage", "UsagePlan")
_LOG_GROUP = {
    "CreateStack": ("CreateLogGroup", "PutRetentionPolicy", "TagResource", "DescribeLogGroups"),
    "DeleteStack": ("DeleteLogGroup", "DescribeLogGroups"),
}
# Of these, CloudFormation asks in the administrator's name alone.
_BUCKET = ("AWS::S3::Bucket", "AWS::S3::BucketPolicy")
_SAGEMAKER = {
    "EndpointName": "endpoint",
    "EndpointConfigName": "endpoint-config",
    "ModelName": "model",
}
_VIA = {"aws:CalledVia": "cloudformation.amazonaws.com"}
# Of these the caller needs no permission, or there is none.
_FREE = {("sts", "GetCallerIdentity")}


@dataclass(frozen=True)
class Need:
    """One action that a call needs."""

    action: str
    resource: str = "*"
    context: Mapping[str, str] = field(default_factory=dict)


class Needs:
    """Reads calls in their order: a stack's deletion needs what its template needs."""

    def __init__(self) -> None:
        self._stacks: dict[str, tuple[list[dict[str, Any]], dict[str, str]]] = {}
        self._key_tags: dict[str, str] = {}

    def of(self, call: Mapping[str, Any]) -> Iterator[Need]:
        """Yield what one call needs."""
        service, action = call["service"], call["action"]
        if (service, action) in _FREE:
            return
        yield from getattr(self, f"_{service.replace('-', '_')}")(call, action)

    def _sagemaker(self, call: Mapping[str, Any], action: str) -> Iterator[Need]:
        if match := re.fullmatch(r"POST /endpoints/([^/]+)/invocations", action):
            yield Need("sagemaker:InvokeEndpoint", _arn("sagemaker", f"endpoint/{match[1]}"))
            return
        parameters = call["parameters"]
        resources = [
            _arn("sagemaker", f"{kind}/{parameters[name]}")
            for name, kind in _SAGEMAKER.items()
            if name in parameters
        ]
        if "ResourceArn" in parameters:
            resources.append(parameters["ResourceArn"])
        for resource in resources or ["*"]:
            yield Need(f"sagemaker:{action}", resource)
        if action.startswith("Create") and parameters.get("Tags"):
            # What is made with tags; the endpoint's name comes before its configuration's.
            yield Need("sagemaker:AddTags", resources[0])
        if role := parameters.get("ExecutionRoleArn"):
            yield Need("iam:PassRole", role, {"iam:PassedToService": "sagemaker.amazonaws.com"})

    def _s3(self, call: Mapping[str, Any], action: str) -> Iterator[Need]:
        method, _, path = action.partition(" ")
        bucket, _, key = path.strip("/").partition("/")
        query = call["query"]
        if not bucket:
            yield Need("s3:ListAllMyBuckets")
            return
        context = {"aws:ResourceAccount": ACCOUNT}
        if not key:
            name = {"HEAD": "ListBucket", "GET": "ListBucket", "PUT": "CreateBucket"}[method]
            yield Need(f"s3:{name}", f"arn:aws:s3:::{bucket}", context)
            return
        name = {"HEAD": "GetObject", "GET": "GetObject", "DELETE": "DeleteObject"}.get(
            method, "PutObject"
        )
        if method == "DELETE" and "uploadId=" in query:
            name = "AbortMultipartUpload"
        yield Need(f"s3:{name}", f"arn:aws:s3:::{bucket}/{key}", context)

    def _ecr(self, call: Mapping[str, Any], action: str) -> Iterator[Need]:
        parameters = call["parameters"]
        names = parameters.get("repositoryNames", [parameters.get("repositoryName")])
        for name in names:
            yield Need(f"ecr:{action}", _arn("ecr", f"repository/{name}") if name else "*")

    def _logs(self, call: Mapping[str, Any], action: str) -> Iterator[Need]:
        parameters = call["parameters"]
        if "resourceArn" in parameters:
            yield Need(f"logs:{action}", parameters["resourceArn"])
            return
        group = parameters.get("logGroupName")
        if group is None:
            yield Need(f"logs:{action}")
            return
        stream = parameters.get("logStreamName")
        suffix = f":log-stream:{stream}" if stream else ""
        yield Need(f"logs:{action}", _arn("logs", f"log-group:{group}{suffix}"))

    def _iam(self, call: Mapping[str, Any], action: str) -> Iterator[Need]:
        parameters = call["parameters"]
        resource = parameters.get("PolicySourceArn") or _role(parameters["RoleName"])
        yield Need(f"iam:{action}", resource)

    def _servicequotas(self, _call: Mapping[str, Any], action: str) -> Iterator[Need]:
        yield Need(f"servicequotas:{action}")

    def _pricing(self, _call: Mapping[str, Any], action: str) -> Iterator[Need]:
        yield Need(f"pricing:{action}")

    def _apigateway(self, _call: Mapping[str, Any], action: str) -> Iterator[Need]:
        method, _, path = action.partition(" ")
        yield _gateway(method, path, self._key_tags if path.startswith("/apikeys/") else None)

    def _execute_api(self, _call: Mapping[str, Any], action: str) -> Iterator[Need]:
        name, _, arn = action.partition(" ")
        yield Need(f"execute-api:{name}", arn)

    def _cloudformation(self, call: Mapping[str, Any], action: str) -> Iterator[Need]:
        parameters = call["parameters"]
        # Where a stack is named by its ARN, its name is in there.
        given = parameters.get("StackName", "")
        name = given.split("/")[1] if given.startswith("arn:") else given
        resource = _arn("cloudformation", f"stack/{name}/any") if name else "*"
        yield Need(f"cloudformation:{action}", resource)
        if action == "CreateStack":
            template = yaml.load(parameters["TemplateBody"], Loader=_Loader)
            values = {
                parameters[f"Parameters.member.{number}.ParameterKey"]: parameters[
                    f"Parameters.member.{number}.ParameterValue"
                ]
                for number in range(1, 20)
                if f"Parameters.member.{number}.ParameterKey" in parameters
            }
            self._stacks[name] = (list(template["Resources"].values()), values)
            self._key_tags.update(_tags(template["Resources"].values(), values))
        if action in _ROLE and name in self._stacks:
            resources, values = self._stacks[name]
            # A bucket is made by an administrator, and not where one is named.
            for one in resources:
                if one["Type"] in _BUCKET and values.get("Bucket"):
                    continue
                yield from _resource(name, action, one, values)


def _resource(
    stack: str, action: str, resource: Mapping[str, Any], values: Mapping[str, str]
) -> Iterator[Need]:
    """Yield what CloudFormation calls in the caller's name for one resource."""
    _, service, kind = resource["Type"].split("::")
    if (service, kind) == ("IAM", "Role"):
        context = dict(_VIA)
        if "PermissionsBoundary" in resource["Properties"] and "PermissionsBoundary" in values:
            context["iam:PermissionsBoundary"] = values["PermissionsBoundary"]
        for name in _ROLE[action]:
            yield Need(f"iam:{name}", _role(f"{stack}-any"), context)
        return
    if (service, kind) == ("Logs", "LogGroup"):
        for name in _LOG_GROUP[action]:
            # The account's groups are described, the stack's alone is changed.
            group = "*" if name == "DescribeLogGroups" else f"log-group:/aws/apigateway/{stack}"
            yield Need(f"logs:{name}", group if group == "*" else _arn("logs", group), _VIA)
        return
    assert service == "ApiGateway", f"{resource['Type']}: nobody has looked up what it needs"
    path, create, delete = _GATEWAY[kind]
    if action == "DeleteStack":
        create = delete
    elif kind in _TAGGED:
        yield _gateway("PUT", "/tags/any", _VIA)
    for method in create:
        yield _gateway(method, path, _VIA)
    if kind == "Method" and action == "CreateStack":
        context = {"iam:PassedToService": "apigateway.amazonaws.com"}
        yield Need("iam:PassRole", _role(f"{stack}-any"), context)


def _tags(
    resources: Iterable[Mapping[str, Any]], values: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Yield the condition keys of the API keys' tags, and their values."""
    for one in resources:
        if one["Type"] == "AWS::ApiGateway::ApiKey":
            for tag in one["Properties"].get("Tags", ()):
                value = values.get(tag["Value"], tag["Value"])
                yield f"aws:ResourceTag/{tag['Key']}", value


def _gateway(method: str, path: str, context: Mapping[str, str] | None = None) -> Need:
    return Need(f"apigateway:{method}", f"arn:aws:apigateway:{REGION}::{path}", context or {})


def _arn(service: str, rest: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}"


def _role(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


class _Loader(yaml.SafeLoader):
    """Takes CloudFormation's short functions for the values they stand before."""


def _value(loader: yaml.SafeLoader, _suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_mapping(node, deep=True)


_Loader.add_multi_constructor("!", _value)
