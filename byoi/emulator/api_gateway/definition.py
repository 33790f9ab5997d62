"""Checks of an API's definition, made before moto records it.

Refused are what a call would not respect, as `NotEmulated`, and the mistakes that API Gateway
refuses and moto accepts, in AWS's words.

Sources: API Gateway API Reference, which names the parameters; for AWS's words, its answers that
public issues quote (serverless/examples 687, the terraform provider's "No integration defined
for method") and those that LocalStack's tests recorded.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jsonschema
from moto.apigateway.exceptions import (
    BadRequestException,
    NoIntegrationDefined,
    NoIntegrationResponseDefined,
    NotFoundException,
    StageStillActive,
)

from byoi.emulator.api_gateway import access_log, admission, mappings, templates
from byoi.emulator.api_gateway.authorization import AWS_IAM
from byoi.emulator.api_gateway.integration import DEFAULT_TIMEOUT_MS, MOCK, URI
from byoi.emulator.aws.errors import NotEmulatedError

Parameters = Mapping[str, Any]

# moto records these; a call of an API would not respect them.
_REFUSED_ACTIONS = frozenset(
    {"CreateAuthorizer", "CreateBasePathMapping", "CreateDomainName", "CreateVpcLink"}
    | {"CreateDocumentationPart", "GenerateClientCertificate"}
    | {"GetExport", "GetSdk", "ImportApiKeys", "ImportRestApi", "PutRestApi", "TestInvokeMethod"}
    | {"UpdateAccount", "UpdateAuthorizer", "UpdateRestApi"}
)
# Parameters that change what a call does on AWS and would have no effect here.
_REFUSED_PARAMETERS: dict[str, tuple[str, ...]] = {
    "CreateApiKey": ("stageKeys", "generateDistinctId"),
    "CreateDeployment": ("canarySettings", "cacheClusterEnabled", "tracingEnabled"),
    "CreateRestApi": ("cloneFrom", "minimumCompressionSize", "policy", "disableExecuteApiEndpoint"),
    "CreateStage": ("canarySettings", "cacheClusterEnabled", "tracingEnabled"),
    "PutIntegration": ("cacheKeyParameters", "connectionId", "tlsConfig", "responseTransferMode"),
    "PutMethod": ("authorizerId", "authorizationScopes"),
}
# Method settings that take effect or do not change an answer, as a patch and as a property name
# them; others are refused.
_STAGE_PATCHES = frozenset(
    {"throttling/burstLimit", "throttling/rateLimit", "metrics/enabled"}
    | {"logging/loglevel", "logging/dataTrace"}
)
_ACCESS_LOG_PATCHES = {
    f"/accessLogSettings/{name}": name for name in (access_log.DESTINATION, access_log.FORMAT)
}
_METHOD_SETTINGS = frozenset(
    {"throttlingBurstLimit", "throttlingRateLimit", "metricsEnabled", "loggingLevel"}
    | {"dataTraceEnabled"}
)
_AUTHORIZATIONS = ("NONE", AWS_IAM)
_CALLERS_OWN = "arn:aws:iam::*:user/*"
_MAPPING = "Invalid mapping expression specified: Validation Result: warnings : [], errors : "
_METHOD_PARAMETER = re.compile(r"method\.request\.(header|path|querystring)\.")


def check_emulated(action: str, parameters: Parameters) -> None:
    """Check that a call asks only for what is emulated.

    Args:
        action: Such as `PutIntegration`.
        parameters: The call's, named as in the API reference.

    Raises:
        NotEmulatedError: The message names what is not.
    """
    if action in _REFUSED_ACTIONS:
        raise NotEmulatedError(f"{action} of API Gateway")
    refused = _REFUSED_PARAMETERS.get(action, ())
    if named := [name for name in refused if parameters.get(name)]:
        raise NotEmulatedError(f"{action} with {', '.join(named)}")
    if check := _EMULATED.get(action):
        check(parameters)


def check_method_settings(settings: Mapping[str, Any]) -> None:
    """Check that a stage's settings of one method have only what is emulated.

    Args:
        settings: Named as in the API reference.

    Raises:
        NotEmulatedError: The message names the setting.
    """
    others = {name for name, value in settings.items() if value} - _METHOD_SETTINGS
    if others:
        raise NotEmulatedError(f"method settings with {', '.join(sorted(others))}")


def check_valid(call: str, api: Any, place: tuple[Any, ...], parameters: Parameters) -> None:
    """Check that AWS would accept a call.

    Args:
        call: Name of moto's method, one of `CHECKED_CALLS`.
        api: moto's RestAPI.
        place: The call's arguments after the id of the API: ids of resource and method, status.
        parameters: The call's, named as in the API reference.

    Raises:
        BadRequestException: A parameter is not valid.
        NotFoundException: Something that the call names does not exist.
    """
    _VALID[call](api, place, parameters)


def _check_rest_api(parameters: Parameters) -> None:
    if parameters.get("apiKeySource", "HEADER") != "HEADER":
        raise NotEmulatedError("CreateRestApi with apiKeySource=AUTHORIZER")
    if "PRIVATE" in (parameters.get("endpointConfiguration") or {}).get("types", ()):
        raise NotEmulatedError("CreateRestApi with a PRIVATE endpoint")


def _check_method(parameters: Parameters) -> None:
    _check_authorization("PutMethod", parameters.get("authorizationType", "NONE"))


def _check_authorization(action: str, type_: Any) -> None:
    if type_ not in _AUTHORIZATIONS:
        raise NotEmulatedError(
            f"{action} with authorizationType={type_} (only {' and '.join(_AUTHORIZATIONS)})"
        )


def _check_integration(parameters: Parameters) -> None:
    kind, uri = parameters.get("type"), str(parameters.get("uri") or "")
    if kind != MOCK and (kind != "AWS" or not URI.fullmatch(uri)):
        raise NotEmulatedError(
            f"an integration of type {kind} with {uri or 'no URI'} (only MOCK, and the type AWS "
            "with arn:aws:apigateway:REGION:runtime.sagemaker:path//endpoints/NAME/invocations)"
        )
    if parameters.get("credentials") == _CALLERS_OWN:
        raise NotEmulatedError(
            f"an integration with credentials={_CALLERS_OWN}, which are the caller's own (only a "
            "role's ARN)"
        )
    if kind == MOCK and uri:
        raise NotEmulatedError(f"an integration of type {kind} with {uri}")
    if parameters.get("connectionType", "INTERNET") != "INTERNET":
        raise NotEmulatedError("PutIntegration with connectionType=VPC_LINK")
    if kind != MOCK and parameters.get("httpMethod", "POST") != "POST":
        raise NotEmulatedError("InvokeEndpoint by another method than POST")
    mappings.check_request_parameters(parameters.get("requestParameters") or {})
    _check_templates(parameters.get("requestTemplates"))


def _check_integration_response(parameters: Parameters) -> None:
    mappings.check_response_parameters(parameters.get("responseParameters") or {})
    _check_templates(parameters.get("responseTemplates"))


def _check_templates(found: Mapping[str, str | None] | None) -> None:
    for template in (found or {}).values():
        templates.check(template or "")


def _check_stage_patch(parameters: Parameters) -> None:
    for one in parameters.get("patchOperations") or ():
        path, operation = one.get("path", ""), one.get("op")
        if (path, operation) == ("/accessLogSettings", "remove"):
            continue
        if path in _ACCESS_LOG_PATCHES and operation == "replace":
            access_log.check({_ACCESS_LOG_PATCHES[path]: one.get("value")})
            continue
        plain = path in {"/description", "/deploymentId"} or path.startswith("/variables/")
        setting = path.split("/", 3)[-1]
        if not plain and not (operation == "replace" and setting in _STAGE_PATCHES):
            raise NotEmulatedError(f"UpdateStage of {path}")


def _check_usage_plan(parameters: Parameters) -> None:
    if (parameters.get("quota") or {}).get("offset"):
        raise NotEmulatedError("a quota with an offset")


def _check_usage_plan_patch(parameters: Parameters) -> None:
    for one in parameters.get("patchOperations") or ():
        if one.get("path", "").startswith("/apiStages/") or "offset" in one.get("path", ""):
            raise NotEmulatedError(f"UpdateUsagePlan of {one['path']}")


_EMULATED: dict[str, Callable[[Parameters], None]] = {
    "CreateRestApi": _check_rest_api,
    "CreateUsagePlan": _check_usage_plan,
    "PutIntegration": _check_integration,
    "PutIntegrationResponse": _check_integration_response,
    "PutMethod": _check_method,
    "UpdateStage": _check_stage_patch,
    "UpdateUsagePlan": _check_usage_plan_patch,
}


def _require_models(api: Any, _place: tuple[Any, ...], parameters: Parameters) -> None:
    for name in (parameters.get("requestModels") or {}).values():
        if name not in api.models and name not in admission.DEFAULT_MODELS:
            raise BadRequestException(f"Invalid model identifier specified: {name}")
    validator = parameters.get("requestValidatorId")
    if validator and validator not in api.request_validators:
        raise BadRequestException("Invalid Request Validator identifier specified")


def _require_valid_integration(api: Any, place: tuple[Any, ...], parameters: Parameters) -> None:
    if parameters.get("type") != MOCK and not parameters.get("credentials"):
        raise BadRequestException("Role ARN must be specified for AWS integrations")
    timeout_ms = parameters.get("timeoutInMillis")
    if timeout_ms is not None and not 50 <= int(timeout_ms) <= DEFAULT_TIMEOUT_MS:
        raise BadRequestException("Timeout should be between 50 ms and 29000 ms")
    method = _find_method(api, place)
    known = set(method.request_parameters or {}) if method else set()
    sources = (parameters.get("requestParameters") or {}).values()
    _require_known((one for one in sources if _METHOD_PARAMETER.match(one)), known)


def _require_method_response(api: Any, place: tuple[Any, ...], parameters: Parameters) -> None:
    method = _find_method(api, place)
    declared = method.method_responses.get(str(place[2])) if method else None
    if declared is None:
        raise NoIntegrationResponseDefined
    targets = parameters.get("responseParameters") or {}
    _require_known(targets, set(declared.response_parameters or {}))
    try:
        re.compile(parameters.get("selectionPattern") or "")
    except re.error:
        raise BadRequestException("Invalid selection pattern specified") from None


def _require_integrations(api: Any, _place: tuple[Any, ...], _parameters: Parameters) -> None:
    methods = [made for one in api.resources.values() for made in one.resource_methods.values()]
    # moto requires one integration among all methods, AWS one of each method.
    if any(made.method_integration is None for made in methods):
        raise NoIntegrationDefined


def _require_deployment(api: Any, place: tuple[Any, ...], _parameters: Parameters) -> None:
    if place[1] not in api.deployments:
        raise NotFoundException("Deployment id does not exist")


def _require_no_stage(api: Any, place: tuple[Any, ...], _parameters: Parameters) -> None:
    if any(stage.deployment_id == place[0] for stage in api.stages.values()):
        raise StageStillActive


def _require_schema(_api: Any, _place: tuple[Any, ...], parameters: Parameters) -> None:
    try:
        schema = json.loads(parameters.get("schema") or "{}")
        jsonschema.Draft4Validator.check_schema(schema)
    except (ValueError, jsonschema.SchemaError) as problem:
        words = str(problem).partition("\n")[0]
        raise BadRequestException(
            f"Invalid model specified: Validation Result: warnings : [], errors : [{words}]"
        ) from None
    if '"$ref": "http' in json.dumps(schema):
        raise NotEmulatedError("a model that refers to another")


def _find_method(api: Any, place: tuple[Any, ...]) -> Any:
    """Return moto's method, None if there is none; moto itself raises then."""
    resource = api.resources.get(place[0])
    return resource.resource_methods.get(place[1]) if resource else None


def _require_known(names: Iterable[str], known: set[str]) -> None:
    unknown = [name for name in names if name not in known]
    if unknown:
        words = ", ".join(
            f"Invalid mapping expression parameter specified: {name}" for name in unknown
        )
        raise BadRequestException(f"{_MAPPING}[{words}]")


_VALID: dict[str, Callable[[Any, tuple[Any, ...], Parameters], None]] = {
    "create_deployment": _require_integrations,
    "create_model": _require_schema,
    "create_stage": _require_deployment,
    "delete_deployment": _require_no_stage,
    "put_integration": _require_valid_integration,
    "put_integration_response": _require_method_response,
    "put_method": _require_models,
}
CHECKED_CALLS = tuple(_VALID)
