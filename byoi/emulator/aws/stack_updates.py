"""The update of a stack's resources: what leaves goes last, and what fails is undone.

moto deletes first, tries a change that failed four times, and goes back in nothing.

Source: moto 5.2.5, cloudformation/parsing.py.
"""

from collections.abc import Iterator
from typing import Any

from byoi.emulator.aws.errors import RefusedError, ResourceFailedError


def replacements() -> Iterator[tuple[Any, str, Any]]:
    """Yield object, name and new value of what is replaced in moto's CloudFormation."""
    from moto.cloudformation import parsing  # noqa: PLC0415

    yield parsing, "parse_and_update_resource", _giving_up(parsing.parse_and_update_resource)


def require_idle(stack: Any) -> None:
    """Check that a stack can be updated.

    Raises:
        ServiceException: Something goes on with it.
    """
    from moto.cloudformation.exceptions import ValidationError  # noqa: PLC0415

    if stack.status.endswith("_IN_PROGRESS"):
        raise ValidationError(
            message=f"Stack:{stack.stack_id} is in {stack.status} state and can not be updated."
        )


def update(resource_map: Any, template: dict[str, Any], parameters: dict[str, Any]) -> None:
    """Let a stack's resources become what a template says; undo it where that fails.

    What the template has no more goes last, as on AWS: moto deletes it first, and could only
    make another one in its place.

    Args:
        resource_map: moto's.
        template: The new one.
        parameters: The new ones.

    Raises:
        ServiceException: A resource could not be made or changed; call `go_back`.
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


def go_back(resource_map: Any, template: dict[str, Any], parameters: dict[str, Any]) -> None:
    """Let a stack's resources be again what they were before an update that failed.

    Args:
        resource_map: moto's, as `update` left it.
        template: Of before.
        parameters: Of before.
    """
    made = resource_map._parsed_resources  # noqa: SLF001
    wanted = resource_map._resource_json_map  # noqa: SLF001
    # moto warns of those it has to remove and never made.
    kept = {name: wanted[name] for name in wanted if name in made}
    resource_map._resource_json_map = kept  # noqa: SLF001
    resource_map.is_going_back = True
    try:
        resource_map.update(template, parameters)
        for name in kept.keys() - template["Resources"].keys():
            made.pop(name)
    finally:
        resource_map.failed, resource_map.is_going_back = {}, False


def _giving_up(update: Any) -> Any:
    """Wrap moto's update of a resource, which is called up to four times where it fails."""

    def updated(name: str, definition: Any, resource_map: Any, **where: Any) -> Any:
        failed = vars(resource_map).setdefault("failed", {})
        if name in failed:
            if vars(resource_map).get("is_going_back"):
                return resource_map[name]  # it is what it was
            raise failed[name]
        try:
            return update(name, definition, resource_map, **where)
        except (ResourceFailedError, RefusedError) as error:
            failed[name] = error
            raise

    return updated
