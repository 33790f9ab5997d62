"""API Gateway's resources in a stack: how each is created, updated and deleted.

moto creates APIs, resources, methods and deployments without their templates, integration
responses, credentials and media types, deletes none of them, and has none of the others.

Sources: CloudFormation's reference of AWS::ApiGateway; moto 5.2.5, apigateway/models.py.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from byoi.emulator.api_gateway import access_log, definition
from byoi.emulator.api_gateway.resource_type import perform, read_properties, resource_type
from byoi.emulator.aws.errors import NotEmulatedError, ResourceFailedError
from byoi.emulator.aws.resource_types import Made, ResourceType, tags_of

_PROPERTIES_OF_INTEGRATION = frozenset(
    {"Type", "IntegrationHttpMethod", "Uri", "Credentials", "RequestTemplates"}
    | {"RequestParameters", "PassthroughBehavior", "ContentHandling", "TimeoutInMillis"}
    | {"ConnectionType", "IntegrationResponses"}
)
_PROPERTIES_OF_METHOD = (
    "RestApiId ResourceId HttpMethod AuthorizationType ApiKeyRequired RequestParameters "
    "RequestModels RequestValidatorId OperationName MethodResponses Integration"
)
_PROPERTIES_OF_STAGE = (
    "RestApiId DeploymentId StageName Description Variables MethodSettings AccessLogSetting Tags"
)
# Members of a method's settings that name the method.
_SETTING_KEYS = {"resourcePath", "httpMethod"}


def types() -> Iterator[ResourceType]:
    """Yield the types."""
    yield resource_type(
        "RestApi",
        _make_api,
        # The last one does not change what a call does.
        "Name Description ApiKeySourceType BinaryMediaTypes EndpointConfiguration Tags "
        "FailOnWarnings",
    )
    yield resource_type("Resource", _make_resource, "RestApiId ParentId PathPart")
    yield resource_type("Method", _make_method, _PROPERTIES_OF_METHOD)
    yield resource_type("Deployment", _make_deployment, "RestApiId Description StageName")
    yield resource_type("Stage", _make_stage, _PROPERTIES_OF_STAGE)
    yield resource_type(
        "GatewayResponse",
        _make_gateway_response,
        "RestApiId ResponseType StatusCode ResponseParameters ResponseTemplates",
    )
    yield resource_type(
        "Model", _make_model, "RestApiId Name Description ContentType Schema", "Name"
    )
    yield resource_type(
        "RequestValidator",
        _make_validator,
        "RestApiId Name ValidateRequestBody ValidateRequestParameters",
        "Name",
    )
    yield resource_type(
        "ApiKey", _make_key, "Name Description Enabled Value CustomerId Tags", "Name"
    )
    yield resource_type(
        "UsagePlan", _make_plan, "UsagePlanName Description ApiStages Throttle Quota Tags",
        "UsagePlanName",
    )  # fmt: skip
    yield resource_type("UsagePlanKey", _make_plan_key, "KeyId KeyType UsagePlanId")


def _forgetting(backend: Any, api_id: str, kind: str, key: str) -> Callable[[], None]:
    """Return a function that deletes a part of an API, if the API still exists."""

    def forget() -> None:
        api = backend.apis.get(api_id)
        if api is not None:
            getattr(api, kind).pop(key, None)

    return forget


def _make_api(backend: Any, _name: str, properties: dict[str, Any]) -> Made:
    asked = _read_api(properties)
    made = perform(
        "CreateRestApi",
        asked,
        lambda: backend.create_rest_api(
            asked["name"],
            asked.get("description", ""),
            api_key_source=asked["apiKeySource"],
            endpoint_configuration=asked.get("endpointConfiguration"),
            tags=tags_of(properties),
        ),
    )

    def change(wanted: dict[str, Any]) -> None:
        asked = _read_api(wanted)
        definition.check_emulated("CreateRestApi", asked)
        made.name, made.description = asked["name"], asked.get("description", "")
        made.api_key_source = asked["apiKeySource"]
        made.binaryMediaTypes = list(asked.get("binaryMediaTypes") or ())
        made.tags = tags_of(wanted)
        if "endpointConfiguration" in asked:
            made.endpoint_configuration = asked["endpointConfiguration"]

    root = next(one.id for one in made.resources.values() if one.parent_id is None)
    attributes = {"RestApiId": made.id, "RootResourceId": root}
    return Made(made.id, lambda: backend.apis.pop(made.id, None), change, attributes)


def _read_api(properties: Mapping[str, Any]) -> dict[str, Any]:
    asked = read_properties(properties)
    asked["apiKeySource"] = asked.pop("apiKeySourceType", "HEADER")
    if not asked.get("name"):
        # Only a Body or BodyS3Location, which are not emulated, can stand in its place.
        raise ResourceFailedError("Invalid request provided: API name must not be empty: Name")
    return asked


def _make_resource(backend: Any, _name: str, properties: dict[str, Any]) -> Made:
    asked = read_properties(properties)
    api_id = asked["restApiId"]
    made = backend.create_resource(api_id, asked["parentId"], asked["pathPart"])
    forget = _forgetting(backend, api_id, "resources", made.id)
    return Made(made.id, forget, attributes={"ResourceId": made.id})


def _make_method(backend: Any, _name: str, properties: dict[str, Any]) -> Made:
    where = tuple(str(properties[key]) for key in ("RestApiId", "ResourceId", "HttpMethod"))
    api_id, resource_id, verb = where

    def forget() -> None:
        api = backend.apis.get(api_id)
        resource = api.resources.get(resource_id) if api else None
        if resource is not None:
            resource.resource_methods.pop(verb, None)

    def put(wanted: dict[str, Any]) -> None:
        try:
            _put_method(backend, (api_id, resource_id, verb), wanted)
        except Exception:
            forget()
            raise

    put(properties)
    # It is put anew, whole.
    return Made("-".join(where), forget, put)


def _put_method(backend: Any, where: tuple[str, str, str], properties: dict[str, Any]) -> None:
    integration = properties.get("Integration")
    asked = read_properties({k: v for k, v in properties.items() if k != "Integration"})
    perform(
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
        _require(one, "statusCode", "MethodResponses")
        backend.put_method_response(
            *where, str(one["statusCode"]), one.get("responseModels"), one.get("responseParameters")
        )
    if integration:
        _put_integration(backend, where, integration)


def _require(given: Mapping[str, Any], name: str, place: str) -> None:
    if given.get(name) is None:
        shown = f"{name[0].upper()}{name[1:]}"
        raise ResourceFailedError(
            f"Properties validation failed: #/{place}: required key [{shown}] not found"
        )


def _put_integration(backend: Any, where: tuple[str, str, str], given: Mapping[str, Any]) -> None:
    if others := sorted(set(given) - _PROPERTIES_OF_INTEGRATION):
        raise NotEmulatedError(f"{', '.join(others)} of AWS::ApiGateway::Method.Integration")
    _require(given, "Type", "Integration")
    asked = read_properties(given)
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
        _require(one, "statusCode", "Integration/IntegrationResponses")
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


def _make_deployment(backend: Any, _name: str, properties: dict[str, Any]) -> Made:
    asked = read_properties(properties)
    api_id = asked["restApiId"]
    stage = asked.get("stageName")
    made = backend.create_deployment(api_id, stage, asked.get("description", ""))
    forget = _forgetting(backend, api_id, "deployments", made.id)

    def forget_both() -> None:
        forget()
        if stage:
            _forgetting(backend, api_id, "stages", stage)()

    def change(wanted: dict[str, Any]) -> None:
        if wanted.get("StageName") != stage:
            raise NotEmulatedError(
                "UpdateStack that changes StageName of AWS::ApiGateway::Deployment"
            )
        made.description = wanted.get("Description", "")

    return Made(made.id, forget_both, change, {"DeploymentId": made.id})


def _make_stage(backend: Any, _name: str, properties: dict[str, Any]) -> Made:
    asked = _read_stage(properties)
    api_id, name = asked["restApiId"], asked["stageName"]
    made = perform(
        "CreateStage",
        asked,
        lambda: backend.create_stage(api_id, name, asked["deploymentId"]),
    )
    forget = _forgetting(backend, api_id, "stages", name)
    try:
        _configure_stage(made, asked, properties)
    except Exception:
        forget()
        raise

    def change(wanted: dict[str, Any]) -> None:
        _configure_stage(made, _read_stage(wanted), wanted)

    return Made(name, forget, change)


def _read_stage(properties: Mapping[str, Any]) -> dict[str, Any]:
    asked = read_properties(properties)
    for name in ("StageName", "DeploymentId"):
        # CloudFormation's schema does not require them; API Gateway does.
        if not properties.get(name):
            raise ResourceFailedError(f"Property {name} cannot be empty.")
    return asked


def _configure_stage(stage: Any, asked: Mapping[str, Any], properties: Mapping[str, Any]) -> None:
    stage.deployment_id = asked["deploymentId"]
    stage.description = asked.get("description", "")
    access_log.check(asked.get("accessLogSetting") or {})
    stage.access_log_settings = asked.get("accessLogSetting")
    stage.variables = dict(asked.get("variables") or {})
    stage.tags = tags_of(properties)
    settings_of = {}
    for one in asked.get("methodSettings") or ():
        _require(one, "resourcePath", "MethodSettings")
        _require(one, "httpMethod", "MethodSettings")
        settings = {name: value for name, value in one.items() if name not in _SETTING_KEYS}
        definition.check_method_settings(settings)
        # `/*` is every resource, `/~1a` is the resource /a, `/` is the root.
        path = one["resourcePath"].removeprefix("/") or "~1"
        settings_of[f"{path}/{one['httpMethod']}"] = settings
    stage.method_settings = settings_of


def _make_gateway_response(backend: Any, _name: str, properties: dict[str, Any]) -> Made:
    api_id, type_ = str(properties["RestApiId"]), str(properties["ResponseType"])

    def put(wanted: dict[str, Any]) -> None:
        asked = read_properties(wanted)
        backend.get_rest_api(api_id).put_gateway_response(
            type_,
            asked.get("statusCode"),
            asked.get("responseParameters"),
            asked.get("responseTemplates"),
        )

    def forget() -> None:
        if api_id in backend.apis:
            backend.apis[api_id].delete_gateway_response(type_)

    put(properties)
    id_ = f"{api_id}:{type_}"
    return Made(id_, forget, put, {"Id": id_})


def _make_model(backend: Any, name: str, properties: dict[str, Any]) -> Made:
    asked = _read_model(properties)
    api_id = asked["restApiId"]
    asked["name"] = name
    made = perform(
        "CreateModel",
        asked,
        lambda: backend.create_model(
            api_id, name, asked.get("contentType"), asked.get("description"), asked["schema"]
        ),
    )

    def change(wanted: dict[str, Any]) -> None:
        asked = _read_model(wanted)
        # Made anew, so that a schema is checked as the first one was.
        before = backend.get_rest_api(api_id).models.pop(name)
        try:
            again = perform("CreateModel", {**asked, "name": name}, lambda: backend.create_model(
                api_id, name, asked.get("contentType"), asked.get("description"), asked["schema"]
            ))  # fmt: skip
        finally:
            backend.get_rest_api(api_id).models[name] = before
        before.schema, before.description = again.schema, again.description

    del made
    return Made(name, _forgetting(backend, api_id, "models", name), change)


def _read_model(properties: Mapping[str, Any]) -> dict[str, Any]:
    asked = read_properties(properties)
    if not isinstance(asked.get("schema"), str):
        asked["schema"] = json.dumps(asked.get("schema") or {})
    return asked


def _make_validator(backend: Any, name: str, properties: dict[str, Any]) -> Made:
    asked = read_properties(properties)
    api_id = asked["restApiId"]
    made = backend.create_request_validator(
        api_id,
        name,
        asked.get("validateRequestBody", False),
        asked.get("validateRequestParameters", False),
    )

    def change(wanted: dict[str, Any]) -> None:
        asked = read_properties(wanted)
        made.validate_request_body = asked.get("validateRequestBody", False)
        made.validate_request_parameters = asked.get("validateRequestParameters", False)

    forget = _forgetting(backend, api_id, "request_validators", made.id)
    return Made(made.id, forget, change, {"RequestValidatorId": made.id})


def _make_key(backend: Any, name: str, properties: dict[str, Any]) -> Made:
    asked = {**read_properties(properties), "name": name, "tags": tags_of(properties)}
    made = perform("CreateApiKey", asked, lambda: backend.create_api_key(asked))

    def change(wanted: dict[str, Any]) -> None:
        asked = read_properties(wanted)
        made.description, made.enabled = asked.get("description"), asked.get("enabled", False)
        made.customer_id = asked.get("customerId")
        made.tags = tags_of(wanted)

    return Made(made.id, lambda: backend.keys.pop(made.id, None), change, {"APIKeyId": made.id})


def _make_plan(backend: Any, name: str, properties: dict[str, Any]) -> Made:
    asked = _read_plan(name, properties)
    made = perform("CreateUsagePlan", asked, lambda: backend.create_usage_plan(asked))

    def forget() -> None:
        backend.usage_plans.pop(made.id, None)
        backend.usage_plan_keys.pop(made.id, None)

    def change(wanted: dict[str, Any]) -> None:
        asked = _read_plan(name, wanted)
        made.name, made.description = asked["name"], asked.get("description")
        made.api_stages, made.throttle = asked["apiStages"], asked["throttle"]
        made.quota, made.tags = asked.get("quota") or {}, asked["tags"]

    return Made(made.id, forget, change, {"Id": made.id})


def _read_plan(name: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    asked = read_properties(properties)
    asked["name"] = asked.pop("usagePlanName", None) or name
    asked["throttle"] = _limits(asked.get("throttle") or {})
    asked["apiStages"] = asked.get("apiStages") or []
    asked["tags"] = tags_of(properties)
    for one in asked["apiStages"]:
        one["throttle"] = {path: _limits(it) for path, it in (one.get("throttle") or {}).items()}
    return asked


def _limits(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the limits of a throttle, which `read_properties` leaves as a map of paths may be."""
    return read_properties(given)


def _make_plan_key(backend: Any, _name: str, properties: dict[str, Any]) -> Made:
    asked = read_properties(properties)
    plan_id, key_id = asked["usagePlanId"], asked["keyId"]
    backend.create_usage_plan_key(plan_id, asked)

    def forget() -> None:
        backend.usage_plan_keys.get(plan_id, {}).pop(key_id, None)

    id_ = f"{key_id}:{plan_id}"
    return Made(id_, forget, attributes={"Id": id_})
