"""Types of resources in a stack, with what each requires and without; templates and exports."""

import json
from pathlib import Path

import cfnlint
import pytest
from botocore.exceptions import ClientError

from byoi.emulator.aws.resource_schemas import SCHEMAS

FOLDER = Path(cfnlint.__file__).parent / "data" / "schemas" / "resources"
PUBLISHED = {
    one["typeName"]: one
    for one in (json.loads(path.read_text("utf-8")) for path in FOLDER.glob("*.json"))
    if one.get("typeName") in SCHEMAS
}
IAM = {"Capabilities": ["CAPABILITY_NAMED_IAM"]}
TRUST = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"},
     "Action": "sts:AssumeRole"}]}  # fmt: skip
POLICY = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}  # fmt: skip
API = {"Ref": "Api"}
ROOT = {"Fn::GetAtt": ["Api", "RootResourceId"]}
PLAN = {"Type": "AWS::ApiGateway::UsagePlan"}
AROUND = {
    "Api": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": "api"}},
    "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST}},
    "Data": {"Type": "AWS::S3::Bucket"},
    "Plan": PLAN,
    "Key": {"Type": "AWS::ApiGateway::ApiKey"},
}
# What each requires, and no more.
REQUIRED = {
    "AWS::ApiGateway::ApiKey": {},
    "AWS::ApiGateway::GatewayResponse": {"RestApiId": API, "ResponseType": "DEFAULT_4XX"},
    "AWS::ApiGateway::Method": {"RestApiId": API, "ResourceId": ROOT, "HttpMethod": "GET"},
    "AWS::ApiGateway::Model": {"RestApiId": API},
    "AWS::ApiGateway::RequestValidator": {"RestApiId": API},
    "AWS::ApiGateway::Resource": {"RestApiId": API, "ParentId": ROOT, "PathPart": "a"},
    "AWS::ApiGateway::UsagePlan": {},
    "AWS::ApiGateway::UsagePlanKey": {
        "KeyId": {"Ref": "Key"}, "KeyType": "API_KEY", "UsagePlanId": {"Ref": "Plan"}
    },
    "AWS::ECR::Repository": {},
    "AWS::IAM::ManagedPolicy": {"PolicyDocument": POLICY},
    "AWS::IAM::Role": {"AssumeRolePolicyDocument": TRUST},
    "AWS::Logs::LogGroup": {},
    "AWS::S3::Bucket": {},
    "AWS::S3::BucketPolicy": {"Bucket": {"Ref": "Data"}, "PolicyDocument": POLICY},
}  # fmt: skip


@pytest.fixture
def make(in_processes):
    """Make a stack of one resource and return its status and reason; it is deleted again."""
    client = in_processes.client("cloudformation")

    def made(type_, properties):
        resources = {**AROUND, "It": {"Type": type_, "Properties": properties}}
        body = json.dumps({"Resources": resources})
        client.create_stack(StackName="types", TemplateBody=body, **IAM)
        (stack,) = client.describe_stacks(StackName="types")["Stacks"]
        client.delete_stack(StackName="types")
        assert client.describe_stacks()["Stacks"] == []
        return stack["StackStatus"], stack.get("StackStatusReason", "")

    return made


@pytest.mark.parametrize("type_", SCHEMAS)
def test_the_schema_is_the_published_one(type_):
    published, schema = PUBLISHED[type_], SCHEMAS[type_]

    def names(key):
        paths = [one.split("/") for one in published.get(key) or ()]
        return {path[2] for path in paths if len(path) == 3}

    read_only = names("readOnlyProperties")
    assert set(schema.required.split()) == set(published.get("required") or ())
    assert set(schema.attributes.split()) == read_only
    assert set(schema.properties.split()) == set(published["properties"]) - read_only
    assert set(schema.fixed.split()) == names("createOnlyProperties") - read_only


@pytest.mark.parametrize("type_", REQUIRED)
def test_what_has_only_what_is_required_is_made(make, type_):
    assert make(type_, REQUIRED[type_]) == ("CREATE_COMPLETE", "")


@pytest.mark.parametrize(
    ("type_", "name"),
    [(type_, name) for type_, schema in SCHEMAS.items() for name in schema.required.split()],
)
def test_a_required_property_that_is_missing_is_named(make, type_, name):
    properties = {key: one for key, one in REQUIRED.get(type_, {}).items() if key != name}
    status, reason = make(type_, properties)
    assert status == "ROLLBACK_COMPLETE"
    assert "Properties validation failed for resource It with message: [" in reason
    assert f"#: required key [{name}] not found" in reason


@pytest.mark.parametrize("type_", SCHEMAS)
def test_a_property_that_aws_does_not_know_is_named(make, type_):
    status, reason = make(type_, {**REQUIRED.get(type_, {}), "NoSuch": "a"})
    assert status == "ROLLBACK_COMPLETE"
    assert "#: extraneous key [NoSuch] is not permitted" in reason


