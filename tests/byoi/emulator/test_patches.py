"""What the emulator relies on in moto: one that changes it fails here, and says where."""

import importlib.metadata
import inspect
from pathlib import Path

import pytest
from moto.cloudformation.models import cloudformation_backends
from moto.cloudformation.responses import CloudFormationResponse
from moto.ecr.models import ECRBackend, Image, ecr_backends
from moto.ecr.responses import ECRResponse
from moto.iam.responses import IamResponse
from moto.sagemaker.models import (
    FakeEndpoint,
    FakeEndpointConfig,
    Model,
    SageMakerModelBackend,
    sagemaker_backends,
)
from moto.sagemaker.responses import SageMakerResponse

from byoi.emulator.aws import patches, sagemaker

REQUIREMENTS = Path(__file__).resolve().parents[3] / "requirements"


def test_the_version_is_the_one_that_was_read():
    pinned = [line for line in (REQUIREMENTS / "dev.in").read_text().splitlines() if "moto" in line]
    assert pinned == [f"moto[server]=={importlib.metadata.version('moto')}"]
    assert importlib.metadata.version("moto") == "5.2.5", (
        "moto was upgraded: read the difference of sagemaker, ecr and core/base_backend.py "
        "against byoi/emulator/aws, then change this number"
    )


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        (
            SageMakerModelBackend.create_model,
            "model_name execution_role_arn primary_container vpc_config containers tags",
        ),
        (SageMakerModelBackend.create_endpoint, "endpoint_name endpoint_config_name tags"),
        (SageMakerModelBackend.delete_endpoint, "endpoint_name"),
        (
            SageMakerModelBackend.update_endpoint_weights_and_capacities,
            "endpoint_name desired_weights_and_capacities",
        ),
        (FakeEndpointConfig.validate_instance_type, "instance_type"),
        (
            Image.__init__,
            "account_id tag manifest repository image_manifest_mediatype digest registry_id",
        ),
    ],
)
def test_what_is_overridden_is_called_as_before(function, parameters):
    assert list(inspect.signature(function).parameters) == ["self", *parameters.split()]


def test_what_is_replaced_exists_and_what_is_added_does_not():
    assert sagemaker_backends.backend is SageMakerModelBackend
    assert ecr_backends.backend is ECRBackend
    assert callable(SageMakerResponse.call_action)
    assert callable(ECRResponse.get_authorization_token)
    for owner in (SageMakerModelBackend, SageMakerResponse):
        assert not hasattr(owner, "update_endpoint"), "moto has UpdateEndpoint now: look at it"
    assert not hasattr(IamResponse, "simulate_principal_policy"), "moto has it now: look at it"


def test_records_show_what_is_set_on_them():
    record = FakeEndpoint("123456789012", "us-east-1", "name", "config", [], {}, [])
    record.failure_reason = "because"
    record.endpoint_status = "Failed"
    record.production_variants = [{"VariantName": "one"}]
    shown = record.response_object
    assert shown["FailureReason"] == "because"
    assert shown["EndpointStatus"] == "Failed"
    assert shown["ProductionVariants"] == [{"VariantName": "one"}]
    assert Model("1", "r", "n", "a", {}, {}).enable_network_isolation is False


def test_stacks_are_kept_where_the_tagging_api_looks_for_them():
    backend = cloudformation_backends["123456789012"]["us-east-1"]
    assert isinstance(backend.stacks, dict)
    assert isinstance(backend.deleted_stacks, dict)
    assert callable(CloudFormationResponse.call_action)


def test_everything_is_put_back():
    class Nothing:
        pass

    with patches.replaced(sagemaker.replacements(Nothing(), 1.0)):
        assert issubclass(sagemaker_backends.backend, sagemaker.EndpointBackend)
        assert hasattr(SageMakerResponse, "update_endpoint")
    test_what_is_replaced_exists_and_what_is_added_does_not()
