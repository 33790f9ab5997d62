"""The table of what local mode does with each parameter, against botocore's service models."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import sagemaker
from botocore import xform_name
from sagemaker.model import Model
from sagemaker.model_monitor import DataCaptureConfig
from sagemaker.multidatamodel import MultiDataModel
from sagemaker.pipeline import PipelineModel
from sagemaker.predictor import Predictor

from byoi import errors, hosting
from byoi.hosting import parameters
from byoi.hosting.local_client import LocalClient
from byoi.hosting.parameters import TABLE, Done, NoEffect, Refused, treatment

ROOT = Path(__file__).resolve().parents[3]
SESSION = botocore.session.get_session()
MODELS = {name: SESSION.get_service_model(name) for name in ("sagemaker", "sagemaker-runtime")}
# The SDK's own kind of a channel, which the API does not have.
OF_THE_SDK = "InputDataConfig.DataSource.FileDataSource."


def input_shape(action: str) -> Any:
    name = "sagemaker-runtime" if action.startswith("InvokeEndpoint") else "sagemaker"
    return MODELS[name].operation_model(action).input_shape


def paths(shape: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each parameter below a structure; a list counts as its members."""
    for name, member in shape.members.items():
        inner = member
        while inner.type_name == "list":
            inner = inner.member
        yield f"{above}{name}", inner
        if inner.type_name == "structure":
            yield from paths(inner, f"{above}{name}.")


EVERY = [(action, path, shape) for action in TABLE for path, shape in paths(input_shape(action))]


def asked(action: str, path: str) -> dict[str, Any]:
    """Return parameters that have a value, which is none of those in the table, at a path."""
    value: Any = "a value that nobody expects"
    first, *others = path.split(".")
    for name in reversed(others):
        value = {name: value}
    return {first: value}


def test_the_table_has_every_action_that_the_client_creates_with():
    own = {name for name, _ in inspect.getmembers(LocalClient, inspect.isfunction)}
    created = {
        operation
        for operation in MODELS["sagemaker"].operation_names
        if operation.startswith("Create") and xform_name(operation) in own
    }
    # A pipeline of the SDK's is an object, and no parameters of the API.
    assert created - {"CreatePipeline"} == {
        action for action in TABLE if not action.startswith("Invoke")
    }


@pytest.mark.parametrize("action", TABLE)
def test_the_table_names_only_what_the_api_has(action: str):
    known = {path for path, _ in paths(input_shape(action))}
    named = {path for path in TABLE[action] if not path.startswith(OF_THE_SDK)}
    assert named - known == set()


@pytest.mark.parametrize(
    ("action", "path"),
    [(action, path) for action, path, shape in EVERY if shape.type_name != "structure"],
)
def test_a_parameter_is_done_or_listed_or_refused_by_name(action: str, path: str):
    found = treatment(action, path)
    is_taken = isinstance(found, NoEffect) or (isinstance(found, Done) and not found.values)
    if is_taken:
        parameters.check(action, asked(action, path))
    else:
        # What is refused is named from its top or by itself, and so is what the table lacks.
        names = set(path.split("."))
        with pytest.raises(errors.ConfigurationError) as caught:
            parameters.check(action, asked(action, path))
        assert any(name in str(caught.value) for name in names)
        assert action in str(caught.value)


def test_what_is_not_in_the_table_is_refused():
    with pytest.raises(errors.ConfigurationError, match="CreateModel: local mode has no Tomorrow"):
        parameters.check("CreateModel", {"ModelName": "a", "Tomorrow": True})
    with pytest.raises(errors.ConfigurationError, match="no Tomorrow of PrimaryContainer"):
        parameters.check("CreateModel", {"PrimaryContainer": {"Image": "a", "Tomorrow": False}})


def test_what_is_not_given_is_not_refused():
    parameters.check("CreateModel", {"ModelName": "a", "VpcConfig": None})


