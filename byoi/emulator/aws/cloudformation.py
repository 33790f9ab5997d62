"""CloudFormation's calls, answered from `stacks` and `change_sets` in the place of moto.

moto's own create resources by reading them, drop what they do not know, and leave a stack behind
that was refused.

Sources: API reference of each action; the wording of errors is that of CloudFormation's answers
quoted in public issues.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, EmptyResult

from byoi.emulator.aws import change_sets, stack_answers
from byoi.emulator.aws.change_sets import ChangeSet, ChangeSetNotFoundError
from byoi.emulator.aws.errors import NotEmulatedError, TemplateError
from byoi.emulator.aws.stack_records import STACK_TYPE, Asked, Stack
from byoi.emulator.aws.stacks import Stacks, read_url
from byoi.emulator.aws.template import Template

_NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]{0,127}")


class AlreadyExistsError(TemplateError):
    """A stack or change set of the name exists."""

    code = "AlreadyExistsException"


def replacements(stacks: Stacks) -> Iterator[tuple[Any, str, Any]]:
    """Yield object, name and new value of each replaced attribute of moto's CloudFormation.

    Args:
        stacks: The stacks of the emulator.
    """
    # Imported late, because it takes the longest to import.
    from moto.cloudformation.responses import CloudFormationResponse  # noqa: PLC0415

    answers = Answers(stacks)

    def call_action(self: Any) -> Any:
        action = self._get_action()
        asked = {name: one for name, one in self._get_params().items() if name != "Action"}
        try:
            result = answers.answer(action, self.region, asked)
        except ServiceException as error:
            status, headers, body = self.serialized(ActionResult(error))
            return status, *self._enrich_response(headers, body)
        status, headers, body = self.serialized(
            EmptyResult() if result is None else ActionResult(result)
        )
        return status, *self._enrich_response(headers, body)

    yield CloudFormationResponse, "call_action", call_action
    # What it does to moto's own records.
    yield CloudFormationResponse, "RESPONSE_KEY_PATH_TO_TRANSFORMER", {}


class Answers:
    """Answers to the calls."""

    def __init__(self, stacks: Stacks) -> None:
        """Answer from these stacks."""
        self._stacks = stacks

    def answer(self, action: str, region: str, asked: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the answer to a call; None if it has no members.

        Args:
            action: Such as `CreateStack`.
            region: Name of the region.
            asked: The parameters, typed.

        Raises:
            ServiceException: The call is refused, and nothing was done.
        """
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", action).lower()
        perform: Callable[[str, Mapping[str, Any]], dict[str, Any] | None]
        perform = getattr(self, f"_{name}")
        return perform(region, asked)

    def _create_stack(self, region: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        name = _checked_name(asked["StackName"])
        if any(one.name == name for one in self._stacks.of(region).values()):
            raise AlreadyExistsError(f"Stack [{name}] already exists")
        if "DisableRollback" in asked and "OnFailure" in asked:
            raise TemplateError("You can specify only one of OnFailure and DisableRollback.")
        wanted = self._asked(_body(asked), asked, None)
        stack = Stack(name, region, wanted)
        stack.is_protected = bool(asked.get("EnableTerminationProtection"))
        stack.on_failure = _on_failure(asked, "OnFailure")
        self._stacks.create(stack, wanted)
        return {"StackId": stack.stack_id}

    def _update_stack(self, region: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        stack = self._stacks.find(region, asked["StackName"], or_deleted=False)
        self._stacks.require_updatable(stack)
        wanted = self._asked(_body(asked, stack), asked, stack)
        if change_sets.is_unchanged(self._stacks, stack, wanted):
            raise TemplateError("No updates are to be performed.")
        self._stacks.update(stack, wanted)
        return {"StackId": stack.stack_id}

    def _delete_stack(self, region: str, asked: Mapping[str, Any]) -> None:
        self._stacks.delete(region, asked["StackName"])

    def _update_termination_protection(
        self, region: str, asked: Mapping[str, Any]
    ) -> dict[str, Any]:
        stack = self._stacks.find(region, asked["StackName"], or_deleted=False)
        stack.is_protected = bool(asked["EnableTerminationProtection"])
        return {"StackId": stack.stack_id}

    def _create_change_set(self, region: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        name = asked["ChangeSetName"]
        if not _NAME.fullmatch(name):
            raise TemplateError(
                f"1 validation error detected: Value '{name}' at 'changeSetName' failed to satisfy "
                "constraint: Member must satisfy regular expression pattern: "
                "[a-zA-Z][-a-zA-Z0-9]*"
            )
        kind = asked.get("ChangeSetType", "UPDATE")
        if kind not in {"CREATE", "UPDATE"}:
            raise NotEmulatedError(f"CreateChangeSet with ChangeSetType={kind}")
        stack, is_new = self._stack_for(region, asked["StackName"], name, kind)
        # The AWS CLI names them by the second, which AWS needs longer than for one deployment.
        if name in stack.change_sets and stack.change_sets[name].execution_status == "AVAILABLE":
            raise AlreadyExistsError(f"ChangeSet [{name}] already exists")
        wanted = self._asked(_body(asked, stack), asked, stack)
        types = {one["Type"] for one in wanted.template.resources.values()}
        if asked.get("IncludeNestedStacks") and STACK_TYPE in types:
            raise NotEmulatedError("CreateChangeSet with IncludeNestedStacks, of nested stacks")
        made = ChangeSet(self._stacks, stack, name, wanted, is_creation=kind == "CREATE")
        made.description = asked.get("Description")
        made.on_failure = _on_failure(asked, "OnStackFailure")
        if is_new:
            self._stacks.of(region)[stack.stack_id] = stack
            stack.enter("REVIEW_IN_PROGRESS", "User Initiated")
        stack.change_sets[name] = made
        return {"Id": made.id, "StackId": stack.stack_id}

    def _stack_for(self, region: str, name: str, change_set: str, kind: str) -> tuple[Stack, bool]:
        """Return the stack of a change set, and whether it is a new one."""
        if kind == "UPDATE":
            try:
                stack = self._stacks.find(region, name, or_deleted=False)
            except TemplateError as error:
                raise TemplateError(f"Stack [{name}] does not exist") from error
            self._stacks.require_updatable(stack)
            return stack, False
        for stack in self._stacks.of(region).values():
            if name in {stack.name, stack.stack_id}:
                if stack.status != "REVIEW_IN_PROGRESS":
                    raise TemplateError(
                        f"Stack [{stack.name}] already exists and cannot be created again with the "
                        f"changeSet [{change_set}]."
                    )
                return stack, False
        return Stack(_checked_name(name), region), True

    def _execute_change_set(self, region: str, asked: Mapping[str, Any]) -> None:
        found = self._change_set(region, asked)
        found.require_executable()
        stack = found.stack
        if not found.is_creation:
            self._stacks.require_updatable(stack)
        # CloudFormation deletes the others, which were made for a stack as it was.
        stack.change_sets = {found.name: found}
        found.execution_status = "EXECUTE_COMPLETE"
        if found.is_creation:
            stack.on_failure = _on_failure(asked, "OnStackFailure") if (
                "DisableRollback" in asked) else found.on_failure  # fmt: skip
            self._stacks.create(stack, found.asked)
        elif asked.get("DisableRollback"):
            raise NotEmulatedError("DisableRollback of an update")
        else:
            self._stacks.update(stack, found.asked)

    def _delete_change_set(self, region: str, asked: Mapping[str, Any]) -> None:
        try:
            found = self._change_set(region, asked)
        except ChangeSetNotFoundError:
            return  # which is no error of this action; the CDK relies on that
        del found.stack.change_sets[found.name]

    def _describe_change_set(self, region: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        return stack_answers.change_set(self._change_set(region, asked))

    def _list_change_sets(self, region: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        stack = self._stacks.find(region, asked["StackName"])
        found = stack.change_sets.values()
        return {"Summaries": [stack_answers.change_set_summary(one) for one in found]}

    def _change_set(self, region: str, asked: Mapping[str, Any]) -> ChangeSet:
        name, stack_name = asked["ChangeSetName"], asked.get("StackName")
        if stack_name is None and not name.startswith("arn:"):
            raise TemplateError("StackName must be specified if ChangeSetName is not specified as"
                                " an ARN.")  # fmt: skip
        stacks = list(self._stacks.of(region).values())
        if stack_name is not None:
            stacks = [self._stacks.find(region, stack_name)]
        for stack in stacks:
            for one in stack.change_sets.values():
                if name in {one.name, one.id}:
                    return one  # type: ignore[no-any-return] # of moto's dictionary
        raise ChangeSetNotFoundError(f"ChangeSet [{name}] does not exist")

    def _describe_stacks(self, region: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        if name := asked.get("StackName"):
            found = [self._stacks.find(region, name)]
        else:
            found = list(self._stacks.of(region).values())
        return {"Stacks": [stack_answers.stack(one) for one in found]}

    def _list_stacks(self, region: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        found = [*self._stacks.of(region).values(), *self._stacks.deleted(region).values()]
        wanted = asked.get("StackStatusFilter")
        return {
            "StackSummaries": [
                stack_answers.summary(one) for one in found if not wanted or one.status in wanted
            ]
        }

    def _describe_stack_events(self, region: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        return {"StackEvents": self._stacks.find(region, asked["StackName"]).events[::-1]}

    def _describe_stack_resource(self, region: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        stack = self._stacks.find(region, asked["StackName"])
        name = asked["LogicalResourceId"]
        if name not in stack.resources:
            raise TemplateError(f"Resource {name} does not exist for stack {stack.name}")
        return {"StackResourceDetail": stack_answers.detail(stack, stack.resources[name])}

    def _describe_stack_resources(self, region: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        if "StackName" not in asked:
            raise NotEmulatedError("DescribeStackResources without StackName")
        stack = self._stacks.find(region, asked["StackName"])
        wanted = (asked.get("LogicalResourceId"), asked.get("PhysicalResourceId"))
        found = [
            one
            for one in list(stack.resources.values())
            if wanted[0] in {None, one.logical_id} and wanted[1] in {None, one.made.id}
        ]
        return {"StackResources": [stack_answers.resource(stack, one) for one in found]}

    def _list_stack_resources(self, region: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        stack = self._stacks.find(region, asked["StackName"])
        found = list(stack.resources.values())
        return {"StackResourceSummaries": [stack_answers.resource_summary(one) for one in found]}

    def _get_template(self, region: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        if "ChangeSetName" in asked:
            template = self._change_set(region, asked).asked.template
        else:
            if "StackName" not in asked:
                raise TemplateError("StackName is required")
            stack = self._stacks.find(region, asked["StackName"])
            if stack.asked is None:
                # A stack that only a change set knows has none yet.
                return {"TemplateBody": "", "StagesAvailable": ["Original", "Processed"]}
            template = stack.asked.template
        return {"TemplateBody": template.body, "StagesAvailable": ["Original", "Processed"]}

    def _get_template_summary(self, region: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        if name := asked.get("StackName"):
            stack = self._stacks.find(region, name)
            if stack.asked is None:
                raise TemplateError(
                    "GetTemplateSummary cannot be called on REVIEW_IN_PROGRESS stacks."
                )
            return stack_answers.template_summary(stack.asked.template)
        return stack_answers.template_summary(Template(_body(asked), self._stacks.types))

    def _validate_template(self, _region: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        return stack_answers.validated(Template(_body(asked), self._stacks.types))

    def _list_exports(self, region: str, _asked: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "Exports": [
                {"ExportingStackId": stack.stack_id, "Name": name, "Value": value}
                for stack in self._stacks.of(region).values()
                for name, value in stack.exports.items()
            ]
        }

    def _list_imports(self, region: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        name = asked["ExportName"]
        if self._stacks.export(region, name) is None:
            raise TemplateError(f"Export '{name}' does not exist")
        found = self._stacks.importers(region, name)
        if not found:
            raise TemplateError(f"Export '{name}' is not imported by any stack.")
        return {"Imports": found}

    def _asked(self, body: str, asked: Mapping[str, Any], stack: Stack | None) -> Asked:
        """Return what a call asks of a stack, checked."""
        before = stack.asked if stack else None
        given: dict[str, str] = {}
        for one in asked.get("Parameters") or ():
            name = one["ParameterKey"]
            if not one.get("UsePreviousValue"):
                if "ParameterValue" not in one:
                    raise TemplateError(f"Parameters: [{name}] must have values")
                given[name] = one["ParameterValue"]
                continue
            if one.get("ParameterValue"):
                raise TemplateError(
                    f"Invalid input for parameter key {name}. Cannot specify usePreviousValue as "
                    "true and non empty value for a parameter"
                )
            if before is None:
                raise TemplateError(
                    f"Invalid input for parameter key {name}. Cannot specify usePreviousValue as "
                    "true for a parameter key not in the previous template"
                )
            # One that the stack took from the template's default takes the new default.
            if name in before.given:
                given[name] = before.given[name]
            elif name in before.template.parameters:
                default = before.template.parameters[name].get("Default")
                given[name] = str(stack_answers.text(default))
        tags = {one["Key"]: one["Value"] for one in asked.get("Tags") or ()}
        if stack is not None and "Tags" not in asked:
            tags = dict(stack.tags)
        return self._stacks.ask(body, given, tags=tags, capabilities=asked.get("Capabilities", ()))


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise TemplateError(
            f"1 validation error detected: Value '{name}' at 'stackName' failed to satisfy "
            "constraint: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*"
        )
    return name


def _body(asked: Mapping[str, Any], stack: Stack | None = None) -> str:
    """Return the template that a call has, names or reuses."""
    has_previous = bool(asked.get("UsePreviousTemplate"))
    if has_previous and ("TemplateBody" in asked or "TemplateURL" in asked):
        raise TemplateError(
            "You cannot specify both usePreviousTemplate and Template Body/Template URL."
        )
    if has_previous and stack is not None and stack.asked is not None:
        return stack.asked.template.body
    if "TemplateURL" in asked:
        return read_url(asked["TemplateURL"])
    if "TemplateBody" not in asked:
        raise TemplateError("Either Template URL or Template Body must be specified.")
    return str(asked["TemplateBody"])


def _on_failure(asked: Mapping[str, Any], name: str) -> str:
    if asked.get("DisableRollback"):
        return "DO_NOTHING"
    wanted = str(asked.get(name, "ROLLBACK"))
    if wanted not in {"DELETE", "DO_NOTHING", "ROLLBACK"}:
        raise TemplateError(
            f"1 validation error detected: Value '{wanted}' at '{name[0].lower()}{name[1:]}' "
            "failed to satisfy constraint: Member must satisfy enum value set: "
            "[DO_NOTHING, DELETE, ROLLBACK]"
        )
    return wanted
