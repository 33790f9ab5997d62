"""API Gateway's and CloudFormation's own actions: each that is vouched for, with its values."""

import json

import pytest
from botocore.exceptions import ClientError

URI = "arn:aws:apigateway:us-east-1:runtime.sagemaker:path//endpoints/any/invocations"


def code(call, **parameters):
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return caught.value.response["Error"]["Code"]


@pytest.fixture(scope="module")
def gateway(in_processes):
    return in_processes.client("apigateway")


@pytest.fixture(scope="module")
def api(gateway):
    made = gateway.create_rest_api(
        name="records",
        description="first",
        binaryMediaTypes=["a/b"],
        apiKeySource="HEADER",
        endpointConfiguration={"types": ["REGIONAL"]},
        tags={"a": "b"},
        disableExecuteApiEndpoint=False,
    )["id"]
    yield made
    gateway.delete_rest_api(restApiId=made)


@pytest.fixture(scope="module")
def method(in_processes, gateway, api):
    """A method with its integration and responses."""
    [root] = gateway.get_resources(restApiId=api, limit=5)["items"]
    resource = gateway.create_resource(restApiId=api, parentId=root["id"], pathPart="p")["id"]
    here = {"restApiId": api, "resourceId": resource, "httpMethod": "POST"}
    validator = gateway.create_request_validator(
        restApiId=api, name="v", validateRequestBody=True, validateRequestParameters=True
    )["id"]
    gateway.create_model(
        restApiId=api,
        name="M",
        description="of a body",
        contentType="application/json",
        schema='{"type": "object"}',
    )
    gateway.put_method(
        **here,
        authorizationType="NONE",
        apiKeyRequired=False,
        operationName="op",
        requestParameters={"method.request.header.x": False},
        requestModels={"application/json": "M"},
        requestValidatorId=validator,
    )
    gateway.put_method_response(
        **here,
        statusCode="200",
        responseParameters={"method.response.header.x": False},
        responseModels={"application/json": "Empty"},
    )
    gateway.put_integration(
        **here,
        type="AWS",
        integrationHttpMethod="POST",
        uri=URI,
        credentials=in_processes.role,
        connectionType="INTERNET",
        requestParameters={"integration.request.header.Accept": "method.request.header.x"},
        requestTemplates={"application/json": "$input.body"},
        passthroughBehavior="NEVER",
        contentHandling="CONVERT_TO_BINARY",
        timeoutInMillis=5000,
        cacheNamespace="any",
    )
    gateway.put_integration_response(
        **here,
        statusCode="200",
        selectionPattern="2..",
        responseParameters={"method.response.header.x": "'y'"},
        responseTemplates={"application/json": "$input.body"},
        contentHandling="CONVERT_TO_TEXT",
    )
    return here


def test_an_api_is_shown_with_its_tags(gateway, api):
    shown = gateway.get_rest_api(restApiId=api)
    assert (shown["name"], shown["description"], shown["tags"]) == ("records", "first", {"a": "b"})
    assert shown["binaryMediaTypes"] == ["a/b"]
    assert "version" not in shown
    assert api in [one["id"] for one in gateway.get_rest_apis(limit=100)["items"]]


def test_a_method_is_shown_with_all_that_was_asked_for(gateway, api, method):
    shown = gateway.get_method(**method)
    assert (shown["operationName"], shown["requestModels"]) == ("op", {"application/json": "M"})
    assert shown["requestParameters"] == {"method.request.header.x": False}
    integration = gateway.get_integration(**method)
    assert (integration["type"], integration["uri"]) == ("AWS", URI)
    assert integration["timeoutInMillis"] == 5000
    assert integration["passthroughBehavior"] == "NEVER"
    assert integration["contentHandling"] == "CONVERT_TO_BINARY"
    answer = gateway.get_integration_response(**method, statusCode="200")
    assert (answer["selectionPattern"], answer["contentHandling"]) == ("2..", "CONVERT_TO_TEXT")
    answer = gateway.get_method_response(**method, statusCode="200")
    assert answer["responseModels"] == {"application/json": "Empty"}
    resource = gateway.get_resource(restApiId=api, resourceId=method["resourceId"])
    assert resource["path"] == "/p"
    [validator] = gateway.get_request_validators(restApiId=api, limit=5)["items"]
    found = gateway.get_request_validator(restApiId=api, requestValidatorId=validator["id"])
    assert found["validateRequestBody"] is True
    assert gateway.get_model(restApiId=api, modelName="M")["contentType"] == "application/json"
    names = [one["name"] for one in gateway.get_models(restApiId=api, limit=5)["items"]]
    assert "M" in names


