"""Stacks: their endpoints are real, waited for, and rolled back."""

import json
import tarfile
import threading
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, WaiterError
from emulated_aws import ECHO, OWN_IMAGE, PATIENCE_S, Aws, trust, wait_for

from byoi.emulator.process.server import Emulator

ROOT = Path(__file__).resolve().parents[2]

# The template makes a role.
IAM = {"Capabilities": ["CAPABILITY_IAM"]}
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
            "Properties": {"AssumeRolePolicyDocument": trust("sagemaker.amazonaws.com")},
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


def left_of(aws, stack):
    """The models and configurations a stack made; others may have some, too."""
    models = aws.sagemaker.list_models(NameContains=stack)["Models"]
    configs = aws.sagemaker.list_endpoint_configs(MaxResults=100)["EndpointConfigs"]
    names = [one["ModelName"] for one in models]
    names += [one["EndpointConfigName"] for one in configs]
    return [name for name in names if name.startswith(f"{stack}-")]


def test_an_endpoint_of_a_stack_answers_and_goes_with_it(in_processes, stacks, archive):
    stacks.create_stack(
        StackName="good", TemplateBody=template(in_processes.upload(archive)), **IAM
    )
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
    stacks.create_stack(StackName="bad", TemplateBody=template(data), **IAM)
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
    assert left_of(in_processes, "bad") == []
    stacks.delete_stack(StackName="bad")


@pytest.mark.parametrize(
    "type_", ["AWS::ApplicationAutoScaling::ScalableTarget", "AWS::Lambda::Function"]
)
def test_a_type_that_is_not_emulated_is_no_part_of_a_stack(in_processes, stacks, archive, type_):
    body = template(in_processes.upload(archive), Other={"Type": type_, "Properties": {}})
    with pytest.raises(ClientError, match=f"{type_} in a template") as refused:
        stacks.create_stack(StackName="other", TemplateBody=body, **IAM)
    assert refused.value.response["Error"]["Code"] == "NotEmulated"
    assert stacks.describe_stacks()["Stacks"] == []
    assert in_processes.endpoints() == []


def test_a_serverless_endpoint_in_a_template_is_refused(stacks, in_processes, archive):
    body = json.loads(template(in_processes.upload(archive)))
    variants = body["Resources"]["Config"]["Properties"]["ProductionVariants"]
    variants[0]["ServerlessConfig"] = {"MaxConcurrency": 1, "MemorySizeInMB": 1024}
    stacks.create_stack(StackName="serverless", TemplateBody=json.dumps(body), **IAM)
    events = stacks.describe_stack_events(StackName="serverless")["StackEvents"]
    reasons = [event.get("ResourceStatusReason", "") for event in events]
    assert any("ServerlessConfig" in reason for reason in reasons)
    stacks.delete_stack(StackName="serverless")


def with_config(data, name, **container):
    """The template with a configuration and a model of other names, as AWS wants an update."""
    body = json.loads(template(data))
    resources = body["Resources"]
    model, config = resources.pop("Model"), resources.pop("Config")
    model["Properties"]["PrimaryContainer"].update(container)
    config["Properties"]["ProductionVariants"][0]["ModelName"]["Fn::GetAtt"][0] = f"Model{name}"
    resources |= {f"Model{name}": model, f"Config{name}": config}
    resources["Endpoint"]["Properties"]["EndpointConfigName"]["Fn::GetAtt"][0] = f"Config{name}"
    return json.dumps(body)


def described(stacks, name):
    return stacks.describe_stacks(StackName=name)["Stacks"][0]


def statuses(stacks, name):
    """Of the events about the stack itself, the first one first."""
    events = stacks.describe_stack_events(StackName=name)["StackEvents"]
    own = [one for one in events if one["PhysicalResourceId"] == one["StackId"]]
    return [event["ResourceStatus"] for event in reversed(own)]


