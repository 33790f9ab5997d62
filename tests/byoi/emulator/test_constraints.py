"""What AWS refuses before it makes anything, the emulator refuses in the same words."""

import json
import re

import pytest
from botocore.exceptions import ClientError
from moto.core.utils import get_service_model

from byoi.emulator import refusals
from byoi.emulator.aws import constraints

MODEL = {"ModelName": "validated", "PrimaryContainer": {"Image": "byoi:latest"}}
VARIANT = {"VariantName": "one", "ModelName": "none", "InstanceType": "ml.m5.large"}
PATTERN = "Member must satisfy regular expression pattern: "
NAME = r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"


def refusal(client, call, **parameters) -> str:
    with pytest.raises(ClientError) as caught:
        getattr(client, call)(**parameters)
    error = caught.value.response["Error"]
    assert error["Code"] in {"ValidationException", "ValidationError"}
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return str(error["Message"])


def rules(noun: str, most: int, pattern: str) -> str:
    """What is said of elements of whom each has these limits."""
    length = "Member must have length "
    limits = f"{length}less than or equal to {most}, {length}greater than or equal to 0"
    return f"{noun} must satisfy constraint: [{limits}, {PATTERN}{pattern}]"


def container(**changes: object) -> dict[str, object]:
    return {"PrimaryContainer": {"Image": "byoi:latest", **changes}}


@pytest.mark.parametrize(
    ("changes", "value", "path", "rule"),
    [
        ({"ModelName": "my_model"}, "my_model", "modelName",
         rf"{PATTERN}[a-zA-Z0-9]([\-a-zA-Z0-9]*[a-zA-Z0-9])?"),
        ({"ModelName": "m" * 64}, "m" * 64, "modelName",
         "Member must have length less than or equal to 63"),
        (container(ModelDataUrl="model.tar.gz"), "model.tar.gz", "primaryContainer.modelDataUrl",
         f"{PATTERN}(https|s3)://([^/]+)/?(.*)"),
        (container(Environment={"A-B": "x", "C": "y"}), "{A-B=x, C=y}",
         "primaryContainer.environment",
         rules("Map keys", 1024, "[a-zA-Z_][a-zA-Z0-9_]*")),
        (container(Environment={"A": "x" * 1025}), f"{{A={'x' * 1025}}}",
         "primaryContainer.environment",
         rules("Map value", 1024, r"[\S\s]*")),
        ({"Tags": [{"Key": "a", "Value": "b"}, {"Key": "c", "Value": "!"}]}, "!",
         "tags.2.member.value", rf"{PATTERN}([\p{{L}}\p{{Z}}\p{{N}}_.:/=+\-@]*)"),
        ({"VpcConfig": {"SecurityGroupIds": ["a b"], "Subnets": ["s"]}}, "[a b]",
         "vpcConfig.securityGroupIds",
         rules("Member", 32, "[-0-9a-zA-Z]+")),
    ],
)  # fmt: skip
def test_a_models_parameters_are_looked_at(in_processes, changes, value, path, rule):
    asked = {**MODEL, "ExecutionRoleArn": in_processes.role, **changes}
    said = refusal(in_processes.sagemaker, "create_model", **asked)
    where = f"Value '{value}' at '{path}' failed to satisfy constraint"
    assert said == f"1 validation error detected: {where}: {rule}"
    assert in_processes.sagemaker.list_models(NameContains="validated")["Models"] == []


def test_all_that_is_wrong_is_told_at_once(in_processes):
    said = refusal(
        in_processes.sagemaker,
        "create_endpoint_config",
        EndpointConfigName="a_b",
        ProductionVariants=[{**VARIANT, "VariantName": "c_d", "InitialInstanceCount": 1}],
    )
    assert said == (
        "2 validation errors detected: "
        f"Value 'a_b' at 'endpointConfigName' failed to satisfy constraint: {PATTERN}{NAME}; "
        "Value 'c_d' at 'productionVariants.1.member.variantName' failed to satisfy constraint: "
        f"{PATTERN}{NAME}"
    )


def test_an_instance_type_that_aws_does_not_have_is_refused(in_processes):
    said = refusal(
        in_processes.sagemaker,
        "create_endpoint_config",
        EndpointConfigName="refused",
        ProductionVariants=[{**VARIANT, "InstanceType": "ml.m5.gigantic"}],
    )
    assert "at 'productionVariants.1.member.instanceType'" in said
    assert "Member must satisfy enum value set: [ml.t2.medium, " in said


def test_two_variants_of_one_name_are_refused(in_processes):
    said = refusal(
        in_processes.sagemaker,
        "create_endpoint_config",
        EndpointConfigName="refused",
        ProductionVariants=[VARIANT, VARIANT],
    )
    assert said == "Two production variants have the name one."


@pytest.mark.parametrize(
    ("call", "parameters", "path"),
    [
        ("create_endpoint", {"EndpointName": "a_b", "EndpointConfigName": "c"}, "endpointName"),
        ("describe_endpoint", {"EndpointName": "a b"}, "endpointName"),
        ("delete_model", {"ModelName": "a_b"}, "modelName"),
        ("list_endpoints", {"MaxResults": 101}, "maxResults"),
        ("list_models", {"NameContains": "a_b"}, "nameContains"),
    ],
)
def test_other_calls_are_looked_at_too(in_processes, call, parameters, path):
    said = refusal(in_processes.sagemaker, call, **parameters)
    assert f" at '{path}' failed to satisfy constraint: Member must " in said


