"""Deploying: once, twice, another model, what fails, and what is not ours."""

import contextlib
import datetime as dt
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from deployed import BROKEN, ask, existing, left_as_found, other_archive, plan
from emulated_aws import ECHO, Aws

from byoi import deployment, errors, traffic
from byoi.deployment import Outcome, inventory, resources, tags


@pytest.fixture
def account(aws: Aws) -> Iterator[deployment.Account]:
    with left_as_found(aws) as found:
        yield found


@pytest.fixture
def in_process(in_processes: Aws) -> Iterator[deployment.Account]:
    """An account for what does not depend on the runner."""
    with left_as_found(in_processes) as found:
        yield found


def tags_of(account: deployment.Account, name: str) -> list[tags.Ownership | None]:
    """What the tags of an endpoint, its configuration and its model say."""
    sagemaker = account.sagemaker
    endpoint = sagemaker.describe_endpoint(EndpointName=name)
    config = sagemaker.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
    model = sagemaker.describe_model(ModelName=config["ProductionVariants"][0]["ModelName"])
    arns = [endpoint["EndpointArn"], config["EndpointConfigArn"], model["ModelArn"]]
    return [resources.find_ownership(sagemaker, arn) for arn in arns]


def test_deploying_twice_changes_nothing(account: deployment.Account, archive: Path) -> None:
    said: list[str] = []
    assert deployment.deploy(account, plan(account, archive, "twice"), progress=said.append) == (
        Outcome.CREATED
    )
    assert ask(account, "twice") == "hello"
    made = existing(account)
    described = account.sagemaker.describe_endpoint(EndpointName="twice")
    assert deployment.deploy(account, plan(account, archive, "twice")) == Outcome.UNCHANGED
    assert existing(account) == made
    assert (
        account.sagemaker.describe_endpoint(EndpointName="twice")["CreationTime"]
        == (described["CreationTime"])
    )
    states = [line.partition(" (")[0] for line in said if line.startswith("twice: ")]
    assert states == ["twice: Creating", "twice: InService"]
    assert any(line.startswith("  | ") and "ready" in line for line in said)


def test_another_model_is_an_update_while_the_old_one_answers(
    account: deployment.Account, archive: Path, tmp_path: Path
) -> None:
    before = set(existing(account))
    deployment.deploy(account, plan(account, archive, "changed"))
    old = set(existing(account)) - before
    new = plan(account, other_archive(tmp_path), "changed")
    with traffic.going_on(lambda: ask(account, "changed")) as requests:
        assert deployment.deploy(account, new) == Outcome.UPDATED
        assert ask(account, "changed") == "LOUD"
    assert requests.failures == []
    assert {one.answer for one in requests.exchanges} == {"hello", "LOUD"}
    # The old model and its configuration are gone.
    assert set(existing(account)) & old == {"changed"}
    assert {new.model_name, new.config_name} < set(existing(account))


def test_a_failed_creation_leaves_nothing_and_names_its_cause(
    account: deployment.Account, archive: Path
) -> None:
    before = existing(account)
    with pytest.raises(errors.EndpointFailedError) as caught:
        deployment.deploy(account, plan(account, archive, "broken", environment=BROKEN))
    said = str(caught.value)
    assert "endpoint broken failed: The primary container" in said
    assert "exit code 1" in said
    log = said.partition("last lines of the new containers' log:")[2]
    assert "  | error: BYOI_INFERENCE_MODULE='no_such_module' cannot be found" in log
    assert said.endswith("all of it was deleted")
    assert existing(account) == before


def test_a_failed_update_leaves_the_old_one_serving(
    account: deployment.Account, archive: Path
) -> None:
    deployment.deploy(account, plan(account, archive, "kept"))
    made = existing(account)
    with pytest.raises(errors.EndpointFailedError, match="the endpoint keeps serving as before"):
        deployment.deploy(account, plan(account, archive, "kept", environment=BROKEN))
    assert ask(account, "kept") == "hello"
    assert existing(account) == made


