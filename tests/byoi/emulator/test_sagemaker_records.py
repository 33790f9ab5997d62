"""What was accepted is shown again, lists have their filters, and ARNs are lower case."""

import datetime as dt
import json

import pytest
import raw_requests
from botocore.exceptions import ClientError

from byoi.emulator.aws import sagemaker_lists
from byoi.names import sagemaker_arn

VARIANT = {"VariantName": "one", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}


def code_and_message(client, call, **parameters):
    with pytest.raises(ClientError) as caught:
        getattr(client, call)(**parameters)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def without(shown, *names):
    return {name: one for name, one in shown.items() if name not in {*names, "ResponseMetadata"}}


def test_a_model_shows_all_that_was_asked_for(in_processes):
    client = in_processes.sagemaker
    asked = {
        "ModelName": "Shown-Again",
        "ExecutionRoleArn": in_processes.role,
        "PrimaryContainer": {
            "Image": "byoi:latest",
            "Environment": {"A": "1"},
            "ContainerHostname": "host",
            "ModelDataSource": {
                "S3DataSource": {
                    "S3Uri": "s3://a/b/",
                    "S3DataType": "S3Prefix",
                    "CompressionType": "None",
                    "ModelAccessConfig": {"AcceptEula": True},
                }
            },
        },
        "VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]},
        "EnableNetworkIsolation": True,
    }
    made = client.create_model(**asked, Tags=[{"Key": "a", "Value": "b"}])
    shown = client.describe_model(ModelName="Shown-Again")
    client.delete_model(ModelName="Shown-Again")
    asked["PrimaryContainer"]["Mode"] = "SingleModel"
    assert without(shown, "ModelArn", "CreationTime") == asked
    assert shown["ModelArn"] == made["ModelArn"]


def test_a_model_shows_nothing_that_was_not_asked_for(in_processes):
    client = in_processes.sagemaker
    client.create_model(
        ModelName="bare", PrimaryContainer={"Image": "byoi:latest", "Mode": "SingleModel"}
    )
    shown = client.describe_model(ModelName="bare")
    client.delete_model(ModelName="bare")
    assert without(shown, "ModelArn", "CreationTime") == {
        "ModelName": "bare",
        "PrimaryContainer": {"Image": "byoi:latest", "Mode": "SingleModel"},
        "EnableNetworkIsolation": False,
    }


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({}, "PrimaryContainer or Containers, received neither"),
        ({"PrimaryContainer": {}}, "PrimaryContainer or Containers, received neither"),
        ({"PrimaryContainer": {"Environment": {"A": "1"}}}, "PrimaryContainer needs an Image"),
    ],
)
def test_a_model_without_a_container_is_refused(in_processes, parameters, said):
    code, message = code_and_message(
        in_processes.sagemaker, "create_model", ModelName="none", **parameters
    )
    assert code == "ValidationException"
    assert said in message
    assert in_processes.sagemaker.list_models(NameContains="none")["Models"] == []


CONFIG = {
    "KmsKeyId": "key",
    "VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]},
    "EnableNetworkIsolation": False,
    "MetricsConfig": {
        "EnableEnhancedMetrics": True,
        "EnableDetailedObservability": True,
        "MetricPublishFrequencyInSeconds": 60,
    },
    "CrossRegionTrafficConfig": {
        "MaxInvocationsPerSecondPerInstance": 1,
        "MaxCrossRegionPercentPerEndpoint": 10,
    },
    "DataCaptureConfig": {
        "EnableCapture": False,
        "InitialSamplingPercentage": 50,
        "DestinationS3Uri": "s3://a/b",
        "CaptureOptions": [{"CaptureMode": "Input"}],
        "CaptureContentTypeHeader": {
            "CsvContentTypes": ["text/csv"],
            "JsonContentTypes": ["application/json"],
        },
        "KmsKeyId": "key",
    },
}
FULL_VARIANT = {
    **VARIANT,
    "InitialVariantWeight": 0.5,
    "VolumeSizeInGB": 10,
    "AcceleratorType": "ml.eia2.medium",
    "ModelDataDownloadTimeoutInSeconds": 60,
    "ContainerStartupHealthCheckTimeoutInSeconds": 60,
    "EnableSSMAccess": True,
    "RoutingConfig": {
        "RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS",
        "PrefixAwareRoutingConfig": {"PrefixLength": 1024, "ConcurrencyThreshold": 10},
    },
    "InferenceAmiVersion": "al2-ami-sagemaker-inference-gpu-2",
}


