"""What docs/emulator.md says of moto is asked of moto, without the emulator around it."""

import json
import urllib.error
import urllib.request

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

ROLE = "arn:aws:iam::123456789012:role/any"
RESOURCES = {"InstanceType": "ml.m5.large", "InstanceCount": 1}


def client(name):
    return boto3.client(name, config=Config(retries={"total_max_attempts": 1}))


def variant(name, model="nothing"):
    return {
        "VariantName": name,
        "ModelName": model,
        "InitialInstanceCount": 2,
        "InstanceType": "ml.m5.large",
        "InitialVariantWeight": 1.0,
    }


@pytest.fixture
def endpoint(moto_aws):
    """An endpoint of an image and model data that exist nowhere, with two variants."""
    sagemaker = client("sagemaker")
    container = {"Image": "nowhere/none:1", "ModelDataUrl": "s3://nowhere/model.tar.gz"}
    sagemaker.create_model(ModelName="nothing", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    sagemaker.create_endpoint_config(
        EndpointConfigName="two", ProductionVariants=[variant("one"), variant("other")]
    )
    sagemaker.create_endpoint(EndpointName="made-up", EndpointConfigName="two")
    return "made-up"


def invoke(name, body=b"x", **parameters):
    answer = client("sagemaker-runtime").invoke_endpoint(EndpointName=name, Body=body, **parameters)
    return answer["Body"].read(), answer["ContentType"], answer["InvokedProductionVariant"]


MADE_UP = (b"body", "content_type", "invoked_production_variant")


def test_an_endpoint_of_nothing_is_in_service_at_once(endpoint):
    described = client("sagemaker").describe_endpoint(EndpointName=endpoint)
    assert described["EndpointStatus"] == "InService"
    assert "FailureReason" not in described


def test_names_and_values_that_aws_refuses_are_taken(moto_aws):
    sagemaker = client("sagemaker")
    container = {"Image": "i", "ModelDataUrl": "no/url", "Environment": {"A": "x" * 2000}}
    sagemaker.create_model(ModelName="a_b", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    assert sagemaker.describe_model(ModelName="a_b")["ExecutionRoleArn"] == ROLE


def test_every_invocation_has_the_same_answer(endpoint):
    assert invoke(endpoint) == MADE_UP
    assert invoke("nobody") == MADE_UP
    assert invoke(endpoint, TargetVariant="absent") == MADE_UP
    assert invoke(endpoint, bytes(26 * 1024 * 1024)) == MADE_UP


def test_custom_attributes_are_made_up(endpoint):
    runtime = client("sagemaker-runtime")
    answer = runtime.invoke_endpoint(EndpointName=endpoint, Body=b"", CustomAttributes="mine")
    assert answer["CustomAttributes"] == "custom_attributes"


def test_a_name_that_is_taken_is_taken_again(endpoint):
    client("sagemaker").create_endpoint(EndpointName=endpoint, EndpointConfigName="two")


def test_an_update_is_an_error_and_weights_are_kept(endpoint):
    sagemaker = client("sagemaker")
    with pytest.raises(ClientError, match="500"):
        sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName="two")
    sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=endpoint,
        DesiredWeightsAndCapacities=[{"VariantName": "one", "DesiredWeight": 0.0}],
    )
    variants = sagemaker.describe_endpoint(EndpointName=endpoint)["ProductionVariants"]
    assert [one["DesiredWeight"] for one in variants] == [0.0, 1.0]


def test_there_is_no_response_stream(endpoint):
    runtime = client("sagemaker-runtime")
    with pytest.raises(ClientError, match="404"):
        runtime.invoke_endpoint_with_response_stream(EndpointName=endpoint, Body=b"")


def test_an_asynchronous_invocation_is_accepted_and_made_up(endpoint):
    runtime = client("sagemaker-runtime")
    answer = runtime.invoke_endpoint_async(EndpointName=endpoint, InputLocation="s3://a/b")
    bucket, _, key = answer["OutputLocation"].removeprefix("s3://").partition("/")
    body = client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    assert json.loads(body) == {"default": "response"}


def test_no_container_logs_are_there(endpoint):
    assert client("logs").describe_log_groups()["logGroups"] == []