@pytest.mark.parametrize(
    ("parameters", "value", "rule"),
    [
        ({"EndpointName": "a_b"}, "Value 'a_b' at 'endpointName'",
         f"{PATTERN}^[a-zA-Z0-9](-*[a-zA-Z0-9])*"),
        ({"CustomAttributes": "x" * 1025}, "Value at 'customAttributes'",
         "Member must have length less than or equal to 1024"),
        ({"InferenceId": "i" * 65}, f"Value '{'i' * 65}' at 'inferenceId'",
         "Member must have length less than or equal to 64"),
        ({"TargetVariant": "a_b"}, "Value 'a_b' at 'targetVariant'",
         f"{PATTERN}^[a-zA-Z0-9](-*[a-zA-Z0-9])*"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("call", ["invoke_endpoint", "invoke_endpoint_with_response_stream"])
def test_an_invocations_headers_are_looked_at(in_processes, call, parameters, value, rule):
    asked = {"EndpointName": "none", "Body": b"x", **parameters}
    said = refusal(in_processes.runtime, call, **asked)
    assert said == f"1 validation error detected: {value} failed to satisfy constraint: {rule}"


SERVICES = ["sagemaker.amazonaws.com"]
STATEMENT = {
    "Effect": "Allow",
    "Principal": {"Service": SERVICES},
    "Action": "sts:AssumeRole",
    "Condition": {"StringEquals": {"aws:SourceAccount": "123456789012"}},
}


@pytest.mark.parametrize(
    ("trust", "is_taken"),
    [
        ([STATEMENT], True),
        ([{**STATEMENT, "Principal": {"Service": ["ec2.amazonaws.com", *SERVICES]}}], True),
        ([{**STATEMENT, "Principal": {"Service": "lambda.amazonaws.com"}}], False),
        ([{**STATEMENT, "Action": "sts:TagSession"}], False),
        ([STATEMENT, {**STATEMENT, "Effect": "Deny"}], False),
        ([], False),
    ],
)  # fmt: skip
def test_a_role_must_trust_sagemaker(in_processes, trust, is_taken):
    iam = in_processes.client("iam")
    document = json.dumps({"Version": "2012-10-17", "Statement": trust})
    arn = iam.create_role(RoleName="trusting", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    asked = {**MODEL, "ExecutionRoleArn": arn}
    try:
        if is_taken:
            in_processes.sagemaker.create_model(**asked)
            in_processes.sagemaker.delete_model(ModelName=MODEL["ModelName"])
        else:
            assert refusal(in_processes.sagemaker, "create_model", **asked) == (
                f"Could not assume role {arn}. Please ensure that the role exists and allows "
                "principal 'sagemaker.amazonaws.com' to assume the role."
            )
    finally:
        iam.delete_role(RoleName="trusting")


@pytest.mark.parametrize("account", ["123456789012", "111122223333"])
def test_a_role_of_an_account_that_is_not_here_is_taken(in_processes, account):
    arn = f"arn:aws:iam::{account}:role/service-role/AmazonSageMaker-ExecutionRole"
    in_processes.sagemaker.create_model(**MODEL, ExecutionRoleArn=arn)
    in_processes.sagemaker.delete_model(ModelName=MODEL["ModelName"])


def test_a_templates_properties_are_looked_at(in_processes):
    resource = {
        "Type": "AWS::SageMaker::Model",
        "Properties": {
            "ModelName": "a_b",
            "ExecutionRoleArn": in_processes.role,
            # A number is a text to CloudFormation.
            "PrimaryContainer": {"Image": "byoi:latest", "Environment": {"WORKERS": 1}},
        },
    }
    stacks = in_processes.client("cloudformation")
    body = json.dumps({"Resources": {"Model": resource}})
    stacks.create_stack(StackName="invalid", TemplateBody=body)
    events = stacks.describe_stack_events(StackName="invalid")["StackEvents"]
    stacks.delete_stack(StackName="invalid")
    reasons = " ".join(event.get("ResourceStatusReason", "") for event in events)
    assert "1 validation error detected: Value 'a_b' at 'modelName' failed" in reasons


def patterns(shape, seen):
    if shape.name in seen:
        return
    seen.add(shape.name)
    if "pattern" in shape.metadata:
        yield shape.metadata["pattern"]
    inner = getattr(shape, "members", {}).values()
    for name in ("member", "key", "value"):
        inner = [*inner, *([getattr(shape, name)] if hasattr(shape, name) else [])]
    for one in inner:
        yield from patterns(one, seen)


@pytest.mark.parametrize(
    "service",
    ["sagemaker", "sagemaker-runtime", "cloudformation", "ecr", "iam", "logs", "sts"],
)
def test_python_reads_every_pattern_of_the_model(service):
    model = get_service_model(service)
    actions = [name for name in model.operation_names if refusals.is_emulated(service, name)]
    seen: set[str] = set()
    shapes = [model.operation_model(name).input_shape for name in actions]
    found = [p for shape in shapes if shape is not None for p in patterns(shape, seen)]
    assert len(found) >= 3
    for pattern in found:
        assert r"\p" not in constraints.to_python(pattern)
        re.compile(constraints.to_python(pattern))
