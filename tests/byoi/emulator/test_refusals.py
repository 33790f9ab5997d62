"""What is not emulated is refused with an error that says so."""

import pytest
from botocore.exceptions import ClientError

CONFIG = {"EndpointConfigName": "refused"}
VARIANT = {"VariantName": "one", "ModelName": "none", "InstanceType": "ml.m5.large"}
ROLE = "arn:aws:iam::123456789012:role/any"


@pytest.mark.parametrize(
    ("service", "call", "parameters", "what"),
    [
        ("sqs", "list_queues", {}, "ListQueues of sqs"),
        ("lambda", "list_functions", {}, "of lambda"),
        ("cloudwatch", "list_metrics", {}, "of monitoring"),
        ("sns", "list_topics", {}, "ListTopics of sns"),
        ("sagemaker", "list_training_jobs", {}, "ListTrainingJobs of sagemaker"),
        ("apigateway", "test_invoke_method",
         {"restApiId": "a", "resourceId": "b", "httpMethod": "GET"},
         "TestInvokeMethod of API Gateway"),
        ("sagemaker", "create_model",
         {"ModelName": "m", "ExecutionRoleArn": ROLE,
          "PrimaryContainer": {"Image": "i", "Mode": "MultiModel"}}, "Mode=MultiModel"),
        ("sagemaker", "create_model",
         {"ModelName": "m", "ExecutionRoleArn": ROLE, "Containers": [{"Image": "i"}]},
         "CreateModel with Containers"),
        ("sagemaker", "create_endpoint_config",
         {**CONFIG, "ProductionVariants": [
             {**VARIANT, "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1}}]},
         "ServerlessConfig"),
        ("sagemaker", "create_endpoint_config",
         {**CONFIG, "ProductionVariants": [
             {**VARIANT, "InstancePools": [{"InstanceType": "ml.m5.large", "Priority": 1}]}]},
         "InstancePools"),
        ("sagemaker", "create_endpoint_config",
         {**CONFIG, "ProductionVariants": [VARIANT],
          "AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://a/b"}}},
         "AsyncInferenceConfig"),
        ("sagemaker", "create_endpoint_config",
         {**CONFIG, "ProductionVariants": [VARIANT], "ShadowProductionVariants": [VARIANT]},
         "ShadowProductionVariants"),
        ("sagemaker", "create_endpoint_config",
         {**CONFIG, "ProductionVariants": [VARIANT], "DataCaptureConfig": {
             "EnableCapture": True, "InitialSamplingPercentage": 1,
             "DestinationS3Uri": "s3://a/b", "CaptureOptions": [{"CaptureMode": "Input"}]}},
         "DataCaptureConfig"),
        ("sagemaker", "update_endpoint",
         {"EndpointName": "e", "EndpointConfigName": "c", "RetainAllVariantProperties": True},
         "RetainAllVariantProperties"),
    ],
)  # fmt: skip
def test_it_is_named(in_processes, service, call, parameters, what):
    with pytest.raises(ClientError) as caught:
        getattr(in_processes.client(service), call)(**parameters)
    error = caught.value.response["Error"]
    assert error["Code"] == "NotEmulated"
    assert what in error["Message"]
    assert "does not invent an answer" in error["Message"]