def test_a_gateway_response_is_kept(gateway, api):
    here = {"restApiId": api, "responseType": "THROTTLED"}
    gateway.put_gateway_response(
        **here,
        statusCode="429",
        responseParameters={"gatewayresponse.header.x": "'y'"},
        responseTemplates={"application/json": "{}"},
    )
    assert gateway.get_gateway_response(**here)["statusCode"] == "429"
    found = gateway.get_gateway_responses(restApiId=api, limit=100)["items"]
    assert "THROTTLED" in [one["responseType"] for one in found]
    gateway.delete_gateway_response(**here)


def test_a_stage_a_plan_and_a_key(gateway, api, method):
    assert method
    deployment = gateway.create_deployment(
        restApiId=api,
        stageName="first",
        stageDescription="any",
        description="second",
        variables={"a": "b"},
        cacheClusterEnabled=False,
        tracingEnabled=False,
    )["id"]
    here = {"restApiId": api, "stageName": "other"}
    gateway.create_stage(
        **here,
        deploymentId=deployment,
        description="third",
        variables={"c": "d"},
        documentationVersion="1",
        cacheClusterEnabled=False,
        tracingEnabled=False,
        tags={"e": "f"},
    )
    shown = gateway.get_stage(**here)
    assert (shown["description"], shown["variables"]) == ("third", {"c": "d"})
    patch = {"op": "replace", "path": "/description", "value": "fourth"}
    gateway.update_stage(**here, patchOperations=[patch])
    assert gateway.get_stage(**here)["description"] == "fourth"
    stages = gateway.get_stages(restApiId=api)["item"]
    assert {one["stageName"] for one in stages} == {"first", "other"}
    shown = gateway.get_deployment(restApiId=api, deploymentId=deployment)
    assert shown["description"] == "second"
    [found] = gateway.get_deployments(restApiId=api, limit=5)["items"]
    assert found["id"] == deployment
    key = gateway.create_api_key(
        name="k",
        description="a key",
        enabled=True,
        value="v" * 20,
        customerId="any",
        tags={"a": "b"},
    )["id"]
    assert gateway.get_api_key(apiKey=key, includeValue=True)["value"] == "v" * 20
    assert "value" not in gateway.get_api_key(apiKey=key)
    assert [one["id"] for one in gateway.get_api_keys(nameQuery="k", limit=9)["items"]] == [key]
    [found] = gateway.get_api_keys(nameQuery="k", includeValues=True)["items"]
    assert found["value"] == "v" * 20
    patch = {"op": "replace", "path": "/enabled", "value": "false"}
    assert gateway.update_api_key(apiKey=key, patchOperations=[patch])["enabled"] is False
    plan = gateway.create_usage_plan(
        name="p",
        description="a plan",
        apiStages=[
            {
                "apiId": api,
                "stage": "first",
                "throttle": {"/p/POST": {"burstLimit": 1, "rateLimit": 2.0}},
            }
        ],
        throttle={"burstLimit": 3, "rateLimit": 4.0},
        quota={"limit": 5, "offset": 0, "period": "DAY"},
        tags={"a": "b"},
    )["id"]
    shown = gateway.get_usage_plan(usagePlanId=plan)
    assert (shown["throttle"]["burstLimit"], shown["quota"]["period"]) == (3, "DAY")
    patch = {"op": "replace", "path": "/throttle/rateLimit", "value": "6"}
    gateway.update_usage_plan(usagePlanId=plan, patchOperations=[patch])
    gateway.create_usage_plan_key(usagePlanId=plan, keyId=key, keyType="API_KEY")
    assert gateway.get_usage_plan_key(usagePlanId=plan, keyId=key)["name"] == "k"
    [found] = gateway.get_usage_plan_keys(usagePlanId=plan, limit=5)["items"]
    assert found["id"] == key
    [found] = gateway.get_usage_plans(keyId=key, limit=5)["items"]
    assert found["id"] == plan
    gateway.delete_usage_plan_key(usagePlanId=plan, keyId=key)
    gateway.delete_api_key(apiKey=key)
    gateway.delete_usage_plan(usagePlanId=plan)
    for name in ("first", "other"):
        gateway.delete_stage(restApiId=api, stageName=name)
    gateway.delete_deployment(restApiId=api, deploymentId=deployment)


