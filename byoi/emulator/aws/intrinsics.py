"""Functions of a CloudFormation template: what a value refers to, and what it becomes.

Sources: CloudFormation Template Reference, "Intrinsic function reference" and "Condition
functions"; the wording of errors is that of CloudFormation's answers quoted in public issues.
"""

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from byoi.emulator.aws.errors import NotEmulatedError, TemplateError

# The value of AWS::NoValue: what holds it is left out.
NO_VALUE = object()
_VARIABLE = re.compile(r"\$\{([^!${}][^${}]*)\}")
_LITERAL = re.compile(r"\$\{!([^${}]*)\}")
_CONDITIONS = ("Fn::And", "Fn::Equals", "Fn::Not", "Fn::Or")
FUNCTIONS = frozenset(
    {"Ref", "Fn::Base64", "Fn::FindInMap", "Fn::GetAtt", "Fn::If", "Fn::ImportValue"}
    | {"Fn::Join", "Fn::Select", "Fn::Split", "Fn::Sub"}
)


class Scope(NamedTuple):
    """What the functions of one template look up.

    Attributes:
        ref: Returns the value of a parameter, a pseudo parameter or a resource.
        attribute: Returns an attribute of a resource, by its logical id and name.
        condition: Returns whether a condition holds.
        imported: Returns the value of another stack's export.
        mappings: The template's.
    """

    ref: Callable[[str], Any]
    attribute: Callable[[str, str], Any]
    condition: Callable[[str], bool]
    imported: Callable[[str], str]
    mappings: Mapping[str, Any]


class Reference(NamedTuple):
    """A reference in a template; `attribute` is "" for Ref."""

    name: str
    attribute: str


def function_of(value: Any) -> str | None:
    """Return the name of the function that a value is, None if it is none.

    Raises:
        NotEmulatedError: The function is not emulated.
        TemplateError: A function has another member beside it.
    """
    if not isinstance(value, Mapping):
        return None
    names = [name for name in value if name == "Ref" or str(name).startswith("Fn::")]
    if not names:
        return None
    name = names[0]
    if name not in FUNCTIONS and name not in _CONDITIONS:
        raise NotEmulatedError(f"{name} in a template")
    if len(value) > 1:
        raise TemplateError(f"Template error: every {name} object must have one member")
    return str(name)


def references(value: Any) -> Iterator[Reference]:  # noqa: C901 - one branch a form
    """Yield each reference in a value, in all branches of Fn::If."""
    name = function_of(value)
    if name == "Ref":
        if not isinstance(value["Ref"], str):
            raise TemplateError("Template format error: every Ref object must have a single String"
                                " value.")  # fmt: skip
        yield Reference(value["Ref"], "")
    elif name == "Fn::GetAtt":
        yield Reference(*_attribute(value[name]))
    elif name == "Fn::Sub":
        text, variables = _substitution(value[name])
        yield from references(variables)
        for variable in _VARIABLE.findall(text):
            if variable.strip() not in variables:
                yield Reference(*_dotted(variable.strip()))
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from references(one)
    elif isinstance(value, list):
        for one in value:
            yield from references(one)


def conditions_in(value: Any) -> Iterator[str]:
    """Yield the name of each condition that an Fn::If in a value names."""
    name = function_of(value)
    if name == "Fn::If":
        branches = value[name]
        if not isinstance(branches, list) or len(branches) != 3:
            raise TemplateError("Template error: Fn::If requires a list argument with three "
                                "members")  # fmt: skip
        yield str(branches[0])
    inner = value.values() if isinstance(value, Mapping) else value
    if isinstance(value, Mapping | list):
        for one in inner:
            yield from conditions_in(one)


def imports_of(value: Any, scope: Scope) -> Iterator[str]:
    """Yield the names of the exports that a value imports, in branches that apply."""
    name = function_of(value)
    if name == "Fn::ImportValue":
        yield str(resolve(value[name], scope))
    elif name == "Fn::If":
        yield from imports_of(_branch(value[name], scope), scope)
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from imports_of(one, scope)
    elif isinstance(value, list):
        for one in value:
            yield from imports_of(one, scope)


def resolve(value: Any, scope: Scope) -> Any:
    """Return a value with its functions evaluated; what is AWS::NoValue is left out.

    Raises:
        TemplateError: A function has arguments that it cannot take.
    """
    name = function_of(value)
    if name is not None:
        try:
            return _call(name, value[name], scope)
        except (ValueError, TypeError, AttributeError) as error:
            raise TemplateError(
                f"Template error: {name} received {_shown(value[name])}, which it cannot take"
            ) from error
    if isinstance(value, Mapping):
        found = {key: resolve(one, scope) for key, one in value.items()}
        return {key: one for key, one in found.items() if one is not NO_VALUE}
    if isinstance(value, list):
        return [one for one in (resolve(one, scope) for one in value) if one is not NO_VALUE]
    return value


