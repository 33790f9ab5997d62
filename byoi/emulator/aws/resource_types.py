"""A type of resource in a stack: which properties it takes, and how one is made.

Sources: CloudFormation User Guide, "Resource type schema"; the wording of errors is that of
CloudFormation's answers quoted in public issues (awslabs/aws-saas-boost 179).
"""

import secrets
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from byoi.emulator.aws.errors import NotEmulatedError, ResourceFailedError
from byoi.emulator.aws.resource_schemas import SCHEMAS

_SUFFIX = string.ascii_letters + string.digits


class Place(NamedTuple):
    """Where and for what a resource is made.

    Attributes:
        region: Name of the region.
        name: The physical name: the template's, or one that was generated.
        capabilities: What the caller of the stack acknowledged.
    """

    region: str
    name: str
    capabilities: tuple[str, ...] = ()


@dataclass
class Made:
    """A resource that a stack has made.

    Attributes:
        id: The physical id, which is the value of Ref.
        delete: Deletes the resource.
        change: Gives it other properties; None if it can only be replaced.
        attributes: Values of Fn::GetAtt.
    """

    id: str
    delete: Callable[[], object]
    change: Callable[[dict[str, Any]], object] | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


Make = Callable[[Place, dict[str, Any]], Made]


class ResourceType:
    """A type of resource.

    Attributes:
        name: Such as `AWS::IAM::Role`.
        make: Makes a resource from its properties.
        name_property: The property that names a resource; "" if nothing does.
    """

    def __init__(self, name: str, make: Make, taken: str, name_property: str = "") -> None:
        """Describe a type.

        Args:
            name: Such as `AWS::IAM::Role`.
            make: Makes a resource from its properties.
            taken: Names of the properties that are emulated, separated by spaces.
            name_property: The property that names a resource.
        """
        self.name = name
        self.make = make
        self.name_property = name_property
        schema = SCHEMAS[name]
        self._taken = frozenset(taken.split())
        self._required = schema.required.split()
        self._known = frozenset(schema.properties.split())
        self._fixed = frozenset(schema.fixed.split())
        self.attributes = frozenset(schema.attributes.split())

    @property
    def has_tags(self) -> bool:
        """Whether a resource of the type has tags, which it also takes from the stack."""
        return "Tags" in self._taken

    def refuse_properties(self, properties: Mapping[str, Any]) -> None:
        """Check that all properties that CloudFormation knows are emulated.

        Raises:
            NotEmulatedError: Some are not.
        """
        others = sorted((set(properties) & self._known) - self._taken)
        if others:
            raise NotEmulatedError(f"{', '.join(others)} of {self.name}")

    def check(self, logical_id: str, properties: Mapping[str, Any]) -> None:
        """Check a resource's properties, functions evaluated, as CloudFormation checks them.

        Raises:
            ResourceFailedError: A required one is missing, or one is unknown.
        """
        found = [
            f"#: required key [{name}] not found"
            for name in self._required
            if properties.get(name) is None
        ]
        found += [
            f"#: extraneous key [{name}] is not permitted"
            for name in sorted(set(properties) - self._known)
        ]
        if found:
            raise ResourceFailedError(
                f"Properties validation failed for resource {logical_id} with message: "
                f"[{', '.join(found)}]"
            )

    def needs_replacement(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
        """Return whether a change of properties replaces the resource."""
        return any(before.get(name) != after.get(name) for name in self._fixed)

    def has_attribute(self, name: str) -> bool:
        """Return whether Fn::GetAtt returns something of this name."""
        if self.name == "AWS::CloudFormation::Stack":
            return name.startswith("Outputs.")
        return name in self.attributes or name in self._known & {
            self.name_property, "RestApiId", "StageName", "BucketName"
        }  # fmt: skip

    def physical_name(self, stack_name: str, logical_id: str, given: Mapping[str, Any]) -> str:
        """Return the name of a resource: the template's, or one that CloudFormation generates."""
        named = given.get(self.name_property)
        if named is not None:
            return str(named)
        suffix = "".join(secrets.choice(_SUFFIX) for _ in range(12))
        if self.name == "AWS::ApiGateway::Model":
            return f"{logical_id}{suffix}"  # its names have no hyphens
        if self.name in {"AWS::S3::Bucket", "AWS::ECR::Repository"}:
            return f"{stack_name[:24]}-{logical_id[:24]}-{suffix}".lower()
        name = f"{stack_name[:24]}-{logical_id[:24]}"
        return f"{name}-{suffix}"


def tags_of(properties: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags of a resource, which its stack's are part of."""
    return {str(one["Key"]): str(one["Value"]) for one in properties.get("Tags") or ()}
