"""Change sets: what would change in a stack, shown before it is done.

Sources: API CreateChangeSet, DescribeChangeSet, ExecuteChangeSet; CloudFormation User Guide,
"Update stacks using change sets".
"""

import uuid
from collections.abc import Mapping
from typing import Any

from byoi.emulator.aws import account, intrinsics
from byoi.emulator.aws.errors import TemplateError
from byoi.emulator.aws.resource_types import ResourceType
from byoi.emulator.aws.stack_records import UNKNOWN, Asked, Stack, now
from byoi.emulator.aws.stacks import Stacks

# The AWS CLI and SAM look for its beginning.
NO_CHANGES = (
    "The submitted information didn't contain changes. "
    "Submit different information to create a change set."
)


class ChangeSetNotFoundError(TemplateError):
    """There is no such change set."""

    code = "ChangeSetNotFound"


class InvalidChangeSetStatusError(TemplateError):
    """The change set cannot be executed or deleted now."""

    code = "InvalidChangeSetStatus"


class ChangeSet:
    """A change set.

    Attributes:
        id: Its ARN.
        name: Its name.
        stack: The stack that it is for.
        asked: What the stack is to become.
        is_creation: Whether it is the stack's first.
        changes: Those of resources, as DescribeChangeSet shows them.
        status: `CREATE_COMPLETE`, or `FAILED`.
        execution_status: Such as `AVAILABLE`.
        reason: Why it failed, "" if it did not.
        description: As given.
        on_failure: What happens after a failure of a creation.
    """

    def __init__(
        self, stacks: Stacks, stack: Stack, name: str, asked: Asked, *, is_creation: bool
    ) -> None:
        """Compare what is asked with the stack.

        Args:
            stacks: All stacks.
            stack: The stack.
            name: Name of the change set.
            asked: What the stack is to become.
            is_creation: Whether it is the stack's first.
        """
        self.id = (
            f"arn:aws:cloudformation:{stack.region}:{account.NUMBER}:"
            f"changeSet/{name}/{uuid.uuid4()}"
        )
        self.name, self.stack, self.asked = name, stack, asked
        self.is_creation = is_creation
        self.created = now()
        self.description: str | None = None
        self.on_failure = "ROLLBACK"
        self.status, self.execution_status, self.reason = "CREATE_COMPLETE", "AVAILABLE", ""
        self.changes: list[dict[str, Any]] = []
        try:
            self.changes = list(_changes(stacks, stack, asked))
        except TemplateError as error:
            self.status, self.execution_status = "FAILED", "UNAVAILABLE"
            self.reason = str(error.message)
            return
        if not self.changes and not _differs_otherwise(stack, asked):
            self.status, self.execution_status = "FAILED", "UNAVAILABLE"
            self.reason = NO_CHANGES

    def require_executable(self) -> None:
        """Check that it can be executed.

        Raises:
            InvalidChangeSetStatusError: It cannot.
        """
        if self.execution_status != "AVAILABLE":
            shown = self.status if self.status == "FAILED" else self.execution_status
            raise InvalidChangeSetStatusError(
                f"ChangeSet [{self.id}] cannot be executed in its current status of [{shown}]"
            )


def is_unchanged(stacks: Stacks, stack: Stack, asked: Asked) -> bool:
    """Return whether an update of a stack would change nothing."""
    return not list(_changes(stacks, stack, asked)) and not _differs_otherwise(stack, asked)


def _differs_otherwise(stack: Stack, asked: Asked) -> bool:
    """Return whether what is asked differs in more than resources."""
    if stack.asked is None:
        return True
    before, after = stack.asked.template, asked.template
    kept = [
        {name: (one.get("DeletionPolicy"), one.get("UpdateReplacePolicy"), one.get("Metadata"))
         for name, one in template.resources.items()}
        for template in (before, after)
    ]  # fmt: skip
    return (
        before.outputs != after.outputs
        or before.description != after.description
        or kept[0] != kept[1]
        or stack.tags != asked.tags
        or _output_values(stack.asked) != _output_values(asked)
    )


def _output_values(asked: Asked) -> dict[str, Any]:
    """Return the values of the parameters that outputs refer to."""
    referred = {one.name for one in intrinsics.references(asked.template.outputs)}
    return {name: value for name, value in asked.values.items() if name in referred}


def _changes(stacks: Stacks, stack: Stack, asked: Asked) -> Any:
    template = asked.template
    replaced: set[str] = set()
    scope = stack.scope(
        asked,
        lambda name: stacks.imported(stack.region, name),
        lambda name: name in replaced or name not in stack.resources,
    )
    wanted = [
        name
        for name in template.order
        if "Condition" not in template.resources[name]
        or scope.condition(template.resources[name]["Condition"])
    ]
    for name in wanted:
        type_ = stacks.types[template.resources[name]["Type"]]
        properties = stacks.properties(asked, name, scope)
        record = stack.resources.get(name)
        if record is None:
            yield _change("Add", name, type_)
            continue
        if properties == record.properties and record.type is type_:
            continue
        changed = [
            key
            for key in sorted({*properties, *record.properties})
            if properties.get(key) != record.properties.get(key)
        ]
        replacement = _replacement(type_, record.properties, properties)
        if replacement != "False":
            replaced.add(name)
        yield _change(
            "Modify", name, type_, record.made.id, replacement=replacement, changed=changed
        )
    for name in reversed(list(stack.resources)):
        if name not in wanted:
            record = stack.resources[name]
            yield _change("Remove", name, record.type, record.made.id)


def _replacement(type_: ResourceType, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    if not type_.needs_replacement(before, after):
        return "False"
    known = {key: one for key, one in after.items() if UNKNOWN not in str(one)}
    merged = {**before, **known}
    return "True" if type_.needs_replacement(before, merged) else "Conditional"


def _change(  # noqa: PLR0913 - the members of a change
    action: str,
    name: str,
    type_: ResourceType,
    physical_id: str | None = None,
    *,
    replacement: str | None = None,
    changed: list[str] | None = None,
) -> dict[str, Any]:
    change: dict[str, Any] = {
        "Action": action,
        "LogicalResourceId": name,
        "ResourceType": type_.name,
        "Scope": ["Properties"] if changed else [],
        "Details": [{"Target": {"Attribute": "Properties", "Name": key}} for key in changed or ()],
    }
    if physical_id is not None:
        change["PhysicalResourceId"] = physical_id
    if replacement is not None:
        change["Replacement"] = replacement
    return {"Type": "Resource", "ResourceChange": change}