def test_an_update_leads_the_endpoint_to_another_configuration(in_processes, stacks, archive):
    data = in_processes.upload(archive)
    stacks.create_stack(StackName="change", TemplateBody=with_config(data, "One"), **IAM)
    before = in_processes.settled("of-a-stack")["EndpointConfigName"]
    stacks.update_stack(StackName="change", TemplateBody=with_config(data, "Two"), **IAM)
    assert described(stacks, "change")["StackStatus"] == "UPDATE_COMPLETE"
    assert in_processes.settled("of-a-stack")["EndpointConfigName"] != before
    assert len(left_of(in_processes, "change")) == 2
    assert json.loads(in_processes.invoke("of-a-stack")["Body"].read())["text"] == "hello"

    # One that fails leaves everything as it was.
    before = in_processes.settled("of-a-stack")["EndpointConfigName"]
    bad = f"s3://{in_processes.bucket}/nothing/model.tar.gz"
    stacks.update_stack(StackName="change", TemplateBody=with_config(bad, "Three"), **IAM)
    stack = described(stacks, "change")
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "there is no such object" in stack["StackStatusReason"]
    assert [one["OutputValue"] for one in stack["Outputs"]] == ["of-a-stack"]
    endpoint = in_processes.settled("of-a-stack")
    assert (endpoint["EndpointStatus"], endpoint["EndpointConfigName"]) == ("InService", before)
    left = left_of(in_processes, "change")
    assert len(left) == 2
    assert before in left
    assert json.loads(in_processes.invoke("of-a-stack")["Body"].read())["text"] == "hello"

    # And it can be updated after that.
    stacks.update_stack(StackName="change", TemplateBody=with_config(data, "Four"), **IAM)
    assert described(stacks, "change")["StackStatus"] == "UPDATE_COMPLETE"
    assert statuses(stacks, "change") == [
        *("CREATE_IN_PROGRESS", "CREATE_COMPLETE"),
        *("UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_COMPLETE"),
        *("UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE"),
        *("UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_COMPLETE"),
    ]
    stacks.delete_stack(StackName="change")
    stacks.get_waiter("stack_delete_complete").wait(StackName="change")
    assert in_processes.endpoints() == []
    assert left_of(in_processes, "change") == []


