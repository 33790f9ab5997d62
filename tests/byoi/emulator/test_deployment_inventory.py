"""What runs, by its tags, and its end: named, expired, all, left over; and nothing of others."""

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from deployed import ask, existing, left_as_found, plan
from emulated_aws import Aws

from byoi import deployment, errors
from byoi.deployment import inventory
from byoi.deployment.account import EXECUTION_ROLE_STACK, find_role_arn

NOW = dt.datetime.now(dt.UTC)
LATER = NOW + dt.timedelta(hours=8)
EARLIER = NOW - dt.timedelta(hours=1)


@pytest.fixture
def account(in_processes: Aws) -> Iterator[deployment.Account]:
    with left_as_found(in_processes) as found:
        yield found


def parts(account: deployment.Account, plan: deployment.Plan) -> None:
    """Make what an interrupted deployment leaves: a model and a configuration."""
    account.sagemaker.create_model(**plan.model_request())
    account.sagemaker.create_endpoint_config(**plan.config_request())


def test_what_runs_is_listed_with_its_instances_and_its_time(
    account: deployment.Account, archive: Path
) -> None:
    wanted = plan(account, archive, "listed", instance_count=2, expires=LATER)
    deployment.deploy(account, wanted)
    (found,) = inventory.find_endpoints(account)
    assert (found.name, found.status) == ("listed", "InService")
    assert found.instances == (("ml.m5.large", 2),)
    assert found.created is not None
    assert abs(found.created - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=5)
    assert found.expires == LATER.replace(microsecond=0)
    assert not found.is_expired(NOW)
    assert found.is_expired(LATER + dt.timedelta(seconds=1))
    assert {part.name for part in found.parts} == {
        "listed",
        wanted.model_name,
        wanted.config_name,
    }


def test_an_endpoint_goes_with_all_it_is_made_of(
    account: deployment.Account, archive: Path
) -> None:
    before = existing(account)
    deployment.deploy(account, plan(account, archive, "one"))
    deployment.deploy(account, plan(account, archive, "two"))
    said: list[str] = []
    inventory.delete_endpoints(account, ["one"], progress=said.append)
    assert [line.rpartition(" ")[0] for line in said] == [
        "deleted endpoint",
        "deleted endpoint configuration",
        "deleted model",
    ]
    assert [found.name for found in inventory.find_endpoints(account)] == ["two"]
    assert ask(account, "two") == "hello"
    inventory.delete_endpoints(account, ["two"])
    assert existing(account) == before


def test_only_what_is_over_expires(account: deployment.Account, archive: Path) -> None:
    for name, expires in (("old", EARLIER), ("young", LATER), ("eternal", None)):
        parts(account, plan(account, archive, name, expires=expires))
    found = inventory.find_endpoints(account)
    assert [one.name for one in found] == ["eternal", "old", "young"]
    assert inventory.find_expired(found, NOW) == ["old"]
    assert inventory.find_expired(found, LATER) == ["old", "young"]


def test_a_second_deployment_renews_the_expiry(account: deployment.Account, archive: Path) -> None:
    deployment.deploy(account, plan(account, archive, "renewed", expires=EARLIER))
    assert inventory.find_expired(inventory.find_endpoints(account), NOW) == ["renewed"]
    deployment.deploy(account, plan(account, archive, "renewed", expires=LATER))
    assert inventory.find_expired(inventory.find_endpoints(account), NOW) == []


def test_what_an_interrupted_deployment_left_is_found_and_deleted(
    account: deployment.Account, archive: Path
) -> None:
    before = existing(account)
    wanted = plan(account, archive, "interrupted", expires=EARLIER)
    parts(account, wanted)
    (found,) = inventory.find_endpoints(account)
    assert (found.name, found.status, found.created) == ("interrupted", "no endpoint", None)
    assert found.is_expired(NOW)
    inventory.delete_endpoints(account, ["interrupted"])
    assert existing(account) == before


def test_parts_that_an_endpoint_does_not_use_go_with_it(
    account: deployment.Account, archive: Path
) -> None:
    before = existing(account)
    wanted = plan(account, archive, "more")
    deployment.deploy(account, wanted)
    parts(account, replace(wanted, image_digest="another"))
    inventory.delete_endpoints(account, ["more"])
    assert existing(account) == before


def test_what_has_no_tag_is_never_touched(
    account: deployment.Account, in_processes: Aws, archive: Path
) -> None:
    model = in_processes.model(in_processes.upload(archive))
    config = in_processes.config(model)
    name = "byoi-of-another"
    account.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
    try:
        in_processes.settled(name)
        assert inventory.find_endpoints(account) == []
        assert [one for one in inventory.find_everything(account) if one.kind == "endpoint"] == []
        with pytest.raises(errors.HostingError, match="aws sagemaker delete-endpoint"):
            inventory.delete_endpoints(account, [name])
        assert {name, config, model} <= set(existing(account))
    finally:
        account.sagemaker.delete_endpoint(EndpointName=name)
        account.sagemaker.delete_endpoint_config(EndpointConfigName=config)
        account.sagemaker.delete_model(ModelName=model)
        in_processes.wait_until_deleted(name)