def holds(condition: Any, scope: Scope) -> bool:
    """Return whether a condition holds.

    Raises:
        TemplateError: It is none.
    """
    if isinstance(condition, Mapping) and set(condition) == {"Condition"}:
        return scope.condition(condition["Condition"])
    name = function_of(condition)
    if name is None or name not in _CONDITIONS or not isinstance(condition[name], list):
        raise TemplateError(
            f"Template error: received {_shown(condition)} as a condition, expected one of "
            f"{', '.join(_CONDITIONS)}, or Condition"
        )
    given = condition[name]
    numbers = {"Fn::Equals": (2, 2), "Fn::Not": (1, 1)}.get(name, (2, 10))
    if not numbers[0] <= len(given) <= numbers[1]:
        raise TemplateError(
            f"Template error: every {name} object requires {numbers[0]} to {numbers[1]} arguments"
        )
    if name == "Fn::Equals":
        first, second = (resolve(one, scope) for one in given)
        return bool(as_text(first) == as_text(second))
    if name == "Fn::Not":
        return not holds(given[0], scope)
    return (all if name == "Fn::And" else any)(holds(one, scope) for one in given)


def as_text(value: Any) -> Any:
    """Return a scalar as CloudFormation writes it in a text; other values as they are."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    return value


def _call(name: str, given: Any, scope: Scope) -> Any:  # noqa: C901, PLR0911 - one branch a function
    if name == "Ref":
        return NO_VALUE if given == "AWS::NoValue" else scope.ref(given)
    if name == "Fn::GetAtt":
        return scope.attribute(*_attribute(given))
    if name == "Fn::If":
        return resolve(_branch(given, scope), scope)
    if name == "Fn::Sub":
        return _substitute(given, scope)
    if name == "Fn::ImportValue":
        return scope.imported(_text(resolve(given, scope)))
    if name == "Fn::Base64":
        return base64.b64encode(_text(resolve(given, scope)).encode()).decode()
    if name == "Fn::FindInMap":
        return _find(*resolve(given, scope), scope=scope)
    first, second = given
    if name == "Fn::Join":
        return str(first).join(_text(one) for one in _list(resolve(second, scope)))
    if name == "Fn::Split":
        return _text(resolve(second, scope)).split(str(first))
    if name == "Fn::Select":
        index, values = int(resolve(first, scope)), _list(resolve(second, scope))
        if not 0 <= index < len(values):
            raise TemplateError(
                "Template error: Fn::Select cannot select nonexistent value at index " + str(index)
            )
        return values[index]
    raise TemplateError(f"Template error: {name} is allowed in Conditions only")


def _branch(given: Any, scope: Scope) -> Any:
    condition, then, otherwise = given
    return then if scope.condition(condition) else otherwise


def _find(name: Any, *keys: Any, scope: Scope) -> Any:
    value: Any = scope.mappings.get(str(name))
    for key in keys:
        value = value.get(as_text(key)) if isinstance(value, Mapping) else None
    if value is None or len(keys) != 2:
        path = "::".join(str(one) for one in (name, *keys))
        raise TemplateError(f"Template error: Unable to get mapping for {path}")
    return value


def _substitute(given: Any, scope: Scope) -> str:
    text, variables = _substitution(given)

    def value(match: re.Match[str]) -> str:
        name = match[1].strip()
        if name in variables:
            return _text(resolve(variables[name], scope))
        logical_id, attribute = _dotted(name)
        found = scope.attribute(logical_id, attribute) if attribute else scope.ref(name)
        return _text(found)

    return _LITERAL.sub(r"${\1}", _VARIABLE.sub(value, text))


def _substitution(given: Any) -> tuple[str, Mapping[str, Any]]:
    text, variables = given if isinstance(given, list) and len(given) == 2 else (given, {})
    if not isinstance(text, str) or not isinstance(variables, Mapping):
        raise TemplateError(
            "Template error: One or more Fn::Sub intrinsic functions don't specify expected "
            "arguments. Specify a string as first argument, and an optional second argument to "
            "specify a mapping of values to replace in the string"
        )
    return text, variables


def _attribute(given: Any) -> tuple[str, str]:
    parts = given.split(".", 1) if isinstance(given, str) else given
    if (
        not isinstance(parts, list)
        or len(parts) != 2
        or not all(isinstance(one, str) for one in parts)
    ):
        raise TemplateError(
            "Template error: every Fn::GetAtt object requires two non-empty parameters, the "
            "resource name and the resource attribute"
        )
    return parts[0], parts[1]


def _dotted(name: str) -> tuple[str, str]:
    logical_id, _, attribute = name.partition(".")
    return logical_id, attribute


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(value)
    return value


def _text(value: Any) -> str:
    text = as_text(value)
    if not isinstance(text, str):
        raise TypeError(value)
    return text


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 100 else f"{text[:100]}..."