def test_pages_have_what_they_should(gateway):
    made = [gateway.create_rest_api(name=f"page-{number}")["id"] for number in range(3)]
    pages = gateway.get_paginator("get_rest_apis").paginate(PaginationConfig={"PageSize": 2})
    found = [one["id"] for page in pages for one in page["items"]]
    assert set(made) <= set(found)
    assert len(found) == len(set(found))
    assert len(gateway.get_rest_apis(limit=2)["items"]) == 2
    for one in made:
        gateway.delete_rest_api(restApiId=one)


@pytest.mark.parametrize(
    "call",
    ["get_deployments", "get_gateway_responses", "get_models", "get_request_validators",
     "get_resources"],
)  # fmt: skip
def test_lists_of_an_api_begin_where_asked(gateway, api, call):
    found = getattr(gateway, call)(restApiId=api)["items"]
    rest = getattr(gateway, call)(restApiId=api, position="1", limit=500)["items"]
    assert rest == found[1:]


def test_lists_of_an_account_begin_where_asked(gateway):
    plan = gateway.create_usage_plan(name="p")["id"]
    key = gateway.create_api_key(name="k")["id"]
    gateway.create_usage_plan_key(usagePlanId=plan, keyId=key, keyType="API_KEY")
    assert key in [one["id"] for one in gateway.get_api_keys(position="0")["items"]]
    assert plan in [one["id"] for one in gateway.get_usage_plans(position="0")["items"]]
    assert gateway.get_usage_plan_keys(usagePlanId=plan, position="1")["items"] == []
    gateway.delete_usage_plan_key(usagePlanId=plan, keyId=key)
    gateway.delete_api_key(apiKey=key)
    gateway.delete_usage_plan(usagePlanId=plan)


def test_parts_are_deleted(gateway, in_processes):
    api = gateway.create_rest_api(name="parts")["id"]
    [root] = gateway.get_resources(restApiId=api)["items"]
    resource = gateway.create_resource(restApiId=api, parentId=root["id"], pathPart="p")["id"]
    here = {"restApiId": api, "resourceId": resource, "httpMethod": "POST"}
    gateway.put_method(**here, authorizationType="NONE")
    gateway.put_method_response(**here, statusCode="200")
    gateway.put_integration(
        **here, type="AWS", integrationHttpMethod="POST", uri=URI, credentials=in_processes.role
    )
    gateway.put_integration_response(**here, statusCode="200")
    gateway.delete_integration_response(**here, statusCode="200")
    gateway.delete_integration(**here)
    gateway.delete_method_response(**here, statusCode="200")
    gateway.delete_method(**here)
    gateway.delete_resource(restApiId=api, resourceId=resource)
    gateway.create_model(
        restApiId=api, name="M", contentType="application/json", schema='{"type": "object"}'
    )
    gateway.delete_model(restApiId=api, modelName="M")
    validator = gateway.create_request_validator(restApiId=api, name="v")["id"]
    gateway.delete_request_validator(restApiId=api, requestValidatorId=validator)
    assert code(gateway.get_model, restApiId=api, modelName="M") == "NotFoundException"
    gateway.delete_rest_api(restApiId=api)


TEMPLATE = json.dumps(
    {
        "Description": "of a test",
        "Parameters": {"Name": {"Type": "String", "Default": "around-of-a-stack"}},
        "Resources": {
            "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": {"Ref": "Name"}}}
        },
        "Outputs": {"Bucket": {"Value": {"Ref": "Bucket"}}},
    }
)


@pytest.fixture(scope="module")
def stacks(in_processes):
    return in_processes.client("cloudformation")


@pytest.fixture
def stack(stacks):
    stacks.create_stack(
        StackName="records",
        TemplateBody=TEMPLATE,
        Parameters=[{"ParameterKey": "Name", "ParameterValue": "of-records"}],
        Capabilities=["CAPABILITY_IAM"],
        Tags=[{"Key": "a", "Value": "b"}],
        EnableTerminationProtection=False,
        DisableRollback=False,
        ClientRequestToken="any",
    )
    yield "records"
    stacks.delete_stack(StackName="records", ClientRequestToken="any")


