"""The table of what is vouched for: true of botocore's models, closed for all else, and tested."""

import re
from pathlib import Path

import pytest
import recorded_calls
from botocore.exceptions import ClientError
from moto.core.utils import get_service_model

from byoi.emulator import refusals, vouched

PAGE = Path(__file__).resolve().parents[3] / "docs" / "emulator.md"
ROWS = [(service, action) for service in vouched.services() for action in vouched.actions(service)]
# Of these the parameters of each action are listed, of the others the actions only.
CLOSED = ("sagemaker", "sagemaker-runtime", "logs", "cloudformation", "apigateway")


def of_lists(shape):
    while shape.type_name == "list":
        shape = shape.member
    return shape


def problems(shape, members, path=""):
    for name, member in members.items():
        if name not in shape.members:
            yield f"{path}{name} is not in the model"
            continue
        inner = of_lists(shape.members[name])
        if member.is_map:
            inner = of_lists(inner.value)
        if (inner.type_name == "structure") is not (member.members is not None):
            yield f"{path}{name} is a {inner.type_name}: its members are to be listed"
        elif member.members is not None:
            yield from problems(inner, member.members, f"{path}{name}.")


@pytest.mark.parametrize(("service", "action"), ROWS)
def test_a_row_is_one_of_the_model(service, action):
    model = get_service_model(service)
    assert action in model.operation_names
    row = vouched.row(service, action)
    shape = model.operation_model(action).input_shape
    if shape is None:
        assert not row.members
        assert not row.without
        return
    assert list(problems(shape, row.members)) == []
    assert row.without <= shape.members.keys()
    if service in CLOSED:
        assert not row.takes_all
    required = set(shape.required_members)
    assert required <= row.members.keys() or row.takes_all


def test_services_are_found_by_the_names_in_signatures():
    for service in vouched.services():
        path = "/endpoints/any/invocations" if service == "sagemaker-runtime" else "/"
        signed = get_service_model(service).signing_name
        assert vouched.service_of(signed, path) == service
    assert not refusals.is_emulated(vouched.service_of("apigateway", "/v2/apis"), "GetApis")


@pytest.mark.parametrize("service", CLOSED)
def test_what_botocore_adds_is_refused(service):
    assert refusals.find(service, "CreateTomorrow", {}) is not None
    for action in vouched.actions(service):
        what = refusals.find(service, action, {"Tomorrow": 1})
        assert what is not None
        assert what.startswith(f"{action} with ")
        assert "Tomorrow" in what


@pytest.mark.parametrize(
    ("action", "parameters", "what"),
    [
        ("CreateModel", {"PrimaryContainer": {"Tomorrow": 1}}, "PrimaryContainer.Tomorrow"),
        ("CreateModel", {"PrimaryContainer": {"Mode": "MultiModel"}},
         "PrimaryContainer.Mode=MultiModel (taken: SingleModel)"),
        ("CreateEndpointConfig", {"ProductionVariants": [{}, {"RoutingConfig": {"Tomorrow": 1}}]},
         "ProductionVariants.RoutingConfig.Tomorrow"),
        ("CreateEndpointConfig", {"DataCaptureConfig": {"DestinationS3Uri": "s3://a/b"}},
         "DataCaptureConfig.EnableCapture not given (taken: false)"),
        ("CreateEndpointConfig", {"DataCaptureConfig": {"EnableCapture": True}},
         "DataCaptureConfig.EnableCapture=true (taken: false)"),
        ("UpdateEndpoint", {"RetainAllVariantProperties": True},
         "RetainAllVariantProperties=true (taken: false)"),
    ],
)  # fmt: skip
def test_a_member_inside_is_named_by_its_path(action, parameters, what):
    assert refusals.find("sagemaker", action, parameters) == f"{action} with {what}"


@pytest.mark.parametrize(
    ("action", "parameters"),
    [
        ("CreateModel", {"PrimaryContainer": {"Mode": "SingleModel", "Image": None}}),
        ("CreateEndpointConfig", {"DataCaptureConfig": {"EnableCapture": False}}),
        # A template's boolean may be a text.
        ("CreateEndpointConfig", {"DataCaptureConfig": {"EnableCapture": "false"}}),
        ("UpdateEndpoint", {"RetainAllVariantProperties": False}),
    ],
)
def test_what_is_taken_passes(action, parameters):
    assert refusals.find("sagemaker", action, parameters) is None


def idle(members):
    for name, member in members.items():
        if not member.has_effect:
            yield name
        elif member.members is not None:
            yield from idle(member.members)


def test_what_has_no_effect_is_on_the_page():
    page = PAGE.read_text(encoding="utf-8")
    names = {name for row in ROWS for name in idle(vouched.row(*row).members)}
    assert len(names) > 20
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []


def refused_of(shape, members):
    """Members of the model that the table lacks, at each level that it has."""
    for name, member in shape.members.items():
        if name not in members:
            yield name
        elif members[name].members is not None:
            yield from refused_of(of_lists(member), members[name].members)


@pytest.mark.parametrize(
    "action",
    ["CreateModel", "CreateEndpointConfig", "CreateEndpoint", "UpdateEndpoint",
     "UpdateEndpointWeightsAndCapacities"],
)  # fmt: skip
def test_what_an_endpoint_cannot_have_is_on_the_page(action):
    text = PAGE.read_text(encoding="utf-8")
    page = text.partition("## What it refuses")[2].partition("\n## ")[0]
    shape = get_service_model("sagemaker").operation_model(action).input_shape
    names = set(refused_of(shape, vouched.row("sagemaker", action).members))
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []


