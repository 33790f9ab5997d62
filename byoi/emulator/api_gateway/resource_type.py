"""A type of API Gateway's resource in a stack, whose properties become parameters of API calls.

They are checked as those of a call are.
"""

from collections.abc import Callable, Mapping
from typing import Any

from moto.apigateway.models import apigateway_backends
from werkzeug.exceptions import HTTPException

from byoi.emulator.api_gateway import definition
from byoi.emulator.aws import account
from byoi.emulator.aws.errors import ResourceFailedError
from byoi.emulator.aws.patches import requesting
from byoi.emulator.aws.resource_types import Made, Place, ResourceType

# Makes a resource from moto's backend, the name it is to have, and its properties.
Make = Callable[[Any, str, dict[str, Any]], Made]
# A parameter of a template is a text, also one of the type Number.
_NUMBERS: Mapping[str, Callable[[str], int | float]] = {
    "burstLimit": int,
    "limit": int,
    "offset": int,
    "rateLimit": float,
    "throttlingBurstLimit": int,
    "throttlingRateLimit": float,
    "timeoutInMillis": int,
}
# In these, names are chosen by the template's author, not by AWS.
_NAMED_BY_AUTHOR = frozenset(
    {"requestTemplates", "responseTemplates", "requestParameters", "responseParameters"}
    | {"requestModels", "responseModels", "variables", "schema", "throttle"}
)


def resource_type(noun: str, make: Make, taken: str, name_property: str = "") -> ResourceType:
    """Return a type of resource.

    Args:
        noun: The last part of the type.
        make: Makes a resource.
        taken: Names of the properties that are emulated, separated by spaces.
        name_property: The property that names a resource.
    """

    def made(place: Place, properties: dict[str, Any]) -> Made:
        backend = apigateway_backends[account.NUMBER][place.region]
        one: Made = _told(lambda: make(backend, place.name, properties))
        change = one.change
        if change is not None:
            one.change = lambda wanted: _told(lambda: change(wanted))
        return one

    return ResourceType(f"AWS::ApiGateway::{noun}", made, taken, name_property)


def _told(do: Callable[[], Any]) -> Any:
    """Do something, and name the cause of a failure in API Gateway's words."""
    try:
        return do()
    except HTTPException as error:
        raise ResourceFailedError(str(getattr(error, "message", error))) from error


def perform(action: str, parameters: dict[str, Any], do: Callable[[], Any]) -> Any:
    """Perform a call on moto's backend, checked as a request is.

    Args:
        action: Such as `PutMethod`.
        parameters: The call's, named as in the API reference.
        do: Performs it.
    """
    definition.check_emulated(action, parameters)
    with requesting(parameters):
        return do()


def read_properties(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return a resource's properties, references resolved, as parameters of an API call."""
    return {_lower(name): _to_parameter(_lower(name), value) for name, value in properties.items()}


def _lower(name: str) -> str:
    return name[0].lower() + name[1:]


def _to_parameter(name: str, value: Any) -> Any:
    if isinstance(value, str) and value in {"true", "false"}:
        return value == "true"
    if name in _NUMBERS and isinstance(value, str):
        try:
            return _NUMBERS[name](value)
        except ValueError:
            raise ResourceFailedError(f"Value of property {name} must be a number.") from None
    if name in _NAMED_BY_AUTHOR:
        return value
    if isinstance(value, Mapping):
        return {_lower(key): _to_parameter(_lower(key), one) for key, one in value.items()}
    if isinstance(value, list):
        return [_to_parameter("", one) for one in value]
    return value