def test_a_stack_is_shown(stacks, stack):
    [shown] = stacks.describe_stacks(StackName=stack)["Stacks"]
    assert shown["StackStatus"] == "CREATE_COMPLETE"
    assert shown["Tags"] == [{"Key": "a", "Value": "b"}]
    assert shown["Parameters"] == [{"ParameterKey": "Name", "ParameterValue": "of-records"}]
    assert shown["Outputs"] == [{"OutputKey": "Bucket", "OutputValue": "of-records"}]
    assert shown["EnableTerminationProtection"] is False
    [listed] = stacks.list_stack_resources(StackName=stack)["StackResourceSummaries"]
    [described] = stacks.describe_stack_resources(StackName=stack)["StackResources"]
    for found in (listed, described):
        assert found["PhysicalResourceId"] == "of-records"
    found = stacks.describe_stack_resources(StackName=stack, LogicalResourceId="Bucket")
    assert len(found["StackResources"]) == 1
    names = [
        one["StackName"]
        for one in stacks.list_stacks(StackStatusFilter=["CREATE_COMPLETE"])["StackSummaries"]
    ]
    assert stack in names
    assert stacks.list_stacks(StackStatusFilter=["DELETE_FAILED"])["StackSummaries"] == []
    body = stacks.get_template(StackName=stack, TemplateStage="Original")["TemplateBody"]
    assert json.loads(json.dumps(body)) == json.loads(TEMPLATE)
    assert stacks.describe_stack_events(StackName=stack)["StackEvents"]
    summary = stacks.get_template_summary(StackName=stack)
    assert summary["ResourceTypes"] == ["AWS::S3::Bucket"]


def test_a_template_is_looked_at(stacks, in_processes):
    summary = stacks.get_template_summary(TemplateBody=TEMPLATE)
    assert summary["Parameters"][0]["DefaultValue"] == "around-of-a-stack"
    in_processes.s3.put_object(Bucket=in_processes.bucket, Key="t.json", Body=TEMPLATE.encode())
    url = f"https://s3.amazonaws.com/{in_processes.bucket}/t.json"
    assert stacks.get_template_summary(TemplateURL=url)["Description"] == "of a test"


def test_a_stack_comes_from_a_template_in_s3(stacks, in_processes):
    urls = []
    for number in range(2):
        body = json.dumps({**json.loads(TEMPLATE), "Description": f"number {number}"})
        in_processes.s3.put_object(Bucket=in_processes.bucket, Key=f"{number}.json", Body=body)
        urls.append(f"https://s3.amazonaws.com/{in_processes.bucket}/{number}.json")
    stacks.create_stack(StackName="from-s3", TemplateURL=urls[0])
    stacks.update_stack(
        StackName="from-s3",
        TemplateURL=urls[1],
        ClientRequestToken="any",
        DisableRollback=False,
        Tags=[{"Key": "a", "Value": "b"}],
    )
    [shown] = stacks.describe_stacks(StackName="from-s3")["Stacks"]
    stacks.delete_stack(StackName="from-s3")
    assert shown["StackStatus"] == "UPDATE_COMPLETE"


def test_stacks_are_on_one_page(stacks, stack):
    pages = list(stacks.get_paginator("describe_stacks").paginate())
    assert len(pages) == 1
    assert stack in "".join(one["StackId"] for one in pages[0]["Stacks"])
    # No answer has a token, so that none can be meant.
    with pytest.raises(ClientError, match="DescribeStacks with NextToken"):
        stacks.describe_stacks(NextToken="any")


FAILS = json.dumps(
    {
        "Resources": {
            "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "kept-or-not"}},
            "Policy": {
                "Type": "AWS::IAM::Policy",
                "DependsOn": "Bucket",
                "Properties": {
                    "PolicyName": "any",
                    "Roles": ["no-such-role"],
                    "PolicyDocument": {"Version": "2012-10-17", "Statement": []},
                },
            },
        }
    }
)


@pytest.mark.parametrize(
    ("asked", "status", "has_bucket"),
    [
        ({}, "ROLLBACK_COMPLETE", False),
        ({"OnFailure": "ROLLBACK"}, "ROLLBACK_COMPLETE", False),
        ({"OnFailure": "DO_NOTHING"}, "CREATE_FAILED", True),
        ({"DisableRollback": True}, "CREATE_FAILED", True),
        ({"OnFailure": "DELETE"}, "DELETE_COMPLETE", False),
    ],
)
def test_a_creation_that_fails_ends_as_it_was_asked_to(
    stacks, in_processes, asked, status, has_bucket
):
    made = stacks.create_stack(
        StackName="fails", TemplateBody=FAILS, Capabilities=["CAPABILITY_IAM"], **asked
    )
    try:
        [shown] = stacks.describe_stacks(StackName=made["StackId"])["Stacks"]
        assert shown["StackStatus"] == status
        buckets = {one["Name"] for one in in_processes.s3.list_buckets()["Buckets"]}
        assert ("kept-or-not" in buckets) is has_bucket
        events = stacks.describe_stack_events(StackName=made["StackId"])["StackEvents"]
        reasons = [one.get("ResourceStatusReason", "") for one in events]
        assert any("no-such-role" in reason for reason in reasons)
    finally:
        stacks.delete_stack(StackName="fails")