def test_a_configuration_and_its_endpoint_show_all_that_was_asked_for(in_processes, archive):
    client = in_processes.sagemaker
    model = in_processes.model(in_processes.upload(archive))
    asked = {
        **CONFIG,
        "EndpointConfigName": "Shown-Again",
        "ExecutionRoleArn": in_processes.role,
        "ProductionVariants": [{**FULL_VARIANT, "ModelName": model}],
    }
    client.create_endpoint_config(**asked, Tags=[{"Key": "a", "Value": "b"}])
    shown = client.describe_endpoint_config(EndpointConfigName="Shown-Again")
    assert without(shown, "EndpointConfigArn", "CreationTime") == asked
    assert shown["EndpointConfigArn"].endswith(":endpoint-config/shown-again")
    deployment = {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0},
            "TerminationWaitInSeconds": 0,
            "MaximumExecutionTimeoutInSeconds": 600,
        },
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "any"}]},
    }
    with in_processes.endpoint("Shown-Again") as name:
        client.update_endpoint(
            EndpointName=name,
            EndpointConfigName="Shown-Again",
            DeploymentConfig=deployment,
            RetainAllVariantProperties=False,
            RetainDeploymentConfig=False,
        )
        endpoint = in_processes.settled(name)
    client.delete_endpoint_config(EndpointConfigName="Shown-Again")
    assert endpoint["MetricsConfig"] == CONFIG["MetricsConfig"]
    assert endpoint["CrossRegionTrafficConfig"] == CONFIG["CrossRegionTrafficConfig"]
    assert endpoint["LastDeploymentConfig"] == deployment
    [variant] = endpoint["ProductionVariants"]
    assert variant["RoutingConfig"] == FULL_VARIANT["RoutingConfig"]


def test_a_variant_without_a_model_is_refused_by_name(in_processes):
    code, message = code_and_message(
        in_processes.sagemaker,
        "create_endpoint_config",
        EndpointConfigName="components",
        ExecutionRoleArn=in_processes.role,
        ProductionVariants=[VARIANT],
    )
    assert code == "NotEmulated"
    assert "a variant without ModelName (one), whose models are inference components" in message


def test_a_variant_without_an_instance_type_is_refused(in_processes):
    variant = {"VariantName": "one", "ModelName": "any", "InitialInstanceCount": 1}
    code, message = code_and_message(
        in_processes.sagemaker,
        "create_endpoint_config",
        EndpointConfigName="any",
        ProductionVariants=[variant],
    )
    assert (code, message) == (
        "ValidationException",
        "Production variant one needs an InstanceType.",
    )


def names_of(answer):
    [listed] = [value for value in answer.values() if isinstance(value, list)]
    return [one[name] for one in listed for name in one if name.endswith("Name")]


@pytest.fixture
def three(in_processes):
    """Three models and configurations, in this order."""
    client = in_processes.sagemaker
    names = ["of-b", "of-c", "of-a"]
    for name in names:
        client.create_model(ModelName=name, PrimaryContainer={"Image": "byoi:latest"})
        client.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=[{**VARIANT, "ModelName": name}]
        )
    yield client
    for name in names:
        client.delete_endpoint_config(EndpointConfigName=name)
        client.delete_model(ModelName=name)


