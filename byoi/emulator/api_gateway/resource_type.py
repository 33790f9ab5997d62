"""A type of resource in a stack: a class that moto's CloudFormation finds by its type.

Its properties become the parameters of the API call behind it, which is checked as a call is.
"""

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from moto.apigateway.models import apigateway_backends
from moto.core.common_models import CloudFormationModel
from werkzeug.exceptions import HTTPException

from byoi.emulator.api_gateway import definition
from byoi.emulator.aws.errors import NotEmulatedError, ResourceFailedError
from byoi.emulator.aws.patches import requesting

# Makes a resource from moto's backend and the resource's properties.
Make = Callable[[Any, dict[str, Any]], Any]
# Applies other properties to a resource.
Change = Callable[[dict[str, Any]], object]
# In these, names are chosen by the template's author, not by AWS.
_NAMED_BY_AUTHOR = frozenset(
    {"requestTemplates", "responseTemplates", "requestParameters", "responseParameters"}
    | {"requestModels", "responseModels", "variables", "schema", "throttle"}
)
# Properties that do not change what a call does.
_IGNORED = frozenset({"Tags", "FailOnWarnings"})


class StackResource:
    """A resource that a stack has created.

    Attributes:
        physical_resource_id: The value of Ref.
    """

    def __init__(
        self, id_: str, forget: Callable[[], object], change: Change | None = None
    ) -> None:
        """Hold how the resource is deleted and updated.

        Args:
            id_: The value of Ref.
            forget: Deletes the resource.
            change: Applies other properties; None if a stack cannot update the resource.
        """
        self.physical_resource_id = id_
        self._forget = forget
        self._change = change

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        """Return whether Fn::GetAtt has an attribute."""
        return attr in {"APIKeyId", "Id"}

    def get_cfn_attribute(self, _name: str) -> str:
        """Return the value of Fn::GetAtt, which is the id for every attribute there is."""
        return self.physical_resource_id

    def delete(self, _account: str, _region: str) -> None:
        """Delete the resource."""
        self._forget()

    @classmethod
    def update_from_cloudformation_json(
        cls, *, original_resource: Any, cloudformation_json: Mapping[str, Any], **_: Any
    ) -> Any:
        """Update the resource; moto calls this if its template or a value in it has changed."""
        if original_resource._change is None:  # noqa: SLF001 - of this class
            _refuse_update(cloudformation_json["Type"])
        original_resource._change(dict(cloudformation_json["Properties"]))  # noqa: SLF001
        return original_resource


def resource_class(noun: str, make: Make) -> Any:
    """Return the class of a type of resource.

    Args:
        noun: The last part of the type.
        make: Makes a resource.
    """
    members = {
        "cloudformation_type": staticmethod(lambda: f"AWS::ApiGateway::{noun}"),
        "cloudformation_name_type": staticmethod(lambda: ""),
        "create_from_cloudformation_json": creating(make),
    }
    return type(f"Stack{noun}", (StackResource, CloudFormationModel), members)


def creating(make: Make) -> Any:
    """Return the class method with which moto creates a resource; it names the cause of a failure.

    Args:
        make: Makes a resource.
    """

    def created(
        _cls: Any, /, _name: str, described: Mapping[str, Any], account: str, region: str, **_: Any
    ) -> Any:
        try:
            return make(apigateway_backends[account][region], dict(described["Properties"]))
        except HTTPException as error:
            raise ResourceFailedError(str(getattr(error, "message", error))) from error

    return classmethod(created)


def refusing_update() -> Any:
    """Return the class method with which moto updates a resource; it refuses every update."""

    def updated(_cls: Any, /, *, cloudformation_json: Mapping[str, Any], **_: Any) -> NoReturn:
        _refuse_update(cloudformation_json["Type"])

    return classmethod(updated)


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


def read_properties(type_: str, properties: Mapping[str, Any], known: str) -> dict[str, Any]:
    """Return a resource's properties as parameters of an API call.

    Args:
        type_: Last part of the resource's type, such as `Stage`.
        properties: The properties, references resolved.
        known: Names of the emulated properties, separated by spaces.

    Raises:
        NotEmulatedError: There are other properties.
    """
    others = set(properties) - set(known.split()) - _IGNORED
    if others:
        raise NotEmulatedError(f"{', '.join(sorted(others))} of AWS::ApiGateway::{type_}")
    return {_lower(name): _to_parameter(_lower(name), value) for name, value in properties.items()}


def _refuse_update(type_: str) -> NoReturn:
    raise NotEmulatedError(f"UpdateStack of {type_}; delete the stack and create it again")


def _lower(name: str) -> str:
    return name[0].lower() + name[1:]


def _to_parameter(name: str, value: Any) -> Any:
    if isinstance(value, str) and value in {"true", "false"}:
        return value == "true"
    if name in _NAMED_BY_AUTHOR:
        return value
    if isinstance(value, Mapping):
        return {_lower(key): _to_parameter(_lower(key), one) for key, one in value.items()}
    if isinstance(value, list):
        return [_to_parameter("", one) for one in value]
    return value
