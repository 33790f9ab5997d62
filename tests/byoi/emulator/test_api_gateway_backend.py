"""What the execution of REST APIs relies on in moto and airspeed: another version fails here."""

import importlib.metadata
import inspect
from pathlib import Path

import airspeed
import pytest
from moto.apigateway.models import APIGatewayBackend, RestAPI, Stage
from moto.apigateway.responses import APIGatewayResponse
from moto.iam.models import Role

from byoi.emulator.api_gateway import backend, definition, templates
from byoi.emulator.aws import patches

REQUIREMENTS = Path(__file__).resolve().parents[3] / "requirements"


def test_the_version_of_airspeed_is_the_one_that_was_read():
    pinned = [line for line in (REQUIREMENTS / "dev.in").read_text().splitlines() if "air" in line]
    assert pinned == [f"airspeed=={importlib.metadata.version('airspeed')}"]
    assert importlib.metadata.version("airspeed") == "0.7.1", (
        "airspeed was upgraded: read the difference against "
        "byoi/emulator/api_gateway/templates.py, then change this number"
    )


@pytest.mark.parametrize(
    ("function", "first"),
    [
        (APIGatewayBackend.put_method, "function_id resource_id method_type authorization_type"),
        (APIGatewayBackend.put_integration, "function_id resource_id method_type integration_type"),
        (
            APIGatewayBackend.put_integration_response,
            "function_id resource_id method_type status_code selection_pattern response_templates",
        ),
        (APIGatewayBackend.create_deployment, "function_id name description stage_variables"),
        (APIGatewayBackend.create_stage, "function_id stage_name deploymentId variables"),
        (APIGatewayBackend.delete_deployment, "function_id deployment_id"),
        (APIGatewayBackend.create_model, "rest_api_id name content_type description schema"),
        (RestAPI.create_deployment, "name description stage_variables"),
        (RestAPI.update_integration_mocks, "stage_name"),
        (APIGatewayResponse.call_action, ""),
    ],
)
def test_what_is_wrapped_is_called_as_before(function, first):
    parameters = list(inspect.signature(function).parameters)[1:]
    assert parameters[: len(first.split())] == first.split()


def test_every_mistake_is_looked_for_in_a_call_of_moto():
    assert all(callable(vars(APIGatewayBackend)[call]) for call in definition.CHECKED_CALLS)


def test_what_is_read_of_an_api_is_there():
    api = RestAPI("id", "123456789012", "us-east-1", "name", "")
    for name in ("resources", "deployments", "stages", "models", "request_validators"):
        assert getattr(api, name) is not None
    assert (api.gateway_responses, api.binaryMediaTypes) == ({}, [])
    assert (api.api_key_source, api.region_name) == ("HEADER", "us-east-1")
    stage = Stage("name", "deployment")
    assert (stage.method_settings, stage.variables) == ({}, {})
    assert "permissions_boundary_arn" in inspect.getsource(Role.__init__)


def test_what_is_replaced_is_put_back():
    before = {name: vars(APIGatewayBackend)[name] for name in definition.CHECKED_CALLS}
    with patches.replaced(backend.replacements()):
        assert vars(APIGatewayBackend)["put_method"] is not before["put_method"]
    assert {name: vars(APIGatewayBackend)[name] for name in definition.CHECKED_CALLS} == before


def test_every_kind_of_element_is_kept_refused_or_made_strict():
    """A kind that a new version adds is in none of these, and must be judged first."""
    kept = {
        "ArrayIndex", "ArrayLiteral", "Block", "BooleanLiteral", "Comment", "Condition",
        "DictionaryLiteral", "ElseBlock", "End", "Expression", "FallthroughHashText",
        "FloatingPointLiteral", "IntegerLiteral", "InterpolatedStringLiteral",
        "ParameterList", "ParenthesizedExpression", "StopDirective", "SubExpression",
        "TemplateBody", "Text", "UserDefinedDirective", "Value", "ValueList",
        "VariableExpression",
        # An expression applies its operators; a text is made strict by where it stands.
        "BinaryOperator", "StringLiteral",
    }  # fmt: skip
    judged = kept | {kind.__name__ for kind in (*templates.REFUSED, *templates.STRICT)}

    def kinds(kind):
        for one in kind.__subclasses__():
            yield one.__name__
            yield from kinds(one)

    found = {name for name in kinds(airspeed._Element) if not name.startswith("_")}
    assert found == judged
