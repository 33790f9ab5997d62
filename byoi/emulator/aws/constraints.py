"""Constraints that the API's own model puts on parameters, checked as AWS checks them.

botocore checks types, required members and lower limits before it sends a call. It leaves
patterns, upper limits and enumerations to AWS; moto does not check them.

Sources: the service models that botocore carries; the wording is that of AWS's answers quoted
in public issues (aws/amazon-sagemaker-examples 2228 for members of lists,
aws-samples/sagemaker-ml-workflow-with-apache-airflow 3 for several errors,
aws/sagemaker-sparkml-serving-container 12 for maps).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from moto.core.utils import get_service_model

# Java's expressions that Python writes differently.
_JAVA = {
    r"\p{ASCII}": r"[\x00-\x7f]",
    r"\p{Print}": r"\x20-\x7e",
    r"\p{L}": r"\w",
    r"\p{N}": r"\d",
    r"\p{Z}": r"\s",
    r"\z": r"\Z",
}

_NUMBERS = {"integer", "long", "float", "double"}
_CONTAINERS: dict[str, type[Any]] = {"structure": Mapping, "map": Mapping, "list": list}


def find(
    service: str, action: str, parameters: Mapping[str, Any], *, requires: bool = False
) -> str | None:
    """Return the message with which AWS refuses a call's parameters, None if it accepts them.

    Args:
        service: As boto3 names it.
        action: Such as `CreateModel`.
        parameters: Named as in the API reference, like CloudFormation's properties.
        requires: Whether members that are required must be there.
    """
    shape = get_service_model(service).operation_model(action).input_shape
    if shape is None:
        return None
    found = [*(_absent(shape, parameters, "") if requires else ()),
             *_violations(shape, parameters, "")]  # fmt: skip
    if not found:
        return None
    noun = "error" if len(found) == 1 else "errors"
    return f"{len(found)} validation {noun} detected: {'; '.join(found)}"


def typed(shape: Any, value: Any) -> Any:
    """Return a value with the types of a shape, without what the shape does not have.

    A template's numbers and booleans may be texts, and its texts numbers.
    """
    kind = shape.type_name
    if kind == "structure":
        return {
            name: typed(member, value[name])
            for name, member in shape.members.items()
            if value.get(name) is not None
        }
    if kind == "list":
        return [typed(shape.member, one) for one in value]
    if kind == "map":
        return {name: typed(shape.value, one) for name, one in value.items()}
    if kind == "boolean":
        return str(value).lower() == "true"
    return _PYTHON.get(kind, lambda same: same)(value)


_PYTHON: dict[str, Callable[[Any], Any]] = {
    "integer": int,
    "long": int,
    "float": float,
    "double": float,
    "string": str,
}


def to_python(pattern: str) -> str:
    """Return a model's pattern, which is Java's, as Python writes it."""
    for java, python in _JAVA.items():
        pattern = pattern.replace(java, python)
    return pattern


def _absent(shape: Any, value: Any, path: str) -> Iterator[str]:
    """Yield the required members that are not there, in AWS's words."""
    if shape.type_name == "structure" and isinstance(value, Mapping):
        for name, member in shape.members.items():
            inner = f"{name[0].lower()}{name[1:]}"
            where = f"{path}.{inner}" if path else inner
            if value.get(name) is not None:
                yield from _absent(member, value[name], where)
            elif name in shape.required_members and "location" not in member.serialization:
                yield (
                    f"Value null at '{where}' failed to satisfy constraint: Member must not be null"
                )
    elif shape.type_name == "list" and isinstance(value, list):
        for number, one in enumerate(value, 1):
            yield from _absent(shape.member, one, f"{path}.{number}.member")


def _violations(shape: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, _CONTAINERS.get(shape.type_name, object)):
        return  # of another type, which botocore does not send
    for rule in _broken(shape, value):
        # AWS does not repeat values that its model marks as sensitive.
        shown = "" if shape.metadata.get("sensitive") else f" '{_text(value)}'"
        yield f"Value{shown} at '{path}' failed to satisfy constraint: {rule}"
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            if value.get(name) is not None:
                inner = f"{name[0].lower()}{name[1:]}"
                yield from _violations(member, value[name], f"{path}.{inner}" if path else inner)
    elif shape.type_name == "list" and shape.member.type_name == "structure":
        for number, one in enumerate(value, 1):
            yield from _violations(shape.member, one, f"{path}.{number}.member")


class _Rule(NamedTuple):
    """A constraint on a value, in AWS's words."""

    text: str
    holds: Callable[[Any], bool]


def _broken(shape: Any, value: Any) -> Iterator[str]:
    """Yield the constraints that a value or its simple elements break."""
    yield from (rule.text for rule in _rules(shape) if not rule.holds(value))
    if shape.type_name == "list":
        yield from _of_all("Member", shape.member, value)
    elif shape.type_name == "map":
        yield from _of_all("Map keys", shape.key, value.keys())
        yield from _of_all("Map value", shape.value, value.values())


def _of_all(noun: str, shape: Any, values: Iterable[Any]) -> Iterator[str]:
    rules = _rules(shape)
    if not all(rule.holds(value) for value in values for rule in rules):
        yield f"{noun} must satisfy constraint: [{', '.join(rule.text for rule in rules)}]"


def _rules(shape: Any) -> list[_Rule]:
    """Return the constraints on a value itself, upper limits first, as AWS lists them."""
    limits = shape.metadata
    is_number = shape.type_name in _NUMBERS
    noun = "value" if is_number else "length"
    is_text = shape.type_name == "string"
    size: Callable[[Any], float] = float if is_number else _characters if is_text else len
    rules = []
    if (most := limits.get("max")) is not None:
        text = f"Member must have {noun} less than or equal to {most}"
        rules.append(_Rule(text, lambda value: size(value) <= most))
    if (least := limits.get("min")) is not None:
        text = f"Member must have {noun} greater than or equal to {least}"
        rules.append(_Rule(text, lambda value: size(value) >= least))
    if names := limits.get("enum"):
        text = f"Member must satisfy enum value set: [{', '.join(names)}]"
        rules.append(_Rule(text, lambda value: str(value) in names))
    if pattern := limits.get("pattern"):
        text = f"Member must satisfy regular expression pattern: {pattern}"
        rules.append(
            _Rule(text, lambda value: re.fullmatch(to_python(pattern), str(value)) is not None)
        )
    return rules


def _characters(value: Any) -> int:
    """Return the length of a text, which may be a number in a template."""
    return len(str(value))


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}={_text(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_text, value)) + "]"
    return str(value)
