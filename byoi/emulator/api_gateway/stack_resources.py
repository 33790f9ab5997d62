"""A stack's stages, models, validators and gateway responses.

moto has no such resources in its CloudFormation; these make what its API Gateway has.

Source: CloudFormation's reference of AWS::ApiGateway.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from byoi.emulator.api_gateway import definition, stack_apis, stack_properties
from byoi.emulator.api_gateway.resource_type import resource_class
from byoi.emulator.api_gateway.stack_apis import ask
from byoi.emulator.aws.errors import NotEmulatedError

_STAGE_PROPERTIES = "RestApiId DeploymentId StageName Description Variables MethodSettings"
# Of a method's settings, those that say which method.
_PLACE = {"resourcePath", "httpMethod"}


def replacements() -> Iterator[tuple[Any, str, Any]]:
    """Yield what of moto's is replaced for stacks.

    The classes below and in `stack_keys` moto finds by itself.
    """
    yield from stack_apis.replacements()


def _stage(backend: Any, properties: dict[str, Any]) -> Any:
    asked = stack_properties.read("Stage", properties, _STAGE_PROPERTIES)
    api_id, name = asked["restApiId"], asked["stageName"]
    made = ask(
        "CreateStage",
        asked,
        lambda: backend.create_stage(api_id, name, asked["deploymentId"]),
    )
    _set(made, asked)

    def forget() -> None:
        if api_id in backend.apis:
            backend.apis[api_id].stages.pop(name, None)

    def change(properties: dict[str, Any]) -> None:
        asked = stack_properties.read("Stage", properties, _STAGE_PROPERTIES)
        if (asked["restApiId"], asked["stageName"]) != (api_id, name):
            raise NotEmulatedError("UpdateStack that gives a stage another name or API")
        _set(made, asked)

    return _STAGE(name, forget, change)


def _set(stage: Any, asked: Mapping[str, Any]) -> None:
    stage.deployment_id = asked["deploymentId"]
    stage.description = asked.get("description", "")
    stage.variables = dict(asked.get("variables") or {})
    stage.method_settings = {}
    for one in asked.get("methodSettings") or ():
        settings = {name: value for name, value in one.items() if name not in _PLACE}
        definition.check_settings(settings)
        # `/*` is every resource, `/~1a` is /a, `/` is the root.
        path = one["resourcePath"].removeprefix("/") or "~1"
        stage.method_settings[f"{path}/{one['httpMethod']}"] = settings


def _gateway_response(backend: Any, properties: dict[str, Any]) -> Any:
    known = "RestApiId ResponseType StatusCode ResponseParameters ResponseTemplates"
    asked = stack_properties.read("GatewayResponse", properties, known)
    api_id, type_ = asked["restApiId"], asked["responseType"]
    backend.get_rest_api(api_id).put_gateway_response(
        type_,
        asked.get("statusCode"),
        asked.get("responseParameters"),
        asked.get("responseTemplates"),
    )

    def forget() -> None:
        if api_id in backend.apis:
            backend.apis[api_id].delete_gateway_response(type_)

    return _GATEWAY_RESPONSE(f"{api_id}:{type_}", forget)


def _model(backend: Any, properties: dict[str, Any]) -> Any:
    known = "RestApiId Name Description ContentType Schema"
    asked = stack_properties.read("Model", properties, known)
    if not isinstance(asked.get("schema"), str):
        asked["schema"] = json.dumps(asked.get("schema") or {})
    api_id, name = asked["restApiId"], asked["name"]
    ask(
        "CreateModel",
        asked,
        lambda: backend.create_model(
            api_id, name, asked.get("contentType"), asked.get("description"), asked["schema"]
        ),
    )

    def forget() -> None:
        if api_id in backend.apis:
            backend.apis[api_id].models.pop(name, None)

    return _MODEL(name, forget)


def _validator(backend: Any, properties: dict[str, Any]) -> Any:
    known = "RestApiId Name ValidateRequestBody ValidateRequestParameters"
    asked = stack_properties.read("RequestValidator", properties, known)
    api_id = asked["restApiId"]
    made = backend.create_request_validator(
        api_id,
        asked.get("name"),
        asked.get("validateRequestBody", False),
        asked.get("validateRequestParameters", False),
    )

    def forget() -> None:
        if api_id in backend.apis:
            backend.apis[api_id].request_validators.pop(made.id, None)

    return _VALIDATOR(made.id, forget)


_STAGE = resource_class("Stage", _stage)
_GATEWAY_RESPONSE = resource_class("GatewayResponse", _gateway_response)
_MODEL = resource_class("Model", _model)
_VALIDATOR = resource_class("RequestValidator", _validator)
