"""Stacks: their endpoints are real, waited for, and rolled back."""

import json

import pytest
from botocore.exceptions import ClientError, WaiterError
from emulated_aws import ECHO, OWN_IMAGE

REF = {"Fn::GetAtt": ["Model", "ModelName"]}


def template(data, **more):
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": REF,
        "InitialInstanceCount": 1,
        "InstanceType": "ml.m5.large",
        "InitialVariantWeight": 1.0,
    }
    resources = {
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}},
        },
        "Model": {
            "Type": "AWS::SageMaker::Model",
            "Properties": {
                "ExecutionRoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
                "PrimaryContainer": {
                    "Image": OWN_IMAGE, "ModelDataUrl": data, "Environment": ECHO
                },
            },
        },
        "Config": {
            "Type": "AWS::SageMaker::EndpointConfig",
            "Properties": {"ProductionVariants": [variant]},
        },
        "Endpoint": {
            "Type": "AWS::SageMaker::Endpoint",
            "Properties": {
                "EndpointName": "of-a-stack",
                "EndpointConfigName": {"Fn::GetAtt": ["Config", "EndpointConfigName"]},
            },
        },
        **more,
    }  # fmt: skip
    outputs = {"Name": {"Value": {"Fn::GetAtt": ["Endpoint", "EndpointName"]}}}
    return json.dumps({"Resources": resources, "Outputs": outputs})


@pytest.fixture
def stacks(in_processes):
    return in_processes.client("cloudformation")


def test_an_endpoint_of_a_stack_answers_and_goes_with_it(in_processes, stacks, archive):
    stacks.create_stack(StackName="good", TemplateBody=template(in_processes.upload(archive)))
    stacks.get_waiter("stack_create_complete").wait(StackName="good")
    outputs = stacks.describe_stacks(StackName="good")["Stacks"][0]["Outputs"]
    assert [one["OutputValue"] for one in outputs] == ["of-a-stack"]
    answer = in_processes.invoke("of-a-stack")
    assert json.loads(answer["Body"].read())["text"] == "hello"
    stacks.delete_stack(StackName="good")
    stacks.get_waiter("stack_delete_complete").wait(StackName="good")
    assert in_processes.endpoints() == []


def test_a_stack_whose_endpoint_fails_is_rolled_back_with_the_cause(in_processes, stacks):
    data = f"s3://{in_processes.bucket}/nothing/model.tar.gz"
    stacks.create_stack(StackName="bad", TemplateBody=template(data))
    with pytest.raises(WaiterError):
        stacks.get_waiter("stack_create_complete").wait(StackName="bad")
    assert (
        stacks.describe_stacks(StackName="bad")["Stacks"][0]["StackStatus"] == "ROLLBACK_COMPLETE"
    )
    reasons = [
        event.get("ResourceStatusReason", "")
        for event in stacks.describe_stack_events(StackName="bad")["StackEvents"]
    ]
    assert any("there is no such object" in reason for reason in reasons)
    assert in_processes.endpoints() == []
    assert in_processes.sagemaker.list_models()["Models"] == []
    stacks.delete_stack(StackName="bad")


@pytest.mark.parametrize(
    "type_", ["AWS::ApplicationAutoScaling::ScalableTarget", "AWS::Lambda::Function"]
)
def test_a_type_that_is_not_emulated_is_no_part_of_a_stack(in_processes, stacks, archive, type_):
    body = template(in_processes.upload(archive), Other={"Type": type_, "Properties": {}})
    stacks.create_stack(StackName="other", TemplateBody=body)
    stack = stacks.describe_stacks(StackName="other")["Stacks"][0]
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert in_processes.endpoints() == []
    stacks.delete_stack(StackName="other")


def test_a_serverless_endpoint_in_a_template_is_refused(stacks, in_processes, archive):
    body = json.loads(template(in_processes.upload(archive)))
    variants = body["Resources"]["Config"]["Properties"]["ProductionVariants"]
    variants[0]["ServerlessConfig"] = {"MaxConcurrency": 1, "MemorySizeInMB": 1024}
    stacks.create_stack(StackName="serverless", TemplateBody=json.dumps(body))
    events = stacks.describe_stack_events(StackName="serverless")["StackEvents"]
    reasons = [event.get("ResourceStatusReason", "") for event in events]
    assert any("ServerlessConfig" in reason for reason in reasons)
    stacks.delete_stack(StackName="serverless")


def test_change_sets_are_refused(stacks):
    with pytest.raises(ClientError, match="does not emulate CreateChangeSet"):
        stacks.create_change_set(StackName="any", ChangeSetName="set", TemplateBody="{}")
