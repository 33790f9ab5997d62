"""What may be asked for when an API is made: refused where its execution is not emulated.

Source: API Gateway API Reference, of which the parameters are named.
"""

from collections.abc import Mapping
from typing import Any

from byoi.emulator.api_gateway import mappings, templates
from byoi.emulator.api_gateway.integration import URI
from byoi.emulator.aws.errors import NotEmulatedError

# moto records them; a call of an API would not go through them.
_ACTIONS = frozenset(
    {"CreateAuthorizer", "CreateBasePathMapping", "CreateDomainName", "CreateVpcLink"}
    | {"CreateDocumentationPart", "GenerateClientCertificate"}
    | {"GetExport", "GetSdk", "ImportApiKeys", "ImportRestApi", "PutRestApi", "TestInvokeMethod"}
    | {"UpdateAccount", "UpdateAuthorizer", "UpdateRestApi"}
)
# Parameters that change what a call does, and that nothing here acts on.
_PARAMETERS: dict[str, tuple[str, ...]] = {
    "CreateApiKey": ("stageKeys", "generateDistinctId"),
    "CreateDeployment": ("canarySettings", "cacheClusterEnabled", "tracingEnabled"),
    "CreateRestApi": ("cloneFrom", "minimumCompressionSize", "policy", "disableExecuteApiEndpoint"),
    "CreateStage": ("canarySettings", "cacheClusterEnabled", "tracingEnabled"),
    "PutIntegration": ("cacheKeyParameters", "connectionId", "tlsConfig", "responseTransferMode"),
    "PutMethod": ("authorizerId", "authorizationScopes"),
}
# Method settings that a call is not affected by, or that are acted on; others are refused.
_SETTINGS = frozenset(
    {"throttling/burstLimit", "throttling/rateLimit", "metrics/enabled"}
    | {"logging/loglevel", "logging/dataTrace"}
)

_METHOD_SETTINGS = frozenset(
    {"throttlingBurstLimit", "throttlingRateLimit", "metricsEnabled", "loggingLevel"}
    | {"dataTraceEnabled"}
)


def check(action: str, asked: Mapping[str, Any]) -> None:
    """Refuse what is not emulated.

    Args:
        action: Such as `PutIntegration`.
        asked: The call's parameters, named as in the API reference.

    Raises:
        NotEmulatedError: The message names what is not.
    """
    if action in _ACTIONS:
        raise NotEmulatedError(f"{action} of API Gateway")
    if named := [name for name in _PARAMETERS.get(action, ()) if asked.get(name)]:
        raise NotEmulatedError(f"{action} with {', '.join(named)}")
    if looks := _CHECKS.get(action):
        looks(asked)


def check_settings(settings: Mapping[str, Any]) -> None:
    """Refuse method settings that would change what a call does.

    Args:
        settings: One method's, named as in the API reference.

    Raises:
        NotEmulatedError: The message names the setting.
    """
    others = {name for name, value in settings.items() if value} - _METHOD_SETTINGS
    if others:
        raise NotEmulatedError(f"method settings with {', '.join(sorted(others))}")


def _check_rest_api(asked: Mapping[str, Any]) -> None:
    if asked.get("apiKeySource", "HEADER") != "HEADER":
        raise NotEmulatedError("CreateRestApi with apiKeySource=AUTHORIZER")
    if "PRIVATE" in (asked.get("endpointConfiguration") or {}).get("types", ()):
        raise NotEmulatedError("CreateRestApi with a PRIVATE endpoint")


def _check_method(asked: Mapping[str, Any]) -> None:
    if asked.get("authorizationType", "NONE") != "NONE":
        raise NotEmulatedError(f"PutMethod with authorizationType={asked['authorizationType']}")


def _check_integration(asked: Mapping[str, Any]) -> None:
    kind, uri = asked.get("type"), str(asked.get("uri", ""))
    if kind != "AWS" or not URI.fullmatch(uri):
        raise NotEmulatedError(
            f"an integration of type {kind} with {uri or 'no URI'}; of all, only AWS with "
            "arn:aws:apigateway:REGION:runtime.sagemaker:path//endpoints/NAME/invocations is run"
        )
    if asked.get("connectionType", "INTERNET") != "INTERNET":
        raise NotEmulatedError("PutIntegration with connectionType=VPC_LINK")
    if asked.get("httpMethod", "POST") != "POST":
        raise NotEmulatedError("InvokeEndpoint by another method than POST")
    mappings.check_request(asked.get("requestParameters") or {})
    _check_templates(asked.get("requestTemplates"))


def _check_integration_response(asked: Mapping[str, Any]) -> None:
    mappings.check_response(asked.get("responseParameters") or {})
    _check_templates(asked.get("responseTemplates"))


def _check_templates(found: Mapping[str, str | None] | None) -> None:
    for template in (found or {}).values():
        templates.check(template or "")


def _check_stage_patch(asked: Mapping[str, Any]) -> None:
    for one in asked.get("patchOperations") or ():
        path = one.get("path", "")
        plain = path in {"/description", "/deploymentId"} or path.startswith("/variables/")
        setting = path.split("/", 3)[-1]
        if not plain and not (one.get("op") == "replace" and setting in _SETTINGS):
            raise NotEmulatedError(f"UpdateStage of {path}")


def _check_plan(asked: Mapping[str, Any]) -> None:
    if (asked.get("quota") or {}).get("offset"):
        raise NotEmulatedError("a quota with an offset")


def _check_plan_patch(asked: Mapping[str, Any]) -> None:
    for one in asked.get("patchOperations") or ():
        if one.get("path", "").startswith("/apiStages/") or "offset" in one.get("path", ""):
            raise NotEmulatedError(f"UpdateUsagePlan of {one['path']}")


_CHECKS = {
    "CreateRestApi": _check_rest_api,
    "CreateUsagePlan": _check_plan,
    "PutIntegration": _check_integration,
    "PutIntegrationResponse": _check_integration_response,
    "PutMethod": _check_method,
    "UpdateStage": _check_stage_patch,
    "UpdateUsagePlan": _check_plan_patch,
}