def test_more_instances_keep_the_model(in_process: deployment.Account, archive: Path) -> None:
    wanted = plan(in_process, archive, "grown")
    deployment.deploy(in_process, wanted)
    more = replace(wanted, instance_count=2)
    assert deployment.deploy(in_process, more) == Outcome.UPDATED
    assert {wanted.model_name, more.config_name} < set(existing(in_process))
    assert wanted.config_name not in existing(in_process)


def test_a_failed_update_of_instances_keeps_the_model(
    in_process: deployment.Account, archive: Path
) -> None:
    wanted = plan(in_process, archive, "small")
    deployment.deploy(in_process, wanted)
    made = existing(in_process)
    with pytest.raises(errors.HostingError, match=r"ml\.no\.such"):
        deployment.deploy(in_process, replace(wanted, instance_type="ml.no.such"))
    assert existing(in_process) == made
    assert ask(in_process, "small") == "hello"


def test_what_aws_refuses_halfway_is_taken_back(
    in_process: deployment.Account, archive: Path
) -> None:
    before = existing(in_process)
    wanted = plan(in_process, archive, "refused", instance_type="ml.no.such")
    with pytest.raises(errors.HostingError, match=r"it was not deployed: .*ml\.no\.such"):
        deployment.deploy(in_process, wanted)
    assert existing(in_process) == before


def test_what_fails_here_halfway_is_taken_back(
    in_process: deployment.Account, archive: Path
) -> None:
    before = existing(in_process)

    def fail() -> int:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        deployment.deploy(
            in_process, plan(in_process, archive, "halfway"), find_startup_timeout_s=fail
        )
    assert existing(in_process) == before


@contextlib.contextmanager
def refusing(account: deployment.Account, call: str, code: str, message: str) -> Iterator[None]:
    """Let AWS refuse a call inside this context."""

    def refuse(**_: object) -> None:
        raise ClientError({"Error": {"Code": code, "Message": message}}, call)

    events, name = account.sagemaker.meta.events, f"before-call.sagemaker.{call}"
    events.register(name, refuse)
    try:
        yield
    finally:
        events.unregister(name, refuse)


def test_what_cannot_be_removed_after_a_failure_does_not_hide_its_cause(
    in_process: deployment.Account, archive: Path
) -> None:
    wanted = plan(in_process, archive, "sticky", environment=BROKEN)
    with (
        refusing(in_process, "DeleteModel", "AccessDeniedException", "not you"),
        pytest.raises(errors.EndpointFailedError, match="no_such_module") as caught,
    ):
        deployment.deploy(in_process, wanted)
    assert "could not be removed" in str(caught.value)
    assert "`byoi delete sticky`" in str(caught.value)
    assert [one.name for one in inventory.find_endpoints(in_process)] == ["sticky"]


def test_it_does_not_try_for_ever(in_process: deployment.Account, archive: Path) -> None:
    said: list[str] = []
    message = 'Cannot create already existing endpoint "arn".'
    with (
        refusing(in_process, "CreateEndpoint", "ValidationException", message),
        pytest.raises(errors.HostingError, match="take another name"),
    ):
        deployment.deploy(in_process, plan(in_process, archive, "busy"), progress=said.append)
    assert said.count("another deployment of busy was faster") == 5


def test_a_failed_endpoint_is_replaced(in_process: deployment.Account, archive: Path) -> None:
    broken = plan(in_process, archive, "failed", environment=BROKEN)
    sagemaker = in_process.sagemaker
    sagemaker.create_model(**broken.model_request())
    sagemaker.create_endpoint_config(**broken.config_request())
    sagemaker.create_endpoint(**broken.endpoint_request())
    said: list[str] = []
    wanted = plan(in_process, archive, "failed")
    # It is still Creating, and waited for.
    assert deployment.deploy(in_process, wanted, progress=said.append) == Outcome.CREATED
    assert "waiting for failed, which is Creating" in said
    assert "failed is Failed and is replaced" in said
    assert ask(in_process, "failed") == "hello"
    assert broken.model_name not in existing(in_process)