def test_a_part_of_ours_that_is_not_ours_stays(
    account: deployment.Account, in_processes: Aws, archive: Path
) -> None:
    wanted = plan(account, archive, "mixed")
    lent = in_processes.model(in_processes.upload(archive))
    others = replace(wanted, endpoint_name="others")
    account.sagemaker.create_model(**others.model_request())
    config = wanted.config_request()
    variant = config["ProductionVariants"][0]
    config["ProductionVariants"] = [
        {**variant, "ModelName": lent, "VariantName": "one"},
        {**variant, "ModelName": others.model_name, "VariantName": "two"},
    ]
    account.sagemaker.create_endpoint_config(**config)
    account.sagemaker.create_endpoint(**wanted.endpoint_request())
    inventory.delete_endpoints(account, ["mixed"])
    left = existing(account)
    assert lent in left
    assert others.model_name in left
    assert not {"mixed", wanted.config_name} & set(left)
    account.sagemaker.delete_model(ModelName=lent)


def test_where_one_name_is_wrong_none_is_deleted(
    account: deployment.Account, archive: Path
) -> None:
    parts(account, plan(account, archive, "right"))
    with pytest.raises(errors.HostingError, match="there is no endpoint wrong"):
        inventory.delete_endpoints(account, ["right", "wrong"])
    assert [one.name for one in inventory.find_endpoints(account)] == ["right"]


def test_what_is_being_made_is_waited_for_and_deleted(
    account: deployment.Account, archive: Path
) -> None:
    before = existing(account)
    wanted = plan(account, archive, "early")
    parts(account, wanted)
    account.sagemaker.create_endpoint(**wanted.endpoint_request())
    said: list[str] = []
    inventory.delete_endpoints(account, ["early"], progress=said.append)
    assert said[0] == "waiting for early, which is Creating"
    assert existing(account) == before


def test_more_than_a_page_is_found(account: deployment.Account, archive: Path) -> None:
    wanted = plan(account, archive, "many")
    for number in range(101):
        account.sagemaker.create_model(**replace(wanted, image_digest=str(number)).model_request())
        config = replace(wanted, instance_count=number + 1).config_request()
        config["ProductionVariants"][0]["ModelName"] = replace(wanted, image_digest="0").model_name
        account.sagemaker.create_endpoint_config(**config)
    (found,) = inventory.find_endpoints(account)
    assert len(found.parts) == 202


ROLE_STACK = json.dumps(
    {
        "Resources": {
            "Role": {
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "AssumeRolePolicyDocument": {
                        "Version": "2012-10-17",
                        "Statement": [
                            {
                                "Effect": "Allow",
                                "Principal": {"Service": "sagemaker.amazonaws.com"},
                                "Action": "sts:AssumeRole",
                            }
                        ],
                    }
                },
            }
        },
        "Outputs": {"RoleArn": {"Value": {"Fn::GetAtt": ["Role", "Arn"]}}},
    }
)


def test_everything_is_found_and_goes_in_its_order(
    account: deployment.Account, in_processes: Aws, archive: Path
) -> None:
    s3, logs = account.client("s3"), account.client("logs")
    cloudformation = account.client("cloudformation")
    s3.put_object(Bucket=account.bucket(), Key="others/model.tar.gz", Body=b"")
    for name in ("others", "byoi-api", EXECUTION_ROLE_STACK):
        cloudformation.create_stack(
            StackName=name, TemplateBody=ROLE_STACK, Capabilities=["CAPABILITY_IAM"]
        )
    logs.create_log_group(logGroupName="/aws/sagemaker/Endpoints/of-another")
    logs.create_log_group(logGroupName="/aws/lambda/byoi")
    wanted = plan(account, archive, "whole", role_arn=find_role_arn({}, cloudformation))
    deployment.deploy(account, wanted)
    # Its endpoint is gone, its log is not.
    deployment.deploy(account, plan(account, archive, "former"))
    inventory.delete_endpoints(account, ["former"])

    found = [str(one) for one in inventory.find_everything(account)]
    assert found[0] == "endpoint whole"
    assert found[1] == "stack byoi-api"
    assert found[-1] == f"stack {EXECUTION_ROLE_STACK}"
    groups = [name for name in found if name.startswith("log group")]
    assert "log group /aws/sagemaker/Endpoints/whole" in groups
    assert "log group /aws/sagemaker/Endpoints/former" in groups
    assert f"object {wanted.model_data_url}" in found
    strangers = {"stack others", "log group /aws/sagemaker/Endpoints/of-another"}
    strangers |= {
        "log group /aws/lambda/byoi",
        f"object s3://{account.bucket()}/others/model.tar.gz",
    }
    assert not strangers & set(found)

    for one in inventory.find_everything(account):
        one.delete()
    assert inventory.find_everything(account) == []
    stacks = cloudformation.describe_stacks()["Stacks"]
    assert [stack["StackName"] for stack in stacks] == ["others"]
    left = s3.list_objects_v2(Bucket=account.bucket(), Prefix="others/")
    assert left["KeyCount"] == 1
    cloudformation.delete_stack(StackName="others")
    s3.delete_object(Bucket=account.bucket(), Key="others/model.tar.gz")
    logs.delete_log_group(logGroupName="/aws/lambda/byoi")
    logs.delete_log_group(logGroupName="/aws/sagemaker/Endpoints/of-another")


@pytest.mark.needs("docker-registry")
def test_of_the_repositories_only_the_one_the_script_makes_is_ours(
    account: deployment.Account,
) -> None:
    ecr = account.client("ecr")
    for name in ("byoi", "byoi-of-another"):
        ecr.create_repository(repositoryName=name)
    found = [one for one in inventory.find_everything(account) if one.kind == "repository"]
    assert [one.name for one in found] == ["byoi"]
    found[0].delete()
    left = ecr.describe_repositories()["repositories"]
    assert [one["repositoryName"] for one in left] == ["byoi-of-another"]
    ecr.delete_repository(repositoryName="byoi-of-another")