def test_only_one_of_two_ways_to_fail_may_be_asked_for(stacks):
    with pytest.raises(ClientError, match="only one of OnFailure and DisableRollback"):
        stacks.create_stack(
            StackName="fails", TemplateBody=TEMPLATE, OnFailure="DELETE", DisableRollback=True
        )


def test_a_stack_may_be_made_without_notifications(stacks):
    stacks.create_stack(
        StackName="plain",
        TemplateBody=TEMPLATE,
        Parameters=[
            {"ParameterKey": "Name", "ParameterValue": "plain-one", "UsePreviousValue": False}
        ],
        NotificationARNs=[],
        ResourceTypes=[],
    )
    stacks.delete_stack(StackName="plain")


def test_what_clients_send_without_a_meaning_is_taken(stacks, in_processes):
    """As CDK and others do: empty lists, and false for what is not wanted."""
    nothing = {"NotificationARNs": [], "ResourceTypes": []}
    in_processes.s3.put_object(Bucket=in_processes.bucket, Key="n.json", Body=TEMPLATE.encode())
    url = f"https://s3.amazonaws.com/{in_processes.bucket}/n.json"
    assert stacks.validate_template(TemplateURL=url)["Description"] == "of a test"
    change_set = {"StackName": "nothing", "ChangeSetName": "first"}
    stacks.create_change_set(
        **change_set,
        TemplateURL=url,
        ChangeSetType="CREATE",
        ClientToken="any",
        OnStackFailure="ROLLBACK",
        IncludeNestedStacks=False,
        ImportExistingResources=False,
        **nothing,
    )
    assert stacks.describe_change_set(**change_set, IncludePropertyValues=False)["Changes"]
    template = stacks.get_template(**change_set)["TemplateBody"]
    assert template["Description"] == "of a test"
    stacks.execute_change_set(**change_set, ClientRequestToken="any", RetainExceptOnCreate=False)
    try:
        resource = {"StackName": "nothing", "LogicalResourceId": "Bucket"}
        detail = stacks.describe_stack_resource(**resource)["StackResourceDetail"]
        assert detail["PhysicalResourceId"] == "around-of-a-stack"
        stacks.update_stack(
            StackName="nothing",
            TemplateBody=json.dumps({**json.loads(TEMPLATE), "Description": "other"}),
            **nothing,
        )
        stacks.create_change_set(
            StackName="nothing", ChangeSetName="next", UsePreviousTemplate=True,
            Parameters=[{"ParameterKey": "Name", "ParameterValue": "another-of-a-stack"}],
        )  # fmt: skip
    finally:
        stacks.delete_stack(StackName="nothing", RetainResources=[])


def test_a_protected_stack_is_not_deleted(stacks, stack):
    stacks.update_termination_protection(StackName=stack, EnableTerminationProtection=True)
    [shown] = stacks.describe_stacks(StackName=stack)["Stacks"]
    assert shown["EnableTerminationProtection"] is True
    with pytest.raises(ClientError, match="cannot be deleted while TerminationProtection"):
        stacks.delete_stack(StackName=stack)
    stacks.update_termination_protection(StackName=stack, EnableTerminationProtection=False)


def test_a_stack_is_updated(stacks, stack):
    stacks.update_stack(
        StackName=stack,
        TemplateBody=json.dumps({**json.loads(TEMPLATE), "Outputs": {}}),
        Parameters=[{"ParameterKey": "Name", "UsePreviousValue": True}],
        Tags=[{"Key": "c", "Value": "d"}],
    )
    [shown] = stacks.describe_stacks(StackName=stack)["Stacks"]
    assert (shown["StackStatus"], shown["Tags"]) == (
        "UPDATE_COMPLETE",
        [{"Key": "c", "Value": "d"}],
    )