def test_a_structure_of_another_type_is_named():
    with pytest.raises(errors.ConfigurationError, match="PrimaryContainer='image'"):
        parameters.check("CreateModel", {"PrimaryContainer": "image"})


def test_all_that_is_refused_is_named_at_once_with_the_way_out():
    wanted = {"VpcConfig": {"Subnets": ["a"]}, "EnableNetworkIsolation": True}
    with pytest.raises(errors.ConfigurationError) as caught:
        parameters.check("CreateModel", wanted)
    message = str(caught.value)
    assert "no VpcConfig (" in message
    assert "no EnableNetworkIsolation=True (here it is False; the emulator does it" in message
    assert "\n" not in message


def test_the_docs_list_what_has_no_effect():
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    _, _, section = page.partition("### What local mode takes without effect")
    section, _, _ = section.partition("\n## ")
    assert section
    for action, table in TABLE.items():
        for path, found in table.items():
            if isinstance(found, NoEffect):
                name = path.rpartition(".")[2]
                assert f"`{name}`" in section, f"{action}: {path}"


@pytest.mark.parametrize("found", [one for table in TABLE.values() for one in table.values()])
def test_each_treatment_says_why(found: parameters.Treatment):
    reason = found.instead if isinstance(found, Done | Refused) else found.why
    assert reason


@pytest.mark.parametrize("service", MODELS)
def test_each_call_of_the_api_is_there_or_refused_by_name(
    service: str, session: hosting.LocalSession
):
    clients = {
        "sagemaker": session.sagemaker_client,
        "sagemaker-runtime": session.sagemaker_runtime_client,
    }
    own = {name for name in dir(type(clients[service])) if not name.startswith("_")}
    refused = 0
    for operation in MODELS[service].operation_names:
        call = getattr(clients[service], xform_name(operation))
        if xform_name(operation) in own:
            continue
        refused += 1
        with pytest.raises(errors.ConfigurationError, match=f"local mode has no {operation}: "):
            call(Anything=1)
    assert refused == len(MODELS[service].operation_names) - len(
        own & {xform_name(operation) for operation in MODELS[service].operation_names}
    )


@pytest.mark.parametrize("name", ["get_waiter", "get_paginator", "generate_presigned_url"])
def test_what_clients_have_beside_calls_is_refused_by_name(
    session: hosting.LocalSession, name: str
):
    for client in (session.sagemaker_client, session.sagemaker_runtime_client):
        with pytest.raises(errors.ConfigurationError, match=f"local mode has no {name}"):
            getattr(client, name)("anything")


def test_what_boto3_does_not_know_is_an_attribute_error(session: hosting.LocalSession):
    for client in (session.sagemaker_client, session.sagemaker_runtime_client):
        assert not hasattr(client, "descrive_endpoint")
        assert not hasattr(client, "_private")


def test_the_clients_error_classes_are_boto3s(session: hosting.LocalSession):
    assert session.sagemaker_client.exceptions.ResourceInUse.__name__ == "ResourceInUse"
    assert session.sagemaker_client.meta.service_model.service_name == "sagemaker"


def model(session: hosting.LocalSession, **settings: Any) -> Model:
    settings = {"model_data": "file:///no/model.tar.gz", **settings}
    return Model(
        "byoi-none:1",
        role=hosting.LOCAL_ROLE,
        sagemaker_session=session,
        predictor_cls=Predictor,
        **settings,
    )