@pytest.mark.parametrize("noun", ["models", "endpoint_configs"])
@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ({}, ["of-a", "of-c", "of-b"]),
        ({"SortOrder": "Ascending"}, ["of-b", "of-c", "of-a"]),
        ({"SortBy": "CreationTime", "SortOrder": "Descending"}, ["of-a", "of-c", "of-b"]),
        ({"SortBy": "Name"}, ["of-c", "of-b", "of-a"]),
        ({"SortBy": "Name", "SortOrder": "Ascending"}, ["of-a", "of-b", "of-c"]),
        ({"NameContains": "f-a"}, ["of-a"]),
        ({"NameContains": "of-nobody"}, []),
        ({"CreationTimeAfter": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)}, ["of-a", "of-c", "of-b"]),
        ({"CreationTimeBefore": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)}, []),
        ({"MaxResults": 2}, ["of-a", "of-c"]),
    ],
)
def test_a_list_is_filtered_and_in_order(three, noun, parameters, names):
    found = getattr(three, f"list_{noun}")(**{"NameContains": "of-", **parameters})
    assert names_of(found) == names


@pytest.mark.parametrize("noun", ["models", "endpoint_configs"])
def test_a_list_has_pages(three, noun):
    call = getattr(three, f"list_{noun}")
    asked = {"NameContains": "of-", "MaxResults": 2}
    first = call(**asked)
    second = call(**asked, NextToken=first["NextToken"])
    assert names_of(second) == ["of-b"]
    assert "NextToken" not in second
    pages = three.get_paginator(f"list_{noun}").paginate(NameContains="of-")
    assert [name for page in pages for name in names_of(page)] == ["of-a", "of-c", "of-b"]
    for token in ("made-up", first["NextToken"]):
        code, _ = code_and_message(
            three, f"list_{noun}", NameContains="of-", MaxResults=2, SortBy="Name", NextToken=token
        )
        assert code == "ValidationException"


def test_endpoints_are_listed_by_status_and_time(in_processes, endpoint):
    call = in_processes.sagemaker.list_endpoints
    past, future = (dt.datetime(year, 1, 1, tzinfo=dt.UTC) for year in (2020, 2200))
    for parameters, is_found in [
        ({}, True),
        ({"StatusEquals": "InService"}, True),
        ({"StatusEquals": "Failed"}, False),
        ({"LastModifiedTimeAfter": past, "LastModifiedTimeBefore": future}, True),
        ({"LastModifiedTimeAfter": future}, False),
        ({"LastModifiedTimeBefore": past}, False),
        ({"CreationTimeAfter": past, "CreationTimeBefore": future}, True),
        ({"SortBy": "Status", "SortOrder": "Ascending"}, True),
    ]:
        names = names_of(call(NameContains=endpoint, **parameters))
        assert (names == [endpoint]) is is_found, parameters


def test_endpoints_have_pages(in_processes, endpoint, capitals):
    call = in_processes.sagemaker.list_endpoints
    first = call(MaxResults=1, SortBy="Name")
    rest = call(MaxResults=1, SortBy="Name", NextToken=first["NextToken"])
    assert capitals
    found = names_of(first) + names_of(rest)
    assert found == sorted({*found}, reverse=True)
    assert len(found) == 2


HINTS = {"InferenceId": "i", "SessionId": "s", "PrefixAwareId": "p"}


def test_an_invocation_takes_all_that_is_vouched_for(in_processes, endpoint):
    asked = {"TargetVariant": "variant-0", "CustomAttributes": "a=b", "Accept": "text/plain"}
    whole = in_processes.invoke(endpoint, **asked, **HINTS, EnableExplanations="`false`")
    assert whole["InvokedProductionVariant"] == "variant-0"
    stream = in_processes.runtime.invoke_endpoint_with_response_stream(
        EndpointName=endpoint, Body=b"hello", ContentType="text/plain", **asked, **HINTS
    )
    assert b"".join(one["PayloadPart"]["Bytes"] for one in stream["Body"])
    assert stream["InvokedProductionVariant"] == "variant-0"