@pytest.mark.parametrize(
    ("service", "call", "parameters", "what"),
    [
        ("resourcegroupstaggingapi", "get_resources", {}, "GetResources of tagging"),
        ("service-quotas", "list_service_quotas", {"ServiceCode": "vpc"},
         "ListServiceQuotas of servicequotas"),
        ("logs", "start_query",
         {"logGroupName": "a", "startTime": 0, "endTime": 1, "queryString": "fields @message"},
         "StartQuery of logs"),
        ("logs", "get_log_events",
         {"logGroupName": "a", "logStreamName": "b", "unmask": True}, "GetLogEvents with unmask"),
        ("cloudformation", "create_stack",
         {"StackName": "a", "TemplateBody": "{}", "TimeoutInMinutes": 5},
         "CreateStack with TimeoutInMinutes"),
        ("cloudformation", "create_change_set",
         {"StackName": "a", "TemplateBody": "{}", "ChangeSetName": "a", "ChangeSetType": "IMPORT"},
         "CreateChangeSet with ChangeSetType=IMPORT (taken: CREATE, UPDATE)"),
        ("cloudformation", "create_stack",
         {"StackName": "a", "TemplateBody": "{}", "NotificationARNs": ["arn:aws:sns:a:1:b"]},
         "NotificationARNs=arn:aws:sns:a:1:b (taken: none)"),
        ("cloudformation", "detect_stack_drift", {"StackName": "a"},
         "DetectStackDrift of cloudformation"),
        ("apigateway", "get_stages", {"restApiId": "a", "deploymentId": "b"},
         "GetStages with deploymentId"),
        ("cloudformation", "create_stack_set", {"StackSetName": "a"},
         "CreateStackSet of cloudformation"),
        ("apigateway", "create_rest_api", {"name": "a", "securityPolicy": "TLS_1_2"},
         "CreateRestApi with securityPolicy"),
        ("apigateway", "get_sdk", {"restApiId": "a", "stageName": "b", "sdkType": "java"},
         "GetSdk of API Gateway"),
        ("apigatewayv2", "get_apis", {}, "GET /v2/apis of apigateway"),
        ("s3", "get_object",
         {"Bucket": "byoi-emulator", "Key": "a", "SSECustomerAlgorithm": "AES256",
          "SSECustomerKey": "k" * 32}, "GetObject with SSECustomer"),
        ("s3", "put_object",
         {"Bucket": "byoi-emulator", "Key": "a", "ObjectLockLegalHoldStatus": "ON"},
         "PutObject with ObjectLockLegalHoldStatus"),
        ("s3", "put_object", {"Bucket": "byoi-emulator", "Key": "a", "ACL": "public-read"},
         "PutObject with ACL"),
        ("s3", "head_bucket", {"Bucket": "byoi-emulator", "ExpectedBucketOwner": "1" * 12},
         None),
        ("s3", "get_object_acl", {"Bucket": "byoi-emulator", "Key": "a"}, "GetObjectAcl of s3"),
        ("s3", "put_bucket_lifecycle_configuration",
         {"Bucket": "byoi-emulator", "LifecycleConfiguration": {"Rules": []}},
         "PutBucketLifecycleConfiguration of s3"),
        ("iam", "create_instance_profile", {"InstanceProfileName": "a"},
         "CreateInstanceProfile of iam"),
        ("sts", "assume_role",
         {"RoleArn": "arn:aws:iam::123456789012:role/abcdefgh", "RoleSessionName": "ab",
          "SerialNumber": "123456789", "TokenCode": "123456"},
         "AssumeRole with SerialNumber, TokenCode"),
        ("ecr", "describe_repositories", {"registryId": "1" * 12},
         "DescribeRepositories with registryId=111111111111"),
    ],
)  # fmt: skip
def test_each_service_is_closed(in_processes, service, call, parameters, what):
    with pytest.raises(ClientError) as caught:
        getattr(in_processes.client(service), call)(**parameters)
    answer = caught.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 501
    if what is not None:  # the answer to HEAD has no body
        assert answer["Error"]["Code"] == "NotEmulated"
        assert what in answer["Error"]["Message"]


def parameters_of(service, action):
    """The path of each parameter that is sent outside of a raw body."""

    def walk(members, before=""):
        for name, member in members.items():
            yield f"{before}{name}"
            if member.members is not None and not member.is_map:
                yield from walk(member.members, f"{before}{name}.")

    shape = get_service_model(service).operation_model(action).input_shape
    raw = None if shape is None else shape.serialization.get("payload")
    return [path for path in walk(vouched.row(service, action).members) if path != raw]


def test_every_row_is_sent_by_a_test():
    """The last test of the folder; where only a part runs, it is left out."""
    sent: dict[tuple[str, str], set[str]] = {}
    for call in recorded_calls.all_of_them():
        if call["operation"] and call["status"] < 400:
            names = set(recorded_calls.paths(call["parameters"]))
            sent.setdefault(tuple(call["operation"]), set()).update(names)
    missing = [" ".join(row) for row in ROWS if row not in sent]
    missing += [
        f"{service} {action} with {path}"
        for service, action in ROWS
        if service in CLOSED and (service, action) in sent
        for path in parameters_of(service, action)
        if path not in sent[service, action]
    ]
    assert missing == [], "no test has a success of these"


def test_the_paths_of_a_calls_parameters():
    given = {"Tags": [{"Key": "a"}], "Parameters.member.1.ParameterKey": "b", "one.2": "c"}
    assert set(recorded_calls.paths(given)) == {
        *("Tags", "Tags.Key", "Parameters", "Parameters.ParameterKey", "one"),
    }
    assert re.fullmatch("test_.*", recorded_calls.LAST)
