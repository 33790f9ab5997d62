"""A stack's APIs, resources, methods and deployments, of which moto makes the half.

moto drops templates, integration responses, credentials and media types, and deletes nothing.

Sources: CloudFormation's reference of AWS::ApiGateway; moto 5.2.5, apigateway/models.py.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

from moto.apigateway.models import Deployment, Method, Resource, RestAPI, apigateway_backends
from werkzeug.exceptions import HTTPException

from byoi.emulator.api_gateway import definition, stack_properties
from byoi.emulator.aws.errors import NotEmulatedError, ResourceFailedError
from byoi.emulator.aws.patches import requesting

_INTEGRATION = (
    "Type IntegrationHttpMethod Uri Credentials RequestTemplates RequestParameters "
    "PassthroughBehavior ContentHandling TimeoutInMillis ConnectionType IntegrationResponses"
)


def replacements() -> Iterator[tuple[Any, str, Any]]:
    """Yield object, name and new value of each attribute of moto's that is replaced."""
    makers = {RestAPI: _api, Resource: _resource, Method: _method, Deployment: _deployment}
    for owner, make in makers.items():
        yield owner, "create_from_cloudformation_json", creating(make)
        yield owner, "update_from_cloudformation_json", classmethod(_refused)
        yield owner, "delete", _delete
    for owner in (Method, Deployment):
        yield owner, "physical_resource_id", property(lambda self: self.stack_id)


def creating(make: Callable[[Any, dict[str, Any]], Any]) -> Any:
    """Return a class method that makes a resource, and names the cause where it cannot.

    Args:
        make: moto's backend and the properties to the resource.
    """

    def created(
        _cls: Any, /, _name: str, definition: Mapping[str, Any], account: str, region: str, **_: Any
    ) -> Any:
        try:
            return make(apigateway_backends[account][region], dict(definition["Properties"]))
        except HTTPException as error:
            raise ResourceFailedError(str(getattr(error, "message", error))) from error

    return classmethod(created)


def refuse_update(type_: str) -> NoReturn:
    """Refuse to change a resource of a stack."""
    raise NotEmulatedError(f"UpdateStack of {type_}; delete the stack and create it again")


def _refused(_cls: Any, /, *, cloudformation_json: Mapping[str, Any], **_: Any) -> NoReturn:
    refuse_update(cloudformation_json["Type"])


def ask(action: str, asked: dict[str, Any], do: Callable[[], Any]) -> Any:
    """Do what a request would do, checked as a request would be.

    Args:
        action: Such as `PutMethod`.
        asked: Its parameters.
        do: Does it.
    """
    definition.check(action, asked)
    with requesting(asked):
        return do()


def _delete(self: Any, _account: str, _region: str) -> None:
    self.forget()


def _api(backend: Any, properties: dict[str, Any]) -> Any:
    known = "Name Description ApiKeySourceType BinaryMediaTypes EndpointConfiguration"
    asked = stack_properties.read("RestApi", properties, known)
    asked["apiKeySource"] = asked.pop("apiKeySourceType", "HEADER")
    made = ask(
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


def _resource(backend: Any, properties: dict[str, Any]) -> Any:
    asked = stack_properties.read("Resource", properties, "RestApiId ParentId PathPart")
    api_id = asked["restApiId"]
    made = backend.create_resource(api_id, asked["parentId"], asked["pathPart"])

    def forget() -> None:
        if api_id in backend.apis:
            backend.apis[api_id].resources.pop(made.id, None)

    made.forget = forget
    return made


def _method(backend: Any, properties: dict[str, Any]) -> Any:
    integration = properties.pop("Integration", None)
    known = (
        "RestApiId ResourceId HttpMethod AuthorizationType ApiKeyRequired RequestParameters "
        "RequestModels RequestValidatorId OperationName MethodResponses"
    )
    asked = stack_properties.read("Method", properties, known)
    where = (asked["restApiId"], asked["resourceId"], asked["httpMethod"])
    made = ask(
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
        resource = (
            backend.apis[where[0]].resources.get(where[1]) if where[0] in backend.apis else None
        )
        if resource is not None:
            resource.resource_methods.pop(where[2], None)

    made.stack_id, made.forget = "-".join(where), forget
    return made


def _put_integration(backend: Any, where: tuple[str, str, str], given: Mapping[str, Any]) -> None:
    asked = stack_properties.read("Method.Integration", given, _INTEGRATION)
    asked["httpMethod"] = asked.pop("integrationHttpMethod", None)
    ask(
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
    ask(
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


def _deployment(backend: Any, properties: dict[str, Any]) -> Any:
    asked = stack_properties.read("Deployment", properties, "RestApiId Description StageName")
    api_id = asked["restApiId"]
    made = backend.create_deployment(api_id, asked.get("stageName"), asked.get("description", ""))

    def forget() -> None:
        if api_id in backend.apis:
            backend.apis[api_id].deployments.pop(made.id, None)

    made.stack_id, made.forget = made.id, forget
    return made
