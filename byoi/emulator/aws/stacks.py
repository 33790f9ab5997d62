"""Stacks: created, updated and deleted in the background, and rolled back after a failure.

moto does all of it inside the call. An endpoint may take longer than boto3 waits for an answer,
so a call is answered after a while, as AWS answers immediately, and the work continues.

moto's update deletes first, tries a failed change four times, and never rolls back. Here, what
the new template lacks is deleted last, as on AWS, and a failed update restores the resources.

Sources: moto 5.2.5, cloudformation/models.py and parsing.py; API DescribeStacks (StackStatus).
"""

import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

from moto.core.exceptions import ServiceException

from byoi.emulator.aws import cloudformation
from byoi.emulator.aws.errors import RefusedError, ResourceFailedError

# boto3's waiter asks every 30 s, so most stacks are done when it first asks; boto3 waits 60 s for
# an answer.
ANSWER_S = 20.0
# In these, all resources that the outputs name exist.
_SETTLED = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"})


class Stacks:
    """The work on stacks, one task of a stack after the other."""

    def __init__(self, answer_s: float = ANSWER_S) -> None:
        """Start without work.

        Args:
            answer_s: Seconds until a call is answered while its work continues.
        """
        self._answer_s = answer_s
        self._threads: dict[str, threading.Thread] = {}

    def replacements(self) -> Iterator[tuple[Any, str, Any]]:
        """Yield object, name and new value of each replaced attribute of moto's CloudFormation."""
        # Imported late, because it takes the longest to import.
        from moto.cloudformation import parsing  # noqa: PLC0415
        from moto.cloudformation.models import (  # noqa: PLC0415
            CloudFormationBackend,
            Stack,
            cloudformation_backends,
        )

        yield from cloudformation.stack_replacements()
        update = parsing.parse_and_update_resource
        yield parsing, "parse_and_update_resource", _trying_once(update)
        yield Stack, "outputs", property(_settled_outputs(vars(Stack)["outputs"].fget))
        yield Stack, "stack_resources", property(_existing_resources)
        yield Stack, "create_resources", self._creating(Stack, cloudformation_backends)
        yield Stack, "update", self._updating()
        yield CloudFormationBackend, "delete_stack", self._deleting()

    def wait(self) -> None:
        """Wait for all work to end."""
        for thread in list(self._threads.values()):
            thread.join()

    def _creating(self, stack_class: Any, backends: Any) -> Any:
        create = stack_class.create_resources

        def create_or_roll_back(stack: Any) -> None:
            try:
                create(stack)
            except Exception as error:  # noqa: BLE001 - the stack shows any cause
                _enter(stack, "ROLLBACK_IN_PROGRESS", _reason(error))
                undo = functools.partial(_undo_all, stack.resource_map)
                _end(stack, "ROLLBACK", undo, reason=_reason(error))

        def created(stack: Any) -> None:
            stack.status = "CREATE_IN_PROGRESS"
            is_nested = self._is_working()
            self._run(stack, lambda: create_or_roll_back(stack))
            if is_nested and stack.status == "ROLLBACK_COMPLETE":
                # The stack around it needs the reason only.
                reason = stack.stack_status_reason
                backends[stack.account_id][stack.region_name].delete_stack(stack.stack_id)
                raise ResourceFailedError(reason)

        return created

    def _updating(self) -> Any:
        def updated(
            stack: Any,
            template: str,
            role_arn: str | None = None,
            parameters: dict[str, Any] | None = None,
            tags: dict[str, str] | None = None,
        ) -> None:
            _require_idle(stack)
            wanted = stack.parse_template(template)  # raises if it is not a template
            before = dict(stack.resource_map.input_parameters)
            refused: list[Exception] = []

            def update_or_roll_back() -> None:
                resources = stack.resource_map
                try:
                    _update_resources(resources, wanted, parameters or before)
                    stack.template, stack.template_dict = template, wanted
                    stack.parameters, stack.role_arn = parameters or before, role_arn
                    stack.tags = stack.tags if tags is None else tags
                    stack.output_map = stack._create_output_map()  # noqa: SLF001
                except Exception as error:  # noqa: BLE001 - as above
                    refused.extend([error] if isinstance(error, RefusedError) else [])
                    _enter(stack, "UPDATE_ROLLBACK_IN_PROGRESS", _reason(error))
                    old = stack.template_dict
                    undo = functools.partial(_restore_resources, resources, old, before)
                    _end(stack, "UPDATE_ROLLBACK", undo, reason=_reason(error))
                else:
                    _enter(stack, "UPDATE_COMPLETE", None)

            _enter(stack, "UPDATE_IN_PROGRESS", "User Initiated")
            self._run(stack, update_or_roll_back)
            # Raised to the caller, who would look for it among the events otherwise.
            if refused:
                raise refused[0]

        return updated

    def _deleting(self) -> Any:
        def deleted(backend: Any, name: str) -> None:
            for stack in list(backend.stacks.values()):
                is_it = name in {stack.name, stack.stack_id}
                if is_it and stack.status != "DELETE_IN_PROGRESS":
                    stack.status = "DELETE_IN_PROGRESS"
                    self._run(stack, functools.partial(delete, backend, stack))

        def delete(backend: Any, stack: Any) -> None:
            _enter(stack, "DELETE_IN_PROGRESS", "User Initiated")
            _end(stack, "DELETE", stack.resource_map.delete)
            if stack.status == "DELETE_COMPLETE":
                del backend.stacks[stack.stack_id]
                backend.deleted_stacks[stack.stack_id] = stack

        return deleted

    def _is_working(self) -> bool:
        return threading.current_thread() in self._threads.values()

    def _run(self, stack: Any, work: Callable[[], None]) -> None:
        """Do work after the stack's earlier work; return when it is done, or after `answer_s`."""
        before = self._threads.get(stack.stack_id)
        if self._is_working():
            work()  # of a nested stack, whose parent waits for it
            return

        def run() -> None:
            if before is not None:
                before.join()
            work()

        thread = threading.Thread(target=run, name=f"stack {stack.name}", daemon=True)
        self._threads[stack.stack_id] = thread
        thread.start()
        thread.join(self._answer_s)