def test_a_page_has_ten_unless_more_are_asked_for():
    assert sagemaker_lists._PAGE == 10


@pytest.fixture(scope="module")
def capitals(in_processes, archive):
    client = in_processes.sagemaker
    model = in_processes.model(in_processes.upload(archive))
    made = client.create_endpoint_config(
        EndpointConfigName="Capital-Config",
        ProductionVariants=[{**VARIANT, "ModelName": model}],
    )
    assert made["EndpointConfigArn"].endswith(":endpoint-config/capital-config")
    created = client.create_endpoint(
        EndpointName="Capital-Endpoint", EndpointConfigName="Capital-Config"
    )
    in_processes.settled("Capital-Endpoint")
    yield created["EndpointArn"]
    client.delete_endpoint(EndpointName="Capital-Endpoint")
    in_processes.wait_until_deleted("Capital-Endpoint")
    client.delete_endpoint_config(EndpointConfigName="Capital-Config")


class TestCase:
    """Names with capitals: one rule for ARNs, one for what is there already."""

    def test_the_arn_of_an_endpoint_is_the_same_everywhere(self, in_processes, capitals):
        client = in_processes.sagemaker
        assert capitals == "arn:aws:sagemaker:us-east-1:123456789012:endpoint/capital-endpoint"
        shown = client.describe_endpoint(EndpointName="Capital-Endpoint")
        [listed] = client.list_endpoints(NameContains="Capital")["Endpoints"]
        updated = client.update_endpoint_weights_and_capacities(
            EndpointName="Capital-Endpoint",
            DesiredWeightsAndCapacities=[{"VariantName": "one", "DesiredWeight": 1.0}],
        )
        in_processes.settled("Capital-Endpoint")
        assert {one["EndpointArn"] for one in (shown, listed, updated)} == {capitals}
        assert {shown["EndpointName"], listed["EndpointName"]} == {"Capital-Endpoint"}

    def test_a_name_that_differs_by_case_only_is_taken(self, in_processes, capitals):
        client = in_processes.sagemaker
        assert code_and_message(
            client,
            "create_endpoint",
            EndpointName="capital-ENDPOINT",
            EndpointConfigName="Capital-Config",
        ) == ("ValidationException", f'Cannot create already existing endpoint "{capitals}".')
        _, message = code_and_message(
            client,
            "create_endpoint_config",
            EndpointConfigName="capital-config",
            ProductionVariants=[{**VARIANT, "ModelName": "any"}],
        )
        assert message.startswith("Cannot create already existing endpoint configuration")

    def test_an_invocation_must_match_the_case(self, in_processes, capitals):
        assert capitals
        in_processes.invoke("Capital-Endpoint")
        code, message = code_and_message(
            in_processes.runtime, "invoke_endpoint", EndpointName="capital-endpoint", Body=b"x"
        )
        assert (code, "not found" in message) == ("ValidationError", True)

    @pytest.mark.parametrize("change", [str, str.upper])
    def test_tags_are_found_by_an_arn_in_any_case(self, in_processes, capitals, change):
        client = in_processes.sagemaker
        head, name = capitals.rsplit("/", 1)
        arn = f"{head}/{change(name)}"
        tags = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
        assert client.add_tags(ResourceArn=arn, Tags=tags)["Tags"] == tags
        assert client.list_tags(ResourceArn=arn)["Tags"] == tags
        # AWS's least, and as many as a resource may have: there is no second page.
        assert client.list_tags(ResourceArn=arn, MaxResults=50)["Tags"] == tags
        client.delete_tags(ResourceArn=arn, TagKeys=["a", "b"])
        assert client.list_tags(ResourceArn=capitals)["Tags"] == []


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:sagemaker:us-east-1:123456789012:endpoint/nobody",
        "arn:aws:sagemaker:us-east-1:123456789012:model/nobody",
        "arn:aws:sagemaker:us-east-1:123456789012:training-job/nobody",
        "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/nobody",
        "arn:aws:sagemaker:us-east-1:111122223333:endpoint/nobody",
    ],
)
@pytest.mark.parametrize(
    ("call", "parameters"),
    [
        ("list_tags", {}),
        ("add_tags", {"Tags": [{"Key": "a", "Value": "b"}]}),
        ("delete_tags", {"TagKeys": ["a"]}),
    ],
)
def test_what_is_not_there_has_no_tags(in_processes, arn, call, parameters):
    code, message = code_and_message(in_processes.sagemaker, call, ResourceArn=arn, **parameters)
    assert code == "ValidationException"
    assert message.startswith("Could not find")