def test_what_an_interrupted_deployment_began_is_taken_up(
    in_process: deployment.Account, archive: Path
) -> None:
    wanted = plan(in_process, archive, "begun")
    sagemaker = in_process.sagemaker
    sagemaker.create_model(**wanted.model_request())
    sagemaker.create_endpoint_config(**wanted.config_request())
    sagemaker.create_endpoint(**wanted.endpoint_request())
    assert deployment.deploy(in_process, wanted) == Outcome.UNCHANGED
    assert ask(in_process, "begun") == "hello"


def test_left_over_parts_are_used_again(in_process: deployment.Account, archive: Path) -> None:
    wanted = plan(in_process, archive, "parts")
    in_process.sagemaker.create_model(**wanted.model_request())
    assert deployment.deploy(in_process, wanted) == Outcome.CREATED


def test_two_at_once_never_say_already_existing(
    in_process: deployment.Account, archive: Path
) -> None:
    wanted = plan(in_process, archive, "race")
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(lambda _: deployment.deploy(in_process, wanted), range(2)))
    assert Outcome.CREATED in outcomes
    assert ask(in_process, "race") == "hello"


def test_an_endpoint_that_is_not_ours_is_left_alone(
    in_process: deployment.Account, in_processes: Aws, archive: Path
) -> None:
    config = in_processes.config(in_processes.model(in_processes.upload(archive)))
    with in_processes.endpoint(config) as name:
        before = existing(in_process)
        with pytest.raises(errors.HostingError, match="not created by byoi") as caught:
            deployment.deploy(in_process, plan(in_process, archive, name))
        assert f"aws sagemaker delete-endpoint --endpoint-name {name}" in str(caught.value)
        assert existing(in_process) == before
        with pytest.raises(errors.HostingError, match="not created by byoi"):
            inventory.delete_endpoints(in_process, [name])
    in_process.sagemaker.delete_endpoint_config(EndpointConfigName=config)
    for model in in_process.sagemaker.list_models()["Models"]:
        in_process.sagemaker.delete_model(ModelName=model["ModelName"])


def test_all_three_say_whose_they_are_and_until_when(
    in_process: deployment.Account, archive: Path
) -> None:
    until = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)
    deployment.deploy(in_process, plan(in_process, archive, "tagged", expires=until))
    assert tags_of(in_process, "tagged") == [tags.Ownership("tagged", until)] * 3
    later = until + dt.timedelta(days=1)
    again = plan(in_process, archive, "tagged", expires=later)
    assert deployment.deploy(in_process, again) == Outcome.UNCHANGED
    assert tags_of(in_process, "tagged") == [tags.Ownership("tagged", later)] * 3


def test_an_update_renews_the_expiry_too(in_process: deployment.Account, archive: Path) -> None:
    until = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)
    deployment.deploy(in_process, plan(in_process, archive, "renewed", expires=until))
    more = plan(in_process, archive, "renewed", instance_count=2)
    assert deployment.deploy(in_process, more) == Outcome.UPDATED
    assert tags_of(in_process, "renewed") == [tags.Ownership("renewed", None)] * 3


def test_a_measured_time_out_is_no_other_content(
    in_process: deployment.Account, archive: Path
) -> None:
    wanted = plan(in_process, archive, "timed")
    deployment.deploy(in_process, wanted, find_startup_timeout_s=lambda: 120)
    config = in_process.sagemaker.describe_endpoint_config(EndpointConfigName=wanted.config_name)
    variant = config["ProductionVariants"][0]
    assert variant["ContainerStartupHealthCheckTimeoutInSeconds"] == 120

    def never() -> int:
        raise AssertionError

    again = deployment.deploy(in_process, wanted, find_startup_timeout_s=never)
    assert again == Outcome.UNCHANGED


def test_variables_of_other_order_are_no_other_content(
    in_process: deployment.Account, archive: Path
) -> None:
    deployment.deploy(in_process, plan(in_process, archive, "order"))
    turned = plan(in_process, archive, "order", environment=dict(reversed(ECHO.items())))
    assert deployment.deploy(in_process, turned) == Outcome.UNCHANGED
