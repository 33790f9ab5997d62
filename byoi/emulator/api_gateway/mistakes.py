"""Mistakes that API Gateway refuses when an API is made, and that moto lets pass.

Sources: the answers of AWS that public issues quote (serverless/examples 687, the terraform
provider's "No integration defined for method"), and those that LocalStack's tests recorded.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from moto.apigateway.exceptions import (
    BadRequestException,
    NoIntegrationDefined,
    NoIntegrationResponseDefined,
    NotFoundException,
    StageStillActive,
)

from byoi.emulator.api_gateway import validation
from byoi.emulator.api_gateway.integration import DEFAULT_TIMEOUT_MS

Asked = Mapping[str, Any]
_MAPPING = "Invalid mapping expression specified: Validation Result: warnings : [], errors : "
_METHOD_PARAMETER = re.compile(r"method\.request\.(header|path|querystring)\.")


def find(call: str, api: Any, place: tuple[Any, ...], asked: Asked) -> None:
    """Raise what AWS would answer, where there is something wrong.

    Args:
        call: Name of moto's method, such as `put_integration`.
        api: moto's RestAPI.
        place: What follows the API's id: ids of resource and method, status.
        asked: The call's parameters, named as in the API reference.

    Raises:
        BadRequestException: What is asked for cannot be.
        NotFoundException: It needs something that is not there.
    """
    _LOOKS[call](api, place, asked)


def _method(api: Any, _place: tuple[Any, ...], asked: Asked) -> None:
    for name in (asked.get("requestModels") or {}).values():
        if name not in api.models and name not in validation.GIVEN:
            raise BadRequestException(f"Invalid model identifier specified: {name}")
    validator = asked.get("requestValidatorId")
    if validator and validator not in api.request_validators:
        raise BadRequestException("Invalid Request Validator identifier specified")


def _integration(api: Any, place: tuple[Any, ...], asked: Asked) -> None:
    if not asked.get("credentials"):
        raise BadRequestException("Role ARN must be specified for AWS integrations")
    timeout_ms = asked.get("timeoutInMillis")
    if timeout_ms is not None and not 50 <= int(timeout_ms) <= DEFAULT_TIMEOUT_MS:
        raise BadRequestException("Timeout should be between 50 ms and 29000 ms")
    method = _found(api, place)
    known = set(method.request_parameters or {}) if method else set()
    sources = (asked.get("requestParameters") or {}).values()
    _refuse_unknown((one for one in sources if _METHOD_PARAMETER.match(one)), known)


def _integration_response(api: Any, place: tuple[Any, ...], asked: Asked) -> None:
    status = str(place[2])
    method = _found(api, place)
    declared = method.method_responses.get(status) if method else None
    if declared is None:
        raise NoIntegrationResponseDefined
    _refuse_unknown(asked.get("responseParameters") or {}, set(declared.response_parameters or {}))
    try:
        re.compile(asked.get("selectionPattern") or "")
    except re.error:
        raise BadRequestException("Invalid selection pattern specified") from None


def _deployment(api: Any, _place: tuple[Any, ...], _asked: Asked) -> None:
    methods = [made for one in api.resources.values() for made in one.resource_methods.values()]
    # moto asks for one integration among all methods, AWS for one of each.
    if any(made.method_integration is None for made in methods):
        raise NoIntegrationDefined


def _stage(api: Any, place: tuple[Any, ...], _asked: Asked) -> None:
    if place[1] not in api.deployments:
        raise NotFoundException("Deployment id does not exist")


def _deleted_deployment(api: Any, place: tuple[Any, ...], _asked: Asked) -> None:
    if any(stage.deployment_id == place[0] for stage in api.stages.values()):
        raise StageStillActive


def _model(_api: Any, _place: tuple[Any, ...], asked: Asked) -> None:
    if problem := validation.problem_of(asked.get("schema") or "{}"):
        raise BadRequestException(
            f"Invalid model specified: Validation Result: warnings : [], errors : [{problem}]"
        )


def _found(api: Any, place: tuple[Any, ...]) -> Any:
    """Return moto's method, None where there is none, which moto itself says."""
    resource = api.resources.get(place[0])
    return resource.resource_methods.get(place[1]) if resource else None


def _refuse_unknown(names: Iterable[str], known: set[str]) -> None:
    unknown = [name for name in names if name not in known]
    if unknown:
        words = ", ".join(
            f"Invalid mapping expression parameter specified: {name}" for name in unknown
        )
        raise BadRequestException(f"{_MAPPING}[{words}]")


_LOOKS: dict[str, Callable[[Any, tuple[Any, ...], Asked], None]] = {
    "create_deployment": _deployment,
    "create_model": _model,
    "create_stage": _stage,
    "delete_deployment": _deleted_deployment,
    "put_integration": _integration,
    "put_integration_response": _integration_response,
    "put_method": _method,
}
CALLS = tuple(_LOOKS)