def test_jobs_are_complete_and_have_no_output(endpoint):
    sagemaker, s3 = client("sagemaker"), client("s3")
    s3.create_bucket(Bucket="of-jobs")
    sagemaker.create_training_job(
        TrainingJobName="none",
        RoleArn=ROLE,
        AlgorithmSpecification={"TrainingImage": "none", "TrainingInputMode": "File"},
        OutputDataConfig={"S3OutputPath": "s3://of-jobs/training"},
        ResourceConfig={**RESOURCES, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )
    sagemaker.create_transform_job(
        TransformJobName="none",
        ModelName="nothing",
        TransformInput={
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://a/b"}}
        },
        TransformOutput={"S3OutputPath": "s3://of-jobs/transform"},
        TransformResources=RESOURCES,
    )
    sagemaker.create_processing_job(
        ProcessingJobName="none",
        RoleArn=ROLE,
        AppSpecification={"ImageUri": "none"},
        ProcessingResources={"ClusterConfig": {**RESOURCES, "VolumeSizeInGB": 1}},
    )
    for job in ("Training", "Transform", "Processing"):
        describe = getattr(sagemaker, f"describe_{job.lower()}_job")
        assert describe(**{f"{job}JobName": "none"})[f"{job}JobStatus"] == "Completed"
    assert s3.list_objects_v2(Bucket="of-jobs")["KeyCount"] == 0


def test_a_serverless_configuration_is_kept(endpoint):
    sagemaker = client("sagemaker")
    serverless = {"MemorySizeInMB": 1024, "MaxConcurrency": 1}
    variants = [{"VariantName": "one", "ModelName": "nothing", "ServerlessConfig": serverless}]
    sagemaker.create_endpoint_config(EndpointConfigName="less", ProductionVariants=variants)
    described = sagemaker.describe_endpoint_config(EndpointConfigName="less")
    assert described["ProductionVariants"][0]["ServerlessConfig"] == serverless


def test_ecr_sends_docker_to_amazon(moto_aws):
    token = client("ecr").get_authorization_token()["authorizationData"][0]
    assert token["proxyEndpoint"] == "https://123456789012.dkr.ecr.us-east-1.amazonaws.com"


def test_a_stack_with_an_endpoint_is_complete_at_once_under_another_name(endpoint):
    resources = {
        "Config": {
            "Type": "AWS::SageMaker::EndpointConfig",
            "Properties": {"ProductionVariants": [variant("one")]},
        },
        "Endpoint": {
            "Type": "AWS::SageMaker::Endpoint",
            "Properties": {
                "EndpointName": "asked-for",
                "EndpointConfigName": {"Fn::GetAtt": ["Config", "EndpointConfigName"]},
            },
        },
    }
    stacks = client("cloudformation")
    stacks.create_stack(StackName="stack", TemplateBody=json.dumps({"Resources": resources}))
    assert stacks.describe_stacks()["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"
    found = client("sagemaker").list_endpoints()["Endpoints"]
    assert len(found) == 2
    assert "asked-for" not in [one["EndpointName"] for one in found]


def test_an_api_is_not_executed(moto_aws, endpoint):
    gateway = client("apigateway")
    api = gateway.create_rest_api(name="api")["id"]
    root = gateway.get_resources(restApiId=api)["items"][0]["id"]
    method = {"restApiId": api, "resourceId": root, "httpMethod": "POST"}
    gateway.put_method(**method, authorizationType="NONE")
    gateway.put_integration(
        **method,
        type="AWS",
        integrationHttpMethod="POST",
        uri="arn:aws:apigateway:us-east-1:runtime.sagemaker:path/endpoints/made-up/invocations",
        credentials=ROLE,
    )
    gateway.put_method_response(**method, statusCode="200")
    gateway.put_integration_response(**method, statusCode="200")
    gateway.create_deployment(restApiId=api, stageName="stage")
    host = f"{api}.execute-api.us-east-1.amazonaws.com"
    request = urllib.request.Request(f"{moto_aws}/stage", data=b"{}", headers={"Host": host})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=30)
    assert caught.value.code == 500
    caught.value.close()
