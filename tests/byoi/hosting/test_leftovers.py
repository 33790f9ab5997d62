"""What a failed deployment of the SDK's leaves: removed, or named in the error."""

import boto3
import pytest
import sagemaker
from botocore.exceptions import ClientError
from sagemaker.model import Model
from sagemaker.predictor import Predictor

from byoi import deployment, errors, hosting

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/byoi:1"
ROLE = "arn:aws:iam::123456789012:role/byoi"


def model(session: sagemaker.Session, **settings) -> Model:
    return Model(
        IMAGE,
        role=ROLE,
        name="mine",
        sagemaker_session=session,
        predictor_cls=Predictor,
        **settings,
    )


@pytest.fixture
def account(moto_aws: str) -> deployment.Account:
    environ = {"BYOI_BUCKET": "byoi-models", "BYOI_ROLE_ARN": ROLE}
    return deployment.Account(boto3.Session(), environ=environ)


def refuse(client, operation: str):
    """Let AWS refuse a call; return what ends that."""

    def answer(**_: object) -> None:
        details = {"Code": "AccessDeniedException", "Message": "not you"}
        raise ClientError({"Error": details}, operation)

    event = f"before-call.sagemaker.{operation}"
    client.meta.events.register(event, answer)
    return lambda: client.meta.events.unregister(event, answer)


def test_a_refused_endpoint_leaves_no_configuration_and_names_the_model(account):
    session = hosting.aws_session(account)
    allow = refuse(session.sagemaker_client, "CreateEndpoint")
    with pytest.raises(ClientError, match=r"not you \(Still there: model mine\.\)$"):
        model(session).deploy(1, "ml.m5.large", endpoint_name="again", wait=False)
    assert session.sagemaker_client.list_endpoint_configs()["EndpointConfigs"] == []
    allow()
    # The same name can be tried again.
    model(session).deploy(1, "ml.m5.large", endpoint_name="again", wait=False)


def test_a_refused_configuration_names_the_model(account):
    session = hosting.aws_session(account)
    refuse(session.sagemaker_client, "CreateEndpointConfig")
    with pytest.raises(ClientError, match=r"\(Still there: model mine\.\)$"):
        model(session).deploy(1, "ml.m5.large", endpoint_name="again", wait=False)


def test_an_endpoint_that_is_there_keeps_its_configuration(account):
    session = hosting.aws_session(account)
    model(session).deploy(1, "ml.m5.large", endpoint_name="there", wait=False)
    # AWS refuses the second configuration of a name; moto replaces it.
    refuse(session.sagemaker_client, "CreateEndpointConfig")
    with pytest.raises(ClientError, match=r"endpoint there, endpoint configuration there"):
        model(session).deploy(1, "ml.m5.large", endpoint_name="there", wait=False)
    assert len(session.sagemaker_client.list_endpoint_configs()["EndpointConfigs"]) == 1


def test_a_refused_update_names_the_configuration_made_for_it(account):
    session = hosting.aws_session(account)
    model(session).deploy(1, "ml.m5.large", endpoint_name="there", wait=False)
    refuse(session.sagemaker_client, "UpdateEndpoint")
    # What Predictor.update_endpoint does, after it has made a configuration.
    session.create_endpoint_config("new", "mine", 2, "ml.m5.large")
    with pytest.raises(
        ClientError, match=r"not you \(Still there: endpoint configuration new\.\)$"
    ):
        session.update_endpoint("there", "new", wait=False)


def test_what_cannot_be_deleted_or_asked_is_taken_to_be_there(account):
    session = hosting.aws_session(account)
    for operation in ("CreateEndpoint", "DeleteEndpointConfig", "DescribeModel"):
        refuse(session.sagemaker_client, operation)
    with pytest.raises(ClientError, match=r"endpoint configuration again, model mine\.\)$"):
        model(session).deploy(1, "ml.m5.large", endpoint_name="again", wait=False)


@pytest.mark.needs("docker", "compose")
def test_local_mode_names_and_removes_the_same(session: hosting.LocalSession):
    with pytest.raises(errors.HostingError, match=r"\(Still there: model mine\.\)$"):
        model(session).deploy(1, "local", endpoint_name="again")
    with pytest.raises(ClientError, match="Could not find endpoint configuration again"):
        session.sagemaker_client.describe_endpoint_config("again")
    session.sagemaker_client.delete_model("mine")


@pytest.mark.needs("docker", "compose")
def test_who_cleans_up_does_not_name_what_it_removes(session: hosting.LocalSession):
    with pytest.raises(errors.HostingError, match="needs the image") as caught:
        hosting.Endpoint.deploy("byoi-none:1", None, session=session, name="mine")
    assert "Still there" not in str(caught.value)


def test_the_execution_role_is_asked_of_the_session(account, session: hosting.LocalSession):
    assert sagemaker.get_execution_role(session) == hosting.LOCAL_ROLE
    assert sagemaker.get_execution_role(hosting.aws_session(account)) == ROLE
    unset = deployment.Account(account.session, environ={"BYOI_BUCKET": "byoi-models"})
    with pytest.raises(errors.ConfigurationError, match="no execution role: BYOI_ROLE_ARN is not"):
        sagemaker.get_execution_role(hosting.aws_session(unset))
