"""A stack: its template, resources, outputs and events.

Sources: API DescribeStacks, DescribeStackEvents, DescribeStackResources.
"""

import datetime as dt
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from byoi.emulator.aws import account, intrinsics
from byoi.emulator.aws.errors import NotEmulatedError, TemplateError
from byoi.emulator.aws.intrinsics import Scope
from byoi.emulator.aws.resource_types import Made, ResourceType
from byoi.emulator.aws.template import Template

# What a resource that does not exist yet, or is to be replaced, is in a change set.
UNKNOWN = "{{changeSet:KNOWN_AFTER_APPLY}}"
STACK_TYPE = "AWS::CloudFormation::Stack"


def now() -> dt.datetime:
    """Return the time, as answers have it."""
    return dt.datetime.now(dt.UTC)


@dataclass
class Resource:
    """A resource of a stack.

    Attributes:
        logical_id: Its name in the template.
        type: Its type.
        properties: Its properties, functions evaluated.
        made: How it is deleted and changed.
        status: Such as `CREATE_COMPLETE`.
        since: When it took the status.
        keeps: Whether it stays when the stack is deleted.
    """

    logical_id: str
    type: ResourceType
    properties: dict[str, Any]
    made: Made
    status: str
    keeps: bool
    since: dt.datetime = field(default_factory=now)


@dataclass
class Asked:
    """What a caller asks of a stack.

    Attributes:
        template: The template.
        given: Values of parameters, by name, as they were given.
        values: Values of all parameters.
        tags: Tags of the stack.
        capabilities: What the caller acknowledged.
    """

    template: Template
    given: dict[str, str]
    values: dict[str, Any]
    tags: dict[str, str]
    capabilities: tuple[str, ...]


class Stack:
    """A stack; `asked` is None until a change set of it was executed.

    Attributes:
        stack_id: Its ARN.
        name: Its name.
        region: The region that it is in.
        status: Such as `CREATE_COMPLETE`.
        resources: By logical id.
        outputs: Values by name, of the last template that succeeded.
        exports: Values of what other stacks can import, by name.
        export_names: Names of exports, by name of the output.
        imports: Names of what it imports from others.
        change_sets: By name.
        tags: Tags of the stack.
    """

    def __init__(self, name: str, region: str, asked: Asked | None = None) -> None:
        """Record a stack that has nothing yet."""
        self.name, self.region, self.asked = name, region, asked
        self.stack_id = (
            f"arn:aws:cloudformation:{region}:{account.NUMBER}:stack/{name}/{uuid.uuid4()}"
        )
        self.status, self.reason = "REVIEW_IN_PROGRESS", ""
        self.resources: dict[str, Resource] = {}
        self.outputs: dict[str, str] = {}
        self.exports: dict[str, str] = {}
        self.export_names: dict[str, str] = {}
        self.imports: set[str] = set()
        self.events: list[dict[str, Any]] = []
        self.change_sets: dict[str, Any] = {}
        self.tags: dict[str, str] = dict(asked.tags) if asked else {}
        self.description: str | None = asked.template.description if asked else None
        self.created = now()
        self.updated: dt.datetime | None = None
        self.deleted: dt.datetime | None = None
        self.is_protected = False
        self.on_failure = "ROLLBACK"
        self.parent: Stack | None = None

    def enter(self, status: str, reason: str = "") -> None:
        """Take a status; the event comes first, because who sees the status may look for it."""
        self.add_event(self.name, self.stack_id, STACK_TYPE, status, reason)
        self.reason, self.status = reason, status

    def add_event(
        self, logical_id: str, physical_id: str, type_: str, status: str, reason: str = ""
    ) -> None:
        """Record what happened to a resource, or to the stack."""
        event = {
            "StackId": self.stack_id,
            "EventId": str(uuid.uuid4()),
            "StackName": self.name,
            "LogicalResourceId": logical_id,
            "PhysicalResourceId": physical_id,
            "ResourceType": type_,
            "Timestamp": now(),
            "ResourceStatus": status,
        }
        self.events.append(event | ({"ResourceStatusReason": reason} if reason else {}))

    def scope(
        self,
        asked: Asked,
        imported: Callable[[str], str],
        unknown: Callable[[str], bool] = lambda _name: False,
    ) -> Scope:
        """Return what the functions of a template look up.

        Args:
            asked: The template and the values of its parameters.
            imported: Returns the value of another stack's export.
            unknown: Returns whether a resource does not exist yet, and is not looked up.
        """
        template = asked.template
        pseudo = {
            "AWS::AccountId": account.NUMBER,
            "AWS::NotificationARNs": [],
            "AWS::Partition": "aws",
            "AWS::Region": self.region,
            "AWS::StackId": self.stack_id,
            "AWS::StackName": self.name,
            "AWS::URLSuffix": "amazonaws.com",
        }
        values = {**pseudo, **asked.values}

        def ref(name: str) -> Any:
            if name in values:
                return values[name]
            return UNKNOWN if unknown(name) else self._existing(name).made.id

        def attribute(name: str, attribute: str) -> Any:
            if unknown(name):
                return UNKNOWN
            resource = self._existing(name)
            if attribute in resource.made.attributes:
                return resource.made.attributes[attribute]
            if attribute.startswith("Outputs."):
                raise TemplateError(f"Output '{attribute.partition('.')[2]}' not found in stack")
            raise NotEmulatedError(f"the attribute {attribute} of {resource.type.name}")

        def condition(name: str) -> bool:
            return intrinsics.holds(template.conditions[name], scope)

        scope = Scope(ref, attribute, condition, imported, template.mappings)
        return scope

    def _existing(self, name: str) -> Resource:
        if name not in self.resources:
            # Its condition does not hold.
            raise TemplateError(
                f"Template format error: Unresolved resource dependencies [{name}] in the "
                "Resources block of the template"
            )
        return self.resources[name]