def _settled_outputs(outputs: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a getter of the outputs when last settled; moto creates resources they name."""

    def shown(stack: Any) -> Any:
        if stack.status in _SETTLED:
            stack.shown_outputs = outputs(stack)
        return vars(stack).get("shown_outputs")

    return shown


def _existing_resources(stack: Any) -> list[Any]:
    """Return the existing resources; moto's map creates those that are read from it."""
    resources = stack.resource_map
    found = [resources._parsed_resources.get(name) for name in list(resources)]  # noqa: SLF001
    return [one for one in found if one is not None]


def _undo_all(resources: Any) -> None:
    resources.delete()
    # moto creates a resource again when it is read.
    resources._resource_json_map = {}  # noqa: SLF001


def _end(stack: Any, verb: str, work: Callable[[], None], reason: str | None = None) -> None:
    """Do the last work on a stack, and set its status by how that ended."""
    try:
        work()
    except Exception as error:  # noqa: BLE001 - as above
        _enter(stack, f"{verb}_FAILED", _reason(error))
    else:
        _enter(stack, f"{verb}_COMPLETE", reason)


def _enter(stack: Any, status: str, reason: str | None) -> None:
    # The event first, because a caller that sees the status may look for it.
    stack._add_stack_event(status, resource_status_reason=reason)  # noqa: SLF001
    stack.stack_status_reason = reason
    stack.status = status


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, ServiceException) else repr(error)


def _require_idle(stack: Any) -> None:
    """Check that a stack can be updated.

    Raises:
        ServiceException: Work on it is in progress.
    """
    from moto.cloudformation.exceptions import ValidationError  # noqa: PLC0415

    if stack.status.endswith("_IN_PROGRESS"):
        raise ValidationError(
            message=f"Stack:{stack.stack_id} is in {stack.status} state and can not be updated."
        )


def _update_resources(
    resource_map: Any, template: dict[str, Any], parameters: dict[str, Any]
) -> None:
    """Update a stack's resources to a template.

    Resources that the template lacks are deleted last: moto deletes them first, and could not
    restore them.

    Args:
        resource_map: moto's resources of the stack.
        template: The new template.
        parameters: The new parameters.

    Raises:
        ServiceException: A resource could not be created or updated; call `_restore_resources`.
    """
    before = dict(resource_map._resource_json_map)  # noqa: SLF001
    leaving = {name: before.pop(name) for name in list(before) if name not in template["Resources"]}
    resource_map._resource_json_map = before  # noqa: SLF001
    try:
        resource_map.update(template, parameters)
    finally:
        resource_map._resource_json_map = {  # noqa: SLF001
            **resource_map._resource_json_map,  # noqa: SLF001
            **leaving,
        }
    resource_map.update(template)
    for name in leaving:
        resource_map._parsed_resources.pop(name, None)  # noqa: SLF001


def _restore_resources(
    resource_map: Any, template: dict[str, Any], parameters: dict[str, Any]
) -> None:
    """Restore a stack's resources after a failed update.

    Args:
        resource_map: moto's resources of the stack, as `_update_resources` left them.
        template: The old template.
        parameters: The old parameters.
    """
    made = resource_map._parsed_resources  # noqa: SLF001
    wanted = resource_map._resource_json_map  # noqa: SLF001
    # moto warns of resources to remove that it never created.
    kept = {name: wanted[name] for name in wanted if name in made}
    resource_map._resource_json_map = kept  # noqa: SLF001
    resource_map.is_restoring = True
    try:
        resource_map.update(template, parameters)
        for name in kept.keys() - template["Resources"].keys():
            made.pop(name)
    finally:
        resource_map.failed, resource_map.is_restoring = {}, False


def _trying_once(update: Any) -> Any:
    """Wrap moto's update of a resource, which moto repeats up to four times if it fails."""

    def updated(name: str, definition: Any, resource_map: Any, **where: Any) -> Any:
        failed = vars(resource_map).setdefault("failed", {})
        if name in failed:
            if vars(resource_map).get("is_restoring"):
                return resource_map[name]  # unchanged
            raise failed[name]
        try:
            return update(name, definition, resource_map, **where)
        except (ResourceFailedError, RefusedError) as error:
            failed[name] = error
            raise

    return updated