@pytest.mark.parametrize(
    ("template", "code", "what"),
    [
        ("a: [", "ValidationError", "YAML not well-formed"),
        ("text", "ValidationError", "unsupported structure"),
        ({}, "ValidationError", "At least one Resources member must be defined"),
        ({"Foo": {}}, "ValidationError", r"Invalid template property or properties \[Foo\]"),
        ({"Transform": "AWS::Serverless-2016-10-31"}, "NotEmulated", "Transform"),
        ({"Rules": {"A": {}}}, "NotEmulated", "Rules"),
        ({"Parameters": {"A": {"Type": "String"}}}, "ValidationError",
         r"Parameters: \[A\] must have values"),
        ({"Parameters": {"A": {"Type": "String", "Default": "b", "AllowedValues": ["c"]}}},
         "ValidationError", "Parameter 'A' must be one of AllowedValues"),
        ({"Parameters": {"A": {"Type": "AWS::SSM::Parameter::Value<String>"}}}, "NotEmulated",
         "AWS::SSM::Parameter"),
        ({"Outputs": {"A": {"Value": {"Ref": "None"}}}}, "ValidationError",
         r"Unresolved resource dependencies \[None\] in the Outputs block"),
        ({"Outputs": {"A": {"Value": "{{resolve:ssm:a}}"}}}, "NotEmulated", "dynamic reference"),
        ({"Outputs": {"A": {"Value": {"Fn::GetAZs": ""}}}}, "NotEmulated", "Fn::GetAZs"),
        ({"Outputs": {"A": {"Value": {"Fn::GetAtt": ["Data", "Foo"]}}}}, "ValidationError",
         "does not support attribute type Foo"),
        ({"Outputs": {"A": {"Value": {"Fn::If": ["No", "a", "b"]}}}}, "ValidationError",
         "Unresolved condition dependency No"),
    ],
)  # fmt: skip
def test_a_refused_template_leaves_no_stack(in_processes, template, code, what):
    client = in_processes.client("cloudformation")
    if isinstance(template, dict) and template not in ({}, {"Foo": {}}):
        template = {"Resources": {"Data": AROUND["Data"]}, **template}
    body = template if isinstance(template, str) else json.dumps(template)
    with pytest.raises(ClientError, match=what) as refused:
        client.create_stack(StackName="refused", TemplateBody=body)
    assert refused.value.response["Error"]["Code"] == code
    assert client.describe_stacks()["Stacks"] == []


def test_functions_become_what_aws_documents(in_processes):
    client = in_processes.client("cloudformation")
    values = {
        "Join": {"Fn::Join": ["-", ["a", {"Ref": "Text"}]]},
        "Select": {"Fn::Select": [1, {"Ref": "List"}]},
        "Split": {"Fn::Select": [0, {"Fn::Split": ["|", "x|y"]}]},
        "Sub": {"Fn::Sub": ["${A}-${AWS::Region}-${!Literal}", {"A": {"Ref": "Text"}}]},
        "Base64": {"Fn::Base64": "a"},
        "Map": {"Fn::FindInMap": ["M", {"Ref": "AWS::Region"}, "k"]},
        "If": {"Fn::If": ["Yes", "then", {"Ref": "AWS::NoValue"}]},
    }
    body = {
        "Parameters": {
            "List": {"Type": "CommaDelimitedList", "Default": "p, q"},
            "Text": {"Type": "String", "Default": "t"},
        },
        "Mappings": {"M": {"us-east-1": {"k": "v"}}},
        "Conditions": {"Yes": {"Fn::And": [{"Fn::Equals": [{"Ref": "Text"}, "t"]},
                                           {"Fn::Not": [{"Fn::Equals": ["a", "b"]}]}]}},
        "Resources": {"Data": AROUND["Data"]},
        "Outputs": {name: {"Value": value} for name, value in values.items()},
    }  # fmt: skip
    client.create_stack(StackName="functions", TemplateBody=json.dumps(body))
    (stack,) = client.describe_stacks(StackName="functions")["Stacks"]
    client.delete_stack(StackName="functions")
    assert {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]} == {
        "Join": "a-t", "Select": "q", "Split": "x", "Sub": "t-us-east-1-${Literal}",
        "Base64": "YQ==", "Map": "v", "If": "then",
    }  # fmt: skip


def test_an_export_is_imported_and_protected(in_processes):
    client = in_processes.client("cloudformation")

    def exporting(value):
        output = {"Value": value, "Export": {"Name": "shared"}}
        return json.dumps({"Resources": {"Data": AROUND["Data"]}, "Outputs": {"A": output}})

    user = json.dumps({"Resources": {"Data": AROUND["Data"]},
                       "Outputs": {"B": {"Value": {"Fn::ImportValue": "shared"}}}})  # fmt: skip
    client.create_stack(StackName="first", TemplateBody=exporting("one"))
    client.create_stack(StackName="user", TemplateBody=user)
    (stack,) = client.describe_stacks(StackName="user")["Stacks"]
    assert stack["Outputs"][0]["OutputValue"] == "one"
    assert client.list_imports(ExportName="shared")["Imports"] == ["user"]
    with pytest.raises(
        ClientError, match="Export shared cannot be deleted as it is in use by user"
    ):
        client.delete_stack(StackName="first")
    client.update_stack(StackName="first", TemplateBody=exporting("two"))
    (stack,) = client.describe_stacks(StackName="first")["Stacks"]
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "Export shared cannot be updated as it is in use by user" in stack["StackStatusReason"]
    client.create_stack(StackName="second", TemplateBody=exporting("three"))
    (stack,) = client.describe_stacks(StackName="second")["Stacks"]
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "is already exported by stack first" in stack["StackStatusReason"]
    assert [one["Value"] for one in client.list_exports()["Exports"]] == ["one"]
    for name in ("user", "first", "second"):
        client.delete_stack(StackName=name)
    assert client.describe_stacks()["Stacks"] == []
