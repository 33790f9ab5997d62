"""Stacks: created, updated and deleted in the background, and rolled back after a failure.

An endpoint may take longer than boto3 waits for an answer, so a call is answered after a while,
as AWS answers immediately, and the work continues.

What is to be refused is found before the first resource is made. A resource that fails later
makes the stack roll back: an update makes and changes first, and deletes last.

Sources: CloudFormation User Guide, "Stack failure options" and "Update behaviors of stack
resources"; API DescribeStacks (StackStatus); the wording of reasons is that of events quoted in
public issues (aws/aws-cdk 8671, linz/geostore 630, rlister/stax 40).
"""

import functools
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from moto.core.exceptions import ServiceException

from byoi.emulator.aws import account, intrinsics
from byoi.emulator.aws.errors import ResourceFailedError, TemplateError
from byoi.emulator.aws.intrinsics import Scope
from byoi.emulator.aws.resource_types import Made, Place, ResourceType, tags_of
from byoi.emulator.aws.stack_records import STACK_TYPE, Asked, Resource, Stack, now
from byoi.emulator.aws.template import Template

# boto3's waiter asks every 30 s, so most stacks are done when it first asks; boto3 waits 60 s for
# an answer.
ANSWER_S = 20.0
_UPDATABLE = frozenset(
    {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE"}
)


class Stacks:
    """The stacks of all regions, and the work on them, one task of a stack after the other."""

    def __init__(
        self,
        types: Callable[[], Iterable[ResourceType]],
        *,
        answer_s: float = ANSWER_S,
        log: Callable[[str], None],
    ) -> None:
        """Start without work.

        Args:
            types: Returns the types of resources that a stack can have, beside stacks; called
                when the first stack is asked for.
            answer_s: Seconds until a call is answered while its work continues.
            log: Takes a line about an error that is not a service's.
        """
        self._find_types = types
        self._answer_s = answer_s
        self._log = log
        self._threads: dict[str, threading.Thread] = {}

    @functools.cached_property
    def types(self) -> dict[str, ResourceType]:
        """The types of resources that a stack can have, by name."""
        nested = ResourceType(STACK_TYPE, self._make_nested, "Parameters Tags TemplateURL")
        return {one.name: one for one in (*self._find_types(), nested)}

    def of(self, region: str) -> dict[str, Any]:
        """Return the stacks of a region that are not deleted, by id."""
        # moto's own, so that its Resource Groups Tagging API finds them.
        return self._backend(region).stacks  # type: ignore[no-any-return]

    def deleted(self, region: str) -> dict[str, Any]:
        """Return the deleted stacks of a region, by id."""
        return self._backend(region).deleted_stacks  # type: ignore[no-any-return]

    def find(self, region: str, name: str, *, or_deleted: bool = True) -> Stack:
        """Return a stack by name or id; a deleted one by id only.

        Raises:
            TemplateError: There is no such stack.
        """
        for stack in self.of(region).values():
            if name in {stack.name, stack.stack_id}:
                return stack  # type: ignore[no-any-return] # moto's dictionary
        if or_deleted and name in self.deleted(region):
            return self.deleted(region)[name]  # type: ignore[no-any-return]
        raise TemplateError(f"Stack with id {name} does not exist")

    def wait(self) -> None:
        """Wait for all work to end."""
        for thread in list(self._threads.values()):
            thread.join()

    def ask(
        self,
        body: str,
        given: Mapping[str, str],
        *,
        tags: Mapping[str, str],
        capabilities: Iterable[str],
    ) -> Asked:
        """Return what a caller asks of a stack, checked.

        Raises:
            TemplateError: CloudFormation would refuse it.
            NotEmulatedError: It asks for something that is not emulated.
        """
        template = Template(body, self.types)
        values = template.values(given)
        acknowledged = tuple(capabilities)
        template.require_capabilities(acknowledged)
        return Asked(template, dict(given), values, dict(tags), acknowledged)

    def create(self, stack: Stack, asked: Asked) -> None:
        """Start to create a stack's resources.

        Args:
            stack: A stack without resources.
            asked: What it is to become.
        """
        stack.asked, stack.tags = asked, dict(asked.tags)
        stack.description = asked.template.description
        self.of(stack.region)[stack.stack_id] = stack
        stack.enter("CREATE_IN_PROGRESS", "User Initiated")
        self._run(stack, functools.partial(self._create, stack, asked))

    def update(self, stack: Stack, asked: Asked) -> None:
        """Start to update a stack."""
        stack.updated = now()
        stack.enter("UPDATE_IN_PROGRESS", "User Initiated")
        self._run(stack, functools.partial(self._update, stack, asked))

    def delete(self, region: str, name: str) -> None:
        """Start to delete a stack; do nothing if there is none.

        Raises:
            TemplateError: It is protected, or another stack imports what it exports.
        """
        try:
            stack = self.find(region, name, or_deleted=False)
        except TemplateError:
            return
        if stack.status == "DELETE_IN_PROGRESS":
            return
        if stack.is_protected:
            raise TemplateError(
                f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled"
            )
        self._require_unused(stack, {})
        stack.enter("DELETE_IN_PROGRESS", "User Initiated")
        self._run(stack, functools.partial(self._delete, stack))

    def require_updatable(self, stack: Stack) -> None:
        """Check that a stack can be updated.

        Raises:
            TemplateError: It cannot, as while work on it is in progress.
        """
        if stack.status not in _UPDATABLE:
            raise TemplateError(
                f"Stack:{stack.stack_id} is in {stack.status} state and can not be updated."
            )

    def export(self, region: str, name: str) -> tuple[Stack, str] | None:
        """Return the stack that exports a name, and the value; None if none does."""
        for stack in list(self.of(region).values()):
            if name in stack.exports:
                return stack, stack.exports[name]
        return None

    def importers(self, region: str, name: str) -> list[str]:
        """Return the names of the stacks that import a name."""
        return [one.name for one in list(self.of(region).values()) if name in one.imports]

    def imported(self, region: str, name: str) -> str:
        """Return the value of an export.

        Raises:
            TemplateError: No stack exports the name.
        """
        found = self.export(region, name)
        if found is None:
            raise TemplateError(f"No export named {name} found.")
        return found[1]

    @staticmethod
    def _backend(region: str) -> Any:
        # Imported late, because it takes the longest to import.
        from moto.cloudformation.models import cloudformation_backends  # noqa: PLC0415

        return cloudformation_backends[account.NUMBER][region]

    def properties(self, asked: Asked, name: str, scope: Scope) -> dict[str, Any]:
        """Return a resource's properties, functions evaluated, with the tags of its stack."""
        declaration = asked.template.resources[name]
        found = dict(intrinsics.resolve(declaration.get("Properties") or {}, scope))
        if asked.tags and self.types[declaration["Type"]].has_tags:
            own = found.get("Tags") or []
            names = {one.get("Key") for one in own if isinstance(one, Mapping)}
            found["Tags"] = [
                *({"Key": key, "Value": asked.tags[key]} for key in asked.tags if key not in names),
                *own,
            ]
        return found

    def _create(self, stack: Stack, asked: Asked) -> None:
        name = ""
        try:
            scope = stack.scope(asked, functools.partial(self.imported, stack.region))
            self._note_imports(stack, asked, scope)
            for name in asked.template.order:
                declaration = asked.template.resources[name]
                if "Condition" in declaration and not scope.condition(declaration["Condition"]):
                    continue
                properties = self.properties(asked, name, scope)
                self._make(stack, asked, name, properties)
            name = ""
            self._set_outputs(stack, asked, scope)
        except Exception as error:  # noqa: BLE001 - the stack shows any cause
            self._after_failed_creation(stack, self._failure(stack, name, "CREATE", error))
        else:
            stack.enter("CREATE_COMPLETE")

    def _after_failed_creation(self, stack: Stack, reason: str) -> None:
        if stack.on_failure == "DO_NOTHING":
            stack.enter("CREATE_FAILED", reason)
            return
        if stack.on_failure == "DELETE":
            stack.enter("DELETE_IN_PROGRESS", reason)
            self._delete(stack)
            return
        stack.enter("ROLLBACK_IN_PROGRESS", reason)
        try:
            self._delete_resources(stack, list(stack.resources.values()))
        except ServiceException as error:
            stack.enter("ROLLBACK_FAILED", self._reason(error))
            return
        stack.imports = set()
        stack.enter("ROLLBACK_COMPLETE", reason)

    def _update(self, stack: Stack, asked: Asked) -> None:
        before = dict(stack.resources)
        undo: list[Callable[[], object]] = []
        imports = set(stack.imports)
        name = ""
        try:
            scope = stack.scope(asked, functools.partial(self.imported, stack.region))
            self._note_imports(stack, asked, scope)
            present = []
            for name in asked.template.order:
                declaration = asked.template.resources[name]
                if "Condition" in declaration and not scope.condition(declaration["Condition"]):
                    stack.resources.pop(name, None)
                    continue
                present.append(name)
                properties = self.properties(asked, name, scope)
                self._apply(stack, asked, name, properties, undo)
            name = ""
            for gone in before.keys() - set(present):
                stack.resources.pop(gone, None)
            self._set_outputs(stack, asked, scope)
        except Exception as error:  # noqa: BLE001 - as above
            reason = self._failure(stack, name, "UPDATE", error)
            stack.enter("UPDATE_ROLLBACK_IN_PROGRESS", reason)
            stack.imports = imports
            self._undo(stack, undo, before, reason)
            return
        old = stack.asked
        stack.asked, stack.tags = asked, dict(asked.tags)
        stack.description = asked.template.description
        left = [one for key, one in before.items() if stack.resources.get(key) is not one]
        if left:
            stack.enter("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        self._clean_up(stack, asked, old, left)
        stack.enter("UPDATE_COMPLETE")

    def _apply(
        self, stack: Stack, asked: Asked, name: str, properties: dict[str, Any],
        undo: list[Callable[[], object]],
    ) -> None:  # fmt: skip
        """Make, change or replace one resource; append how that is undone."""
        record = stack.resources.get(name)
        type_ = self.types[asked.template.resources[name]["Type"]]
        if record is not None and record.type is type_:
            record.keeps = asked.template.keeps(name)
            if properties == record.properties:
                return
            type_.check(name, properties)
            if not type_.needs_replacement(record.properties, properties):
                self._change(stack, record, properties, undo)
                return
        if record is not None:
            self._replace(stack, asked, name, properties, undo)
            return
        made = self._make(stack, asked, name, properties)
        undo.append(functools.partial(self._delete_resources, stack, [made]))

    def _replace(
        self, stack: Stack, asked: Asked, name: str, properties: dict[str, Any],
        undo: list[Callable[[], object]],
    ) -> None:  # fmt: skip
        record = stack.resources[name]
        type_ = self.types[asked.template.resources[name]["Type"]]
        key = type_.name_property
        named = key and key in properties and properties[key] == record.properties.get(key)
        if named and record.type is type_:
            raise ResourceFailedError(
                "CloudFormation cannot update a stack when a custom-named resource requires "
                f"replacing. Rename {properties[key]} and update the stack again."
            )
        made = self._make(stack, asked, name, properties)
        undo.append(functools.partial(self._delete_resources, stack, [made]))

    def _change(
        self, stack: Stack, record: Resource, properties: dict[str, Any],
        undo: list[Callable[[], object]],
    ) -> None:  # fmt: skip
        type_, id_ = record.type.name, record.made.id
        if record.made.change is None:
            raise ResourceFailedError(
                f"The emulator cannot change {', '.join(_changed(record.properties, properties))} "
                f"of {type_} in place; give the resource another logical id"
            )
        before = record.properties
        change = record.made.change

        def restore() -> None:
            change(dict(before))
            record.properties = before

        undo.append(restore)
        stack.add_event(record.logical_id, id_, type_, "UPDATE_IN_PROGRESS")
        change(dict(properties))
        record.properties, record.status = properties, "UPDATE_COMPLETE"
        stack.add_event(record.logical_id, id_, type_, "UPDATE_COMPLETE")

    def _undo(
        self, stack: Stack, undo: list[Callable[[], object]], before: dict[str, Resource],
        reason: str,
    ) -> None:  # fmt: skip
        try:
            for step in reversed(undo):
                step()
        except Exception as error:  # noqa: BLE001 - as above
            stack.resources = {**stack.resources, **before}
            stack.enter("UPDATE_ROLLBACK_FAILED", self._reason(error))
            return
        stack.resources = before
        stack.enter("UPDATE_ROLLBACK_COMPLETE", reason)

    def _clean_up(
        self, stack: Stack, asked: Asked, old: Asked | None, left: list[Resource]
    ) -> None:
        """Delete what an update left behind, the dependent ones first."""
        order = old.template.order if old else []
        left.sort(key=lambda one: order.index(one.logical_id), reverse=True)
        for one in left:
            in_both = one.logical_id in asked.template.resources
            keeps = (
                asked.template.keeps(one.logical_id, "UpdateReplacePolicy")
                if in_both and one.logical_id in stack.resources
                else one.keeps
            )
            if keeps:
                self._skip(stack, one)
                continue
            try:
                self._delete_one(stack, one)
            except ServiceException as error:
                # The update stands; the event says what is left, as on AWS.
                self._log(f"stack {stack.name}: {one.logical_id} is left: {self._reason(error)}")

    def _delete(self, stack: Stack) -> None:
        try:
            self._delete_resources(stack, list(stack.resources.values()))
        except ServiceException as error:
            stack.enter("DELETE_FAILED", self._reason(error))
            return
        stack.deleted = now()
        stack.exports, stack.imports, stack.change_sets = {}, set(), {}
        self.deleted(stack.region)[stack.stack_id] = stack
        stack.enter("DELETE_COMPLETE")
        self.of(stack.region).pop(stack.stack_id, None)

    def _delete_resources(self, stack: Stack, resources: list[Resource]) -> None:
        """Delete resources of a stack, the dependent ones first.

        Raises:
            ResourceFailedError: Some could not be deleted.
        """
        failed = []
        made = list(stack.resources.values())
        for one in sorted(resources, key=made.index, reverse=True):
            if one.keeps and stack.status == "DELETE_IN_PROGRESS":
                self._skip(stack, one)
                del stack.resources[one.logical_id]
                continue
            try:
                self._delete_one(stack, one)
            except ServiceException:
                failed.append(one.logical_id)
            else:
                stack.resources.pop(one.logical_id, None)
        if failed:
            raise ResourceFailedError(
                f"The following resource(s) failed to delete: [{', '.join(failed)}]."
            )

    def _delete_one(self, stack: Stack, one: Resource) -> None:
        event = functools.partial(stack.add_event, one.logical_id, one.made.id, one.type.name)
        event("DELETE_IN_PROGRESS")
        try:
            one.made.delete()
        except Exception as error:
            reason = self._reason(error)
            one.status = "DELETE_FAILED"
            event("DELETE_FAILED", reason)
            raise ResourceFailedError(reason) from error
        event("DELETE_COMPLETE")

    def _skip(self, stack: Stack, one: Resource) -> None:
        stack.add_event(one.logical_id, one.made.id, one.type.name, "DELETE_SKIPPED")

    def _make(
        self, stack: Stack, asked: Asked, logical_id: str, properties: dict[str, Any]
    ) -> Resource:
        """Make a resource; it takes the place of an earlier one of the same logical id."""
        type_ = self.types[asked.template.resources[logical_id]["Type"]]
        type_.check(logical_id, properties)
        name = type_.physical_name(stack.name, logical_id, properties)
        place = Place(stack.region, name, asked.capabilities)
        stack.add_event(logical_id, "", type_.name, "CREATE_IN_PROGRESS")
        made = type_.make(place, dict(properties))
        keeps = asked.template.keeps(logical_id)
        record = Resource(logical_id, type_, properties, made, "CREATE_COMPLETE", keeps)
        # At the end, because what is deleted is taken from there.
        stack.resources.pop(logical_id, None)
        stack.resources[logical_id] = record
        stack.add_event(logical_id, made.id, type_.name, "CREATE_COMPLETE")
        return record

    def _make_nested(self, place: Place, properties: dict[str, Any]) -> Made:
        """Make a stack inside another, and wait for it."""
        child = Stack(place.name, place.region)

        def ask(wanted: Mapping[str, Any]) -> Asked:
            given = {
                name: ",".join(one) if isinstance(one, list) else str(intrinsics.as_text(one))
                for name, one in (wanted.get("Parameters") or {}).items()
            }
            body = read_url(str(wanted["TemplateURL"]))
            return self.ask(body, given, tags=tags_of(wanted), capabilities=place.capabilities)

        def require(status: str) -> None:
            if child.status != status:
                raise ResourceFailedError(
                    f"Embedded stack {child.stack_id} was not successfully "
                    f"{status.split('_', maxsplit=1)[0].lower()}d: {child.reason}"
                )

        attributes: dict[str, str] = {}

        def show() -> None:
            attributes.clear()
            attributes.update({f"Outputs.{name}": one for name, one in child.outputs.items()})

        def change(wanted: dict[str, Any]) -> None:
            self.update(child, ask(wanted))
            require("UPDATE_COMPLETE")
            show()

        def delete() -> None:
            self.delete(place.region, child.stack_id)
            require("DELETE_COMPLETE")

        self.create(child, ask(properties))
        if child.status != "CREATE_COMPLETE":
            reason = child.reason
            self.delete(place.region, child.stack_id)
            raise ResourceFailedError(
                f"Embedded stack {child.stack_id} was not successfully created: {reason}"
            )
        show()
        return Made(child.stack_id, delete, change, attributes)

    def _note_imports(self, stack: Stack, asked: Asked, scope: Scope) -> None:
        template = asked.template
        wanted = [
            one
            for declarations in (template.resources, template.outputs)
            for one in declarations.values()
            if "Condition" not in one or scope.condition(one["Condition"])
        ]
        # Only the name of an export is looked up here, and no resource can be part of it.
        stack.imports = {
            name for one in wanted for name in intrinsics.imports_of(
                {key: one[key] for key in ("Properties", "Value") if key in one}, scope)
        }  # fmt: skip
        for name in stack.imports:
            self.imported(stack.region, name)

    def _set_outputs(self, stack: Stack, asked: Asked, scope: Scope) -> None:
        outputs, exports, names = {}, {}, {}
        for name, one in asked.template.outputs.items():
            if "Condition" in one and not scope.condition(one["Condition"]):
                continue
            value = intrinsics.as_text(intrinsics.resolve(one["Value"], scope))
            if not isinstance(value, str):
                raise TemplateError(
                    "Template format error: The Value field of every Outputs member must evaluate "
                    f"to a String; that of {name} does not."
                )
            outputs[name] = value
            if "Export" in one:
                export = str(intrinsics.resolve(one["Export"]["Name"], scope))
                found = self.export(stack.region, export)
                if export in exports or (found is not None and found[0] is not stack):
                    other = found[0].name if found else stack.name
                    raise TemplateError(
                        f"Export with name {export} is already exported by stack {other}."
                    )
                exports[export], names[name] = value, export
        self._require_unused(stack, exports)
        stack.outputs, stack.exports, stack.export_names = outputs, exports, names

    def _require_unused(self, stack: Stack, exports: Mapping[str, str]) -> None:
        """Check that no export that another stack imports is deleted or changed."""
        for name, value in stack.exports.items():
            users = [one for one in self.importers(stack.region, name) if one != stack.name]
            if users and exports.get(name) != value:
                verb = "updated" if name in exports else "deleted"
                raise TemplateError(
                    f"Export {name} cannot be {verb} as it is in use by {' and '.join(users)}"
                )

    def _failure(self, stack: Stack, name: str, verb: str, error: Exception) -> str:
        """Return the reason of a stack for a failure, after an event about the resource."""
        reason = self._reason(error)
        if not name:
            return f"{reason} Rollback requested by user."
        record = stack.resources.get(name)
        id_ = record.made.id if record and verb == "UPDATE" else ""
        type_ = stack.resources[name].type.name if record else ""
        stack.add_event(name, id_, type_ or STACK_TYPE, f"{verb}_FAILED", reason)
        return f"The following resource(s) failed to {verb.lower()}: [{name}]. {reason}"

    def _reason(self, error: Exception) -> str:
        if isinstance(error, ServiceException):
            return str(error.message)
        message = getattr(error, "description", None) or getattr(error, "message", None)
        if isinstance(message, str) and hasattr(error, "code"):
            return message  # of one of moto's errors
        self._log(f"internal error of the emulated CloudFormation: {error!r}")
        return "Internal Failure"

    def _is_working(self) -> bool:
        return threading.current_thread() in self._threads.values()

    def _run(self, stack: Stack, work: Callable[[], None]) -> None:
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


def read_url(url: str) -> str:
    """Return the template behind a URL of S3.

    Raises:
        TemplateError: There is none.
    """
    parts = urlsplit(url)
    host, path = parts.hostname or "", unquote(parts.path).lstrip("/")
    if parts.scheme == "s3" or not host:
        raise TemplateError("TemplateURL must be a supported URL.")
    # https://s3.REGION.amazonaws.com/BUCKET/KEY, of this emulator likewise, or
    # https://BUCKET.s3.REGION.amazonaws.com/KEY
    match = re.match(r"(.+)\.s3[.-]", host)
    bucket, key = (match[1], path) if match else (path.partition("/")[0], path.partition("/")[2])
    found = account.read_object(bucket, key)
    if found is None:
        raise TemplateError(f"S3 error: Access Denied: there is no object {key} in {bucket}")
    return found.decode("utf-8", "replace")


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