VPC = {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
FOLDER = {"S3Uri": "s3://bucket/model/", "S3DataType": "S3Prefix", "CompressionType": "None"}


@pytest.mark.parametrize(
    ("deploy", "words"),
    [
        (
            lambda session: PipelineModel(
                [model(session), model(session)], hosting.LOCAL_ROLE, sagemaker_session=session
            ).deploy(1, "local"),
            r"no Containers \(a pipeline of containers \(PipelineModel\): only AWS",
        ),
        (
            lambda session: MultiDataModel(
                "many", "s3://bucket/models", model=model(session), sagemaker_session=session
            ).deploy(1, "local"),
            r"no Mode='MultiModel'.*\(MultiDataModel\): only AWS",
        ),
        (
            lambda session: model(session).deploy(
                1,
                "local",
                data_capture_config=DataCaptureConfig(
                    True, destination_s3_uri="s3://bucket/captured", sagemaker_session=session
                ),
            ),
            r"no EnableCapture=True of DataCaptureConfig .*data capture: only AWS",
        ),
        (
            lambda session: model(session).deploy(
                1, "local", data_capture_config=DataCaptureConfig(True, sagemaker_session=session)
            ),
            "nor has data capture",
        ),
        (lambda session: model(session, vpc_config=VPC).deploy(1, "local"), "no VpcConfig"),
        (
            lambda session: model(session, enable_network_isolation=True).deploy(1, "local"),
            "no EnableNetworkIsolation=True .*the emulator does it",
        ),
        (
            lambda session: model(session).deploy(1, "local", accelerator_type="ml.eia1.medium"),
            "no AcceleratorType of ProductionVariants",
        ),
        (
            lambda session: model(session, model_data={"S3DataSource": FOLDER}).deploy(1, "local"),
            "no ModelDataSource of PrimaryContainer .*give model_data=",
        ),
        (
            lambda session: session.endpoint_from_production_variants(
                "two", [sagemaker.production_variant(name, "local") for name in ("a", "b")]
            ),
            "more than one variant or instance, received 2 variants",
        ),
        (
            lambda session: model(session).register(
                ["text/csv"], ["text/csv"], ["ml.m5.large"], model_package_group_name="group"
            ),
            "local mode has no ListModelPackageGroups",
        ),
        (
            lambda session: session.sagemaker_client.update_endpoint("name", "config"),
            "no UpdateEndpoint: the emulator does it .*; here, delete the endpoint",
        ),
        (
            lambda session: session.create_endpoint_config_from_existing("one", "two"),
            "no UpdateEndpoint",
        ),
        (
            lambda session: session.stop_transform_job("job"),
            "no StopTransformJob",
        ),
    ],
)
def test_what_the_sdk_offers_and_local_mode_lacks_is_refused_in_one_line(
    session: hosting.LocalSession, deploy, words: str
):
    with pytest.raises(errors.ConfigurationError, match=words) as caught:
        deploy(session)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["endpoint", "endpoint_config", "model"])
def test_what_is_not_there_cannot_be_deleted(session: hosting.LocalSession, kind: str):
    client = session.sagemaker_client
    with pytest.raises(
        client.exceptions.ClientError, match=r'Could not find .* "nothing"'
    ) as caught:
        getattr(client, f"delete_{kind}")("nothing")
    assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_a_model_without_an_image_is_refused(session: hosting.LocalSession):
    with pytest.raises(errors.ConfigurationError, match="PrimaryContainer with an Image"):
        session.sagemaker_client.create_model("model")
    with pytest.raises(errors.ConfigurationError, match="PrimaryContainer with an Image"):
        session.sagemaker_client.create_model("model", {"ModelDataUrl": "s3://a/b.tar.gz"})


def test_a_variant_without_a_model_is_refused(session: hosting.LocalSession):
    variant = {"VariantName": "a", "InstanceType": "local"}
    with pytest.raises(errors.ConfigurationError, match="has ModelName, which is missing"):
        session.sagemaker_client.create_endpoint_config("config", [variant])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TargetModel", "a.tar.gz"),
        ("TargetContainerHostname", "second"),
        ("EnableExplanations", "`true`"),
        ("InferenceComponentName", "part"),
    ],
)
def test_an_invocation_of_another_kind_of_endpoint_is_refused(
    session: hosting.LocalSession, name: str, value: str
):
    with pytest.raises(
        errors.ConfigurationError, match=f"InvokeEndpoint: local mode has no {name}"
    ):
        session.sagemaker_runtime_client.invoke_endpoint(b"", "any", **{name: value})