def around(aws, inner):
    """A template with another one inside."""
    aws.s3.put_object(Bucket=aws.bucket, Key="inner.json", Body=inner)
    url = f"https://s3.amazonaws.com/{aws.bucket}/inner.json"
    resource = {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": url}}
    return json.dumps({"Resources": {"Inner": resource}})


def test_a_stack_inside_another_that_fails_fails_both(in_processes, stacks):
    inner = template(f"s3://{in_processes.bucket}/nothing/model.tar.gz")
    stacks.create_stack(StackName="outer", TemplateBody=around(in_processes, inner), **IAM)
    (stack,) = stacks.describe_stacks()["Stacks"]
    assert (stack["StackName"], stack["StackStatus"]) == ("outer", "ROLLBACK_COMPLETE")
    assert "there is no such object" in stack["StackStatusReason"]
    assert in_processes.endpoints() == []
    stacks.delete_stack(StackName="outer")


def test_a_stack_inside_another_is_done_before_it(in_processes, stacks, archive):
    inner = template(in_processes.upload(archive))
    stacks.create_stack(StackName="outer", TemplateBody=around(in_processes, inner), **IAM)
    found = {one["StackName"]: one["StackStatus"] for one in stacks.describe_stacks()["Stacks"]}
    assert len(found) == 2
    assert set(found.values()) == {"CREATE_COMPLETE"}
    assert json.loads(in_processes.invoke("of-a-stack")["Body"].read())["text"] == "hello"
    stacks.delete_stack(StackName="outer")
    assert stacks.describe_stacks()["Stacks"] == []
    assert in_processes.endpoints() == []


def test_a_model_without_a_name_is_replaced_with_what_depends_on_it(in_processes, stacks, archive):
    data = in_processes.upload(archive)
    stacks.create_stack(StackName="place", TemplateBody=with_config(data, "One"), **IAM)
    before = left_of(in_processes, "place")
    other = with_config(data, "One", Environment={**ECHO, "BYOI_THREADS": "3"})
    made = stacks.create_change_set(
        StackName="place", ChangeSetName="other", TemplateBody=other, **IAM
    )
    changes = [
        one["ResourceChange"]
        for one in stacks.describe_change_set(ChangeSetName=made["Id"])["Changes"]
    ]
    assert [(one["LogicalResourceId"], one["Replacement"]) for one in changes] == [
        ("ModelOne", "True"), ("ConfigOne", "Conditional"), ("Endpoint", "False")
    ]  # fmt: skip
    stacks.execute_change_set(ChangeSetName=made["Id"])
    assert described(stacks, "place")["StackStatus"] == "UPDATE_COMPLETE"
    assert json.loads(in_processes.invoke("of-a-stack")["Body"].read())["text"] == "hello"
    after = left_of(in_processes, "place")
    assert len(after) == 2
    assert not set(before) & set(after)
    stacks.delete_stack(StackName="place")
    assert left_of(in_processes, "place") == []


def test_a_model_with_a_name_is_not_replaced_as_on_aws(in_processes, stacks, archive):
    def named(**environment):
        body = json.loads(template(in_processes.upload(archive)))
        model = body["Resources"]["Model"]["Properties"]
        model["ModelName"] = "named"
        model["PrimaryContainer"]["Environment"] = {**ECHO, **environment}
        return json.dumps(body)

    stacks.create_stack(StackName="place", TemplateBody=named(), **IAM)
    stacks.update_stack(StackName="place", TemplateBody=named(BYOI_THREADS="3"), **IAM)
    stack = described(stacks, "place")
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert (
        "CloudFormation cannot update a stack when a custom-named resource requires replacing. "
        "Rename named and update the stack again."
    ) in stack["StackStatusReason"]
    assert json.loads(in_processes.invoke("of-a-stack")["Body"].read())["text"] == "hello"
    stacks.delete_stack(StackName="place")
    assert in_processes.endpoints() == []


class TestInTheBackground:
    """Calls are answered before their work is done, as those of AWS are."""

    @pytest.fixture
    def aws(self):
        """An emulator in this process, which one of these tests ends."""
        emulator = Emulator(runner="processes", startup_timeout_s=PATIENCE_S, stacks_answer_s=0)
        yield Aws(emulator)
        emulator.stop()

    @pytest.fixture
    def stacks(self, aws):
        return aws.client("cloudformation")

    @pytest.fixture
    def slow(self, tmp_path):
        """An archive that takes a second to load."""
        echo = (ROOT / "toys" / "echo.py").read_text(encoding="utf-8")
        (tmp_path / "echo.py").write_text(f"import time\ntime.sleep(1)\n{echo}")
        with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as tar:
            tar.add(tmp_path / "echo.py", "echo.py")
        return tmp_path / "model.tar.gz"

    def ended(self, stacks, name):
        wait_for(
            lambda: not described(stacks, name)["StackStatus"].endswith("_IN_PROGRESS"), "no end"
        )
        return described(stacks, name)

    def test_a_stack_is_in_progress_until_its_endpoint_is_in_service(self, aws, stacks, slow):
        stacks.create_stack(StackName="slow", TemplateBody=template(aws.upload(slow)), **IAM)
        stack = described(stacks, "slow")
        assert stack["StackStatus"] == "CREATE_IN_PROGRESS"
        # Looking at it makes nothing: no output, and only what there is.
        assert "Outputs" not in stack
        wait_for(lambda: aws.endpoints() == ["of-a-stack"], "no endpoint")
        found = stacks.describe_stack_resources(StackName="slow")["StackResources"]
        assert "Endpoint" not in [one["LogicalResourceId"] for one in found]
        with pytest.raises(ClientError, match="is in CREATE_IN_PROGRESS state"):
            stacks.update_stack(
                StackName="slow", TemplateBody=template("s3://other/model.tar.gz"), **IAM
            )
        stack = self.ended(stacks, "slow")
        assert stack["StackStatus"] == "CREATE_COMPLETE"
        assert [one["OutputValue"] for one in stack["Outputs"]] == ["of-a-stack"]
        assert len(stacks.list_stack_resources(StackName="slow")["StackResourceSummaries"]) == 4
        assert json.loads(aws.invoke("of-a-stack")["Body"].read())["text"] == "hello"

        stacks.delete_stack(StackName="slow")
        wait_for(lambda: stacks.describe_stacks()["Stacks"] == [], "it is not deleted")
        assert aws.endpoints() == []

    def test_a_failure_is_rolled_back_later(self, aws, stacks):
        stacks.create_stack(
            StackName="bad", TemplateBody=template(f"s3://{aws.bucket}/no.tar.gz"), **IAM
        )
        assert self.ended(stacks, "bad")["StackStatus"] == "ROLLBACK_COMPLETE"
        assert statuses(stacks, "bad") == [
            "CREATE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETE"
        ]  # fmt: skip
        assert aws.endpoints() == []
        stacks.delete_stack(StackName="bad")
        wait_for(lambda: stacks.describe_stacks()["Stacks"] == [], "it is not deleted")

    def test_one_that_is_deleted_while_it_is_made_goes_whole(self, aws, stacks, slow):
        stacks.create_stack(StackName="short", TemplateBody=template(aws.upload(slow)), **IAM)
        stacks.delete_stack(StackName="short")
        wait_for(lambda: stacks.describe_stacks()["Stacks"] == [], "it is not deleted")
        assert aws.endpoints() == []
        assert left_of(aws, "short") == []

    def test_one_that_is_made_when_the_emulator_ends_holds_nothing_up(self, aws, stacks, slow):
        stacks.create_stack(StackName="last", TemplateBody=template(aws.upload(slow)), **IAM)
        wait_for(lambda: aws.endpoints() == ["of-a-stack"], "no endpoint")
        aws.emulator.stop()
        assert not [one for one in threading.enumerate() if one.name.startswith(("stack", "endp"))]
