"""Properties of a stack's resources, as the parameters of the API behind them."""

from collections.abc import Mapping
from typing import Any

from byoi.emulator.aws.errors import NotEmulatedError

# Values below these are named by whoever wrote the template, not by AWS.
_NAMED_BY_USER = frozenset(
    {"requestTemplates", "responseTemplates", "requestParameters", "responseParameters"}
    | {"requestModels", "responseModels", "variables", "schema", "throttle"}
)
_ATTRIBUTES_OF_STACK = frozenset({"Tags", "FailOnWarnings"})


def read(type_: str, properties: Mapping[str, Any], known: str) -> dict[str, Any]:
    """Return properties as parameters.

    Args:
        type_: The resource's type, such as `Stage`.
        properties: Its properties, of which each reference is already a value.
        known: Names of those that are acted on, between spaces.

    Raises:
        NotEmulatedError: There are others.
    """
    others = set(properties) - set(known.split()) - _ATTRIBUTES_OF_STACK
    if others:
        raise NotEmulatedError(f"{', '.join(sorted(others))} of AWS::ApiGateway::{type_}")
    return {_lower(name): _parameter(_lower(name), value) for name, value in properties.items()}


def _lower(name: str) -> str:
    return name[0].lower() + name[1:]


def _parameter(name: str, value: Any) -> Any:
    if isinstance(value, str) and value in {"true", "false"}:
        return value == "true"
    if name in _NAMED_BY_USER:
        return value
    if isinstance(value, Mapping):
        return {_lower(key): _parameter(_lower(key), one) for key, one in value.items()}
    if isinstance(value, list):
        return [_parameter("", one) for one in value]
    return value
