"""One kind of resource in a stack, which moto's CloudFormation finds by its type."""

from collections.abc import Callable, Mapping
from typing import Any

from moto.core.common_models import CloudFormationModel

from byoi.emulator.api_gateway.stack_apis import creating, refuse_update

Change = Callable[[dict[str, Any]], object]


class Made:
    """What CloudFormation keeps of a resource.

    Attributes:
        physical_resource_id: What Ref returns.
    """

    def __init__(
        self, id_: str, forget: Callable[[], object], change: Change | None = None
    ) -> None:
        """Keep what is to be done later.

        Args:
            id_: What Ref returns.
            forget: Deletes it.
            change: Takes other properties; None where a stack cannot change it.
        """
        self.physical_resource_id = id_
        self._forget = forget
        self._change = change

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        """Whether Fn::GetAtt finds an attribute."""
        return attr in {"APIKeyId", "Id"}

    def get_cfn_attribute(self, _name: str) -> str:
        """Return what Fn::GetAtt finds: of each of these, the id."""
        return self.physical_resource_id

    def delete(self, _account: str, _region: str) -> None:
        """Remove it."""
        self._forget()

    @classmethod
    def update_from_cloudformation_json(
        cls, *, original_resource: Any, cloudformation_json: Mapping[str, Any], **_: Any
    ) -> Any:
        """Change it; moto calls this for each resource that another template or value names."""
        if original_resource._change is None:  # noqa: SLF001 - of this class
            refuse_update(cloudformation_json["Type"])
        original_resource._change(dict(cloudformation_json["Properties"]))  # noqa: SLF001
        return original_resource


def resource_class(noun: str, make: Callable[[Any, dict[str, Any]], Any]) -> Any:
    """Return the class of one kind of resource.

    Args:
        noun: The type's last part.
        make: moto's backend and the properties to the resource.
    """
    members = {
        "cloudformation_type": staticmethod(lambda: f"AWS::ApiGateway::{noun}"),
        "cloudformation_name_type": staticmethod(lambda: ""),
        "create_from_cloudformation_json": creating(make),
    }
    return type(f"Stack{noun}", (Made, CloudFormationModel), members)
