"""API Gateway's resources in a stack: how each is created, updated and deleted.

moto creates APIs, resources, methods and deployments without their templates, integration
responses, credentials and media types, deletes none of them, and has none of the others.

Sources: CloudFormation's reference of AWS::ApiGateway; moto 5.2.5, apigateway/models.py.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from moto.apigateway.models import Deployment, Method, Resource, RestAPI

from byoi.emulator.api_gateway import access_log, definition
from byoi.emulator.api_gateway.resource_type import (
    creating,
    perform,
    read_properties,
    refusing_update,
    resource_class,
)
from byoi.emulator.aws.errors import NotEmulatedError

_PROPERTIES_OF_INTEGRATION = (
    "Type IntegrationHttpMethod Uri Credentials RequestTemplates RequestParameters "
    "PassthroughBehavior ContentHandling TimeoutInMillis ConnectionType IntegrationResponses"
)
_PROPERTIES_OF_STAGE = (
    "RestApiId DeploymentId StageName Description Variables MethodSettings AccessLogSetting"
)
_PROPERTIES_OF_PLAN = "UsagePlanName Description ApiStages Throttle Quota"
# Members of a method's settings that name the method.
_SETTING_KEYS = {"resourcePath", "httpMethod"}


def replacements() -> Iterator[tuple[Any, str, Any]]:
    """Yield object, name and new value of each replaced attribute of moto.

    moto finds the classes at the end of this module by their type.
    """
    makers = {
        RestAPI: _make_api,
        Resource: _make_resource,
        Method: _make_method,
        Deployment: _make_deployment,
    }
    for owner, make in makers.items():
        yield owner, "create_from_cloudformation_json", creating(make)
        yield owner, "update_from_cloudformation_json", refusing_update()
        yield owner, "delete", _delete
    for owner in (Method, Deployment):
        yield owner, "physical_resource_id", property(lambda self: self.stack_id)


def _delete(self: Any, _account: str, _region: str) -> None:
    self.forget()


def _forgetting(backend: Any, api_id: str, kind: str, key: str) -> Callable[[], None]:
    """Return a function that deletes a part of an API, if the API still exists."""

    def forget() -> None:
        api = backend.apis.get(api_id)
        if api is not None:
            getattr(api, kind).pop(key, None)

    return forget


def _make_api(backend: Any, properties: dict[str, Any]) -> Any:
    known = "Name Description ApiKeySourceType BinaryMediaTypes EndpointConfiguration"
    asked = read_properties("RestApi", properties, known)
    asked["apiKeySource"] = asked.pop("apiKeySourceType", "HEADER")
    made = perform(
        "CreateRestApi",
        asked,
        lambda: backend.create_rest_api(
            asked.get("name"),
            asked.get("description", ""),
            endpoint_configuration=asked.get("endpointConfiguration"),
        ),
    )
    made.forget = lambda: backend.apis.pop(made.id, None)
    return made


def _make_resource(backend: Any, properties: dict[str, Any]) -> Any:
    asked = read_properties("Resource", properties, "RestApiId ParentId PathPart")
    api_id = asked["restApiId"]
    made = backend.create_resource(api_id, asked["parentId"], asked["pathPart"])

    made.forget = _forgetting(backend, api_id, "resources", made.id)
    return made


def _make_method(backend: Any, properties: dict[str, Any]) -> Any:
    integration = properties.pop("Integration", None)
    known = (
        "RestApiId ResourceId HttpMethod AuthorizationType ApiKeyRequired RequestParameters "
        "RequestModels RequestValidatorId OperationName MethodResponses"
    )
    asked = read_properties("Method", properties, known)
    where = (asked["restApiId"], asked["resourceId"], asked["httpMethod"])
    made = perform(
        "PutMethod",
        asked,
        lambda: backend.put_method(
            *where,
            asked.get("authorizationType", "NONE"),
            api_key_required=asked.get("apiKeyRequired"),
            request_parameters=asked.get("requestParameters"),
            request_models=asked.get("requestModels"),
            operation_name=asked.get("operationName"),
            request_validator_id=asked.get("requestValidatorId"),
        ),
    )
    for one in asked.get("methodResponses") or ():
        backend.put_method_response(
            *where, str(one["statusCode"]), one.get("responseModels"), one.get("responseParameters")
        )
    if integration:
        _put_integration(backend, where, integration)

    def forget() -> None:
        api = backend.apis.get(where[0])
        resource = api.resources.get(where[1]) if api else None
        if resource is not None:
            resource.resource_methods.pop(where[2], None)

    made.stack_id, made.forget = "-".join(where), forget
    return made


def _put_integration(backend: Any, where: tuple[str, str, str], given: Mapping[str, Any]) -> None:
    asked = read_properties("Method.Integration", given, _PROPERTIES_OF_INTEGRATION)
    asked["httpMethod"] = asked.pop("integrationHttpMethod", None)
    perform(
        "PutIntegration",
        asked,
        lambda: backend.put_integration(
            *where,
            asked.get("type"),
            asked.get("uri"),
            asked["httpMethod"],
            credentials=asked.get("credentials"),
            request_templates=asked.get("requestTemplates"),
            passthrough_behavior=asked.get("passthroughBehavior"),
            timeout_in_millis=asked.get("timeoutInMillis"),
            request_parameters=asked.get("requestParameters"),
            content_handling=asked.get("contentHandling"),
            connection_type=asked.get("connectionType"),
        ),
    )
    for one in asked.get("integrationResponses") or ():
        _put_response(backend, where, one)


def _put_response(backend: Any, where: tuple[str, str, str], asked: dict[str, Any]) -> None:
    perform(
        "PutIntegrationResponse",
        asked,
        lambda: backend.put_integration_response(
            *where,
            str(asked["statusCode"]),
            asked.get("selectionPattern"),
            asked.get("responseTemplates"),
            asked.get("responseParameters"),
            asked.get("contentHandling"),
        ),
    )


def _make_deployment(backend: Any, properties: dict[str, Any]) -> Any:
    asked = read_properties("Deployment", properties, "RestApiId Description StageName")
    api_id = asked["restApiId"]
    made = backend.create_deployment(api_id, asked.get("stageName"), asked.get("description", ""))

    made.stack_id = made.id
    made.forget = _forgetting(backend, api_id, "deployments", made.id)
    return made


def _make_stage(backend: Any, properties: dict[str, Any]) -> Any:
    asked = read_properties("Stage", properties, _PROPERTIES_OF_STAGE)
    api_id, name = asked["restApiId"], asked["stageName"]
    made = perform(
        "CreateStage",
        asked,
        lambda: backend.create_stage(api_id, name, asked["deploymentId"]),
    )
    _configure_stage(made, asked)

    def change(properties: dict[str, Any]) -> None:
        asked = read_properties("Stage", properties, _PROPERTIES_OF_STAGE)
        if (asked["restApiId"], asked["stageName"]) != (api_id, name):
            raise NotEmulatedError("UpdateStack that gives a stage another name or API")
        _configure_stage(made, asked)

    forget = _forgetting(backend, api_id, "stages", name)
    return _STAGE(name, forget, change)


def _configure_stage(stage: Any, asked: Mapping[str, Any]) -> None:
    stage.deployment_id = asked["deploymentId"]
    stage.description = asked.get("description", "")
    access_log.check(asked.get("accessLogSetting") or {})
    stage.access_log_settings = asked.get("accessLogSetting")
    stage.variables = dict(asked.get("variables") or {})
    stage.method_settings = {}
    for one in asked.get("methodSettings") or ():
        settings = {name: value for name, value in one.items() if name not in _SETTING_KEYS}
        definition.check_method_settings(settings)
        # `/*` is every resource, `/~1a` is the resource /a, `/` is the root.
        path = one["resourcePath"].removeprefix("/") or "~1"
        stage.method_settings[f"{path}/{one['httpMethod']}"] = settings


def _make_gateway_response(backend: Any, properties: dict[str, Any]) -> Any:
    known = "RestApiId ResponseType StatusCode ResponseParameters ResponseTemplates"
    asked = read_properties("GatewayResponse", properties, known)
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


def _make_model(backend: Any, properties: dict[str, Any]) -> Any:
    known = "RestApiId Name Description ContentType Schema"
    asked = read_properties("Model", properties, known)
    if not isinstance(asked.get("schema"), str):
        asked["schema"] = json.dumps(asked.get("schema") or {})
    api_id, name = asked["restApiId"], asked["name"]
    perform(
        "CreateModel",
        asked,
        lambda: backend.create_model(
            api_id, name, asked.get("contentType"), asked.get("description"), asked["schema"]
        ),
    )

    forget = _forgetting(backend, api_id, "models", name)
    return _MODEL(name, forget)


def _make_validator(backend: Any, properties: dict[str, Any]) -> Any:
    known = "RestApiId Name ValidateRequestBody ValidateRequestParameters"
    asked = read_properties("RequestValidator", properties, known)
    api_id = asked["restApiId"]
    made = backend.create_request_validator(
        api_id,
        asked.get("name"),
        asked.get("validateRequestBody", False),
        asked.get("validateRequestParameters", False),
    )

    forget = _forgetting(backend, api_id, "request_validators", made.id)
    return _VALIDATOR(made.id, forget)


def _make_key(backend: Any, properties: dict[str, Any]) -> Any:
    known = "Name Description Enabled Value CustomerId"
    asked = read_properties("ApiKey", properties, known)
    asked["tags"] = {one["key"]: one["value"] for one in asked.get("tags") or ()}
    made = perform("CreateApiKey", asked, lambda: backend.create_api_key(asked))
    return _KEY(made.id, lambda: backend.keys.pop(made.id, None))


def _make_plan(backend: Any, properties: dict[str, Any]) -> Any:
    asked = _read_plan(properties)
    made = perform("CreateUsagePlan", asked, lambda: backend.create_usage_plan(asked))

    def forget() -> None:
        backend.usage_plans.pop(made.id, None)
        backend.usage_plan_keys.pop(made.id, None)

    def change(properties: dict[str, Any]) -> None:
        asked = _read_plan(properties)
        made.name, made.description = asked["name"], asked.get("description")
        made.api_stages, made.throttle = asked["apiStages"], asked["throttle"]
        made.quota = asked.get("quota") or {}

    return _PLAN(made.id, forget, change)


def _read_plan(properties: Mapping[str, Any]) -> dict[str, Any]:
    asked = read_properties("UsagePlan", properties, _PROPERTIES_OF_PLAN)
    asked["name"] = asked.pop("usagePlanName", "")
    asked["throttle"] = _limits(asked.get("throttle") or {})
    asked["apiStages"] = asked.get("apiStages") or []
    for one in asked["apiStages"]:
        one["throttle"] = {path: _limits(it) for path, it in (one.get("throttle") or {}).items()}
    return asked


def _limits(given: Mapping[str, Any]) -> dict[str, Any]:
    names = {"RateLimit": "rateLimit", "BurstLimit": "burstLimit"}
    return {names[name]: value for name, value in given.items()}


def _make_plan_key(backend: Any, properties: dict[str, Any]) -> Any:
    asked = read_properties("UsagePlanKey", properties, "KeyId KeyType UsagePlanId")
    plan_id, key_id = asked["usagePlanId"], asked["keyId"]
    backend.create_usage_plan_key(plan_id, asked)

    def forget() -> None:
        backend.usage_plan_keys.get(plan_id, {}).pop(key_id, None)

    return _PLAN_KEY(f"{key_id}:{plan_id}", forget)


_STAGE = resource_class("Stage", _make_stage)
_GATEWAY_RESPONSE = resource_class("GatewayResponse", _make_gateway_response)
_MODEL = resource_class("Model", _make_model)
_VALIDATOR = resource_class("RequestValidator", _make_validator)
_KEY = resource_class("ApiKey", _make_key)
_PLAN = resource_class("UsagePlan", _make_plan)
_PLAN_KEY = resource_class("UsagePlanKey", _make_plan_key)