def test_an_arn_of_another_partition():
    arn = sagemaker_arn("endpoint", "A", region="cn-north-1", account="1" * 12)
    assert arn == "arn:aws-cn:sagemaker:cn-north-1:111111111111:endpoint/a"


def raw(aws, action, body, *, target=None):
    headers = {
        "X-Amz-Target": target if target is not None else f"SageMaker.{action}",
        "Content-Type": "application/x-amz-json-1.1",
    }
    headers = raw_requests.signed(aws, "POST", "/", headers, body, service="sagemaker")
    answer = raw_requests.send(aws.emulator.url, "POST", "/", headers, body)
    return answer.status, json.loads(answer.text)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "Start of list found where not expected."),
        (b'{"ModelName": 5}', "NUMBER_VALUE can not be converted to String"),
        (b'{"ModelName": true}', "TRUE_VALUE can not be converted to String"),
        (b'{"ModelName": ["a"]}', "Start of list found where not expected."),
        (b'{"ModelName": "a", "PrimaryContainer": "b"}',
         "STRING_VALUE can not be converted to a structure or map"),
        (b'{"ModelName": "a", "EnableNetworkIsolation": "yes"}',
         "STRING_VALUE can not be converted to Boolean"),
        (b'{"ModelName": "a", "Tags": {"Key": "a"}}',
         "Start of structure or map found where not expected."),
        (b'{"ModelName": "a", "PrimaryContainer": {"Environment": {"A": 1}}}',
         "NUMBER_VALUE can not be converted to String"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_a_serialization_exception(in_processes, body, message):
    status, answer = raw(in_processes, "CreateModel", body)
    assert (status, answer["__type"]) == (400, "SerializationException")
    assert message in answer["message"]


def test_what_is_required_and_absent_is_named(in_processes):
    status, answer = raw(in_processes, "CreateEndpoint", b'{"EndpointName": "a", "Tags": [{}]}')
    assert (status, answer["__type"]) == (400, "ValidationException")
    assert answer["Message"] == (
        "3 validation errors detected: "
        "Value null at 'endpointConfigName' failed to satisfy constraint: Member must not be null; "
        "Value null at 'tags.1.member.key' failed to satisfy constraint: Member must not be null; "
        "Value null at 'tags.1.member.value' failed to satisfy constraint: Member must not be null"
    )


@pytest.mark.parametrize("target", ["SageMaker", "Logs_20140328.ListModels", "", "ListModels"])
def test_an_action_of_another_service_is_unknown(in_processes, target):
    status, answer = raw(in_processes, "", b"{}", target=target)
    assert (status, answer["__type"]) == (400, "UnknownOperationException")


def test_a_member_that_nobody_knows_is_refused_by_name(in_processes):
    body = b'{"ModelName": "a", "PrimaryContainer": {"Image": "b", "Tomorrow": 1}, "Next": {}}'
    status, answer = raw(in_processes, "CreateModel", body)
    assert (status, answer["__type"]) == (501, "NotEmulated")
    assert "CreateModel with PrimaryContainer.Tomorrow, Next," in answer["message"]
