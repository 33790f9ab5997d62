"""What is ours and what is gone, with botocore's own check of what AWS may answer."""

import pytest
from botocore.exceptions import ClientError
from stubbed_account import StubbedAccount

from byoi.deployment import resources, tags
from byoi.deployment.resources import CONFIG, ENDPOINT, MODEL

ARN = "arn:aws:sagemaker:eu-central-1:123456789012:model/mine"
CALLS = {
    ENDPOINT: "endpoint",
    CONFIG: "endpoint_config",
    MODEL: "model",
}


def refuse(account: StubbedAccount, call: str, message: str) -> None:
    client = account.sagemaker
    assert client
    account.stubs["sagemaker"].add_client_error(call, "ValidationException", message)


@pytest.mark.parametrize("kind", CALLS)
def test_what_is_gone_is_none_and_deleted_already(kind: str) -> None:
    account = StubbedAccount()
    refuse(account, f"describe_{CALLS[kind]}", f'Could not find {kind} "arn".')
    refuse(account, f"delete_{CALLS[kind]}", f'Could not find {kind} "arn".')
    assert resources.describe(account.sagemaker, kind, "mine") is None
    assert not resources.delete(account.sagemaker, kind, "mine")


@pytest.mark.parametrize("kind", CALLS)
def test_a_refusal_is_not_taken_for_gone(kind: str) -> None:
    account = StubbedAccount()
    refuse(account, f"describe_{CALLS[kind]}", "not you")
    refuse(account, f"delete_{CALLS[kind]}", 'Cannot update in-progress endpoint "arn".')
    with pytest.raises(ClientError, match="not you"):
        resources.describe(account.sagemaker, kind, "mine")
    with pytest.raises(ClientError, match="in-progress"):
        resources.delete(account.sagemaker, kind, "mine")


def test_tags_are_read_over_all_pages() -> None:
    account = StubbedAccount()
    (endpoint, expires) = tags.make("mine", None)
    other = {"Key": "cost-centre", "Value": "1"}
    account.answer("sagemaker", "list_tags", {"Tags": [other, endpoint], "NextToken": "2"})
    account.answer("sagemaker", "list_tags", {"Tags": [expires]})
    assert resources.find_ownership(account.sagemaker, ARN) == tags.Ownership("mine", None)


def test_what_is_gone_meanwhile_is_nobodys() -> None:
    account = StubbedAccount()
    refuse(account, "list_tags", 'Could not find model "arn".')
    assert resources.find_ownership(account.sagemaker, ARN) is None
    account.refuse("sagemaker", "list_tags", "AccessDeniedException")
    with pytest.raises(ClientError, match="AccessDenied"):
        resources.find_ownership(account.sagemaker, ARN)


def test_a_configuration_that_is_gone_names_no_models() -> None:
    account = StubbedAccount()
    refuse(account, "describe_endpoint_config", 'Could not find endpoint configuration "arn".')
    assert resources.models_of(account.sagemaker, "mine") == []
