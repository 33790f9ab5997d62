"""Stacks: made, changed and deleted in the background, and rolled back where that fails.

moto does all of it inside the call. An endpoint may need longer than boto3 waits for an answer,
so here the call ends after a while, as on AWS it ends at once, and the work goes on.

Source: moto 5.2.5, cloudformation/models.py; API DescribeStacks (StackStatus).
"""

import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

from moto.core.exceptions import ServiceException

from byoi.emulator.aws import cloudformation, stack_updates
from byoi.emulator.aws.errors import RefusedError, ResourceFailedError

# boto3's waiter looks every 30 s, and finds most stacks done at once; it waits 60 s for an answer.
ANSWER_S = 20.0
# All resources that the outputs name are there.
_SETTLED = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"})


class Stacks:
    """What goes on with stacks, for each one thing after the other."""

    def __init__(self, answer_s: float = ANSWER_S) -> None:
        """Nothing goes on yet.

        Args:
            answer_s: Seconds until a call is answered though its work goes on.
        """
        self._answer_s = answer_s
        self._threads: dict[str, threading.Thread] = {}

    def replacements(self) -> Iterator[tuple[Any, str, Any]]:
        """Yield object, name and new value of what is replaced in moto's CloudFormation."""
        # Its import takes longer than that of all others.
        from moto.cloudformation.models import (  # noqa: PLC0415
            CloudFormationBackend,
            Stack,
            cloudformation_backends,
        )

        yield from cloudformation.stack_replacements()
        yield from stack_updates.replacements()
        yield Stack, "outputs", property(_showing(vars(Stack)["outputs"].fget))
        yield Stack, "stack_resources", property(_made)
        yield Stack, "create_resources", self._creating(Stack, cloudformation_backends)
        yield Stack, "update", self._updating()
        yield CloudFormationBackend, "delete_stack", self._deleting()

    def wait(self) -> None:
        """Wait until nothing goes on."""
        for thread in list(self._threads.values()):
            thread.join()

    def _creating(self, stack_class: Any, backends: Any) -> Any:
        create = stack_class.create_resources

        def create_or_roll_back(stack: Any) -> None:
            try:
                create(stack)
            except Exception as error:  # noqa: BLE001 - whatever it is, the stack says so
                _enter(stack, "ROLLBACK_IN_PROGRESS", _reason(error))
                undo = functools.partial(_undo_all, stack.resource_map)
                _end(stack, "ROLLBACK", undo, reason=_reason(error))

        def created(stack: Any) -> None:
            stack.status = "CREATE_IN_PROGRESS"
            is_inside = self._is_at_work()
            self._run(stack, lambda: create_or_roll_back(stack))
            if is_inside and stack.status == "ROLLBACK_COMPLETE":
                # Only its reason is of use to the stack it was to be a part of.
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
            stack_updates.require_idle(stack)
            wanted = stack.parse_template(template)  # what is no template is refused at once
            before = dict(stack.resource_map.input_parameters)
            refused: list[Exception] = []

            def update_or_roll_back() -> None:
                resources = stack.resource_map
                try:
                    stack_updates.update(resources, wanted, parameters or before)
                    stack.template, stack.template_dict = template, wanted
                    stack.parameters, stack.role_arn = parameters or before, role_arn
                    stack.tags = stack.tags if tags is None else tags
                    stack.output_map = stack._create_output_map()  # noqa: SLF001
                except Exception as error:  # noqa: BLE001 - as above
                    refused.extend([error] if isinstance(error, RefusedError) else [])
                    _enter(stack, "UPDATE_ROLLBACK_IN_PROGRESS", _reason(error))
                    old = stack.template_dict
                    undo = functools.partial(stack_updates.go_back, resources, old, before)
                    _end(stack, "UPDATE_ROLLBACK", undo, reason=_reason(error))
                else:
                    _enter(stack, "UPDATE_COMPLETE", None)

            _enter(stack, "UPDATE_IN_PROGRESS", "User Initiated")
            self._run(stack, update_or_roll_back)
            # Rather said to the caller than left to be found among the events.
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

    def _is_at_work(self) -> bool:
        return threading.current_thread() in self._threads.values()

    def _run(self, stack: Any, work: Callable[[], None]) -> None:
        """Do the work after what goes on with the stack; return when it is done, or late."""
        before = self._threads.get(stack.stack_id)
        if self._is_at_work():
            work()  # a stack inside another, which waits for it
            return

        def run() -> None:
            if before is not None:
                before.join()
            work()

        thread = threading.Thread(target=run, name=f"stack {stack.name}", daemon=True)
        self._threads[stack.stack_id] = thread
        thread.start()
        thread.join(self._answer_s)


def _showing(outputs: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a getter of what was last true; moto makes resources that an output names."""

    def shown(stack: Any) -> Any:
        if stack.status in _SETTLED:
            stack.shown_outputs = outputs(stack)
        return vars(stack).get("shown_outputs")

    return shown


def _made(stack: Any) -> list[Any]:
    """Return the resources there are; moto's map makes those that are looked at."""
    resources = stack.resource_map
    found = [resources._parsed_resources.get(name) for name in list(resources)]  # noqa: SLF001
    return [one for one in found if one is not None]


def _undo_all(resources: Any) -> None:
    resources.delete()
    # moto makes a resource, or makes it again, when something looks at it.
    resources._resource_json_map = {}  # noqa: SLF001


def _end(stack: Any, verb: str, work: Callable[[], None], reason: str | None = None) -> None:
    """Do the last work on a stack, and let its status say how that ended."""
    try:
        work()
    except Exception as error:  # noqa: BLE001 - as above
        _enter(stack, f"{verb}_FAILED", _reason(error))
    else:
        _enter(stack, f"{verb}_COMPLETE", reason)


def _enter(stack: Any, status: str, reason: str | None) -> None:
    # The event first: whoever sees the status may look for it.
    stack._add_stack_event(status, resource_status_reason=reason)  # noqa: SLF001
    stack.stack_status_reason = reason
    stack.status = status


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, ServiceException) else repr(error)
