"""Velocity's values: what may be looked up on them, compared, and written, as Java would.

Java and Python differ in methods, truth, comparison and text of values. What is the same in
both, or is done here as Java does it, passes; everything else is refused.

Sources: Velocity 1.7's user guide; Java's String, List and Map.
"""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from byoi.emulator.aws.errors import NotEmulatedError

# In a regular expression these mean more than themselves.
_SPECIAL = re.compile(r"[\\.^$|?*+()\[\]{}]")
_ORDER = {
    ">": operator.gt, "gt": operator.gt, ">=": operator.ge, "ge": operator.ge,
    "<": operator.lt, "lt": operator.lt, "<=": operator.le, "le": operator.le,
}  # fmt: skip
_EQUAL = {"==": True, "eq": True, "!=": False, "ne": False}
_COUNT = {"+": operator.add, "-": operator.sub, "*": operator.mul}


class Variable:
    """One of the gateway's own variables, such as `$input`; its members are named in `members`."""

    name: str
    members: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        """Return a member, for `#set` below it."""
        if name not in self.members:
            raise NotEmulatedError(f"${self.name}.{name} in a mapping template")
        return self.members[name]


def _replace_all(text: str, pattern: str, replacement: str) -> str:
    if pattern == r"\\'":
        pattern = r"\'"
    elif _SPECIAL.search(pattern):
        raise NotEmulatedError(f"replaceAll with the regular expression {pattern!r}")
    if set(replacement) & set("$\\"):
        raise NotEmulatedError(f"replaceAll with the replacement {replacement!r}")
    return text.replace(pattern, replacement)


def _add(values: list[Any], value: Any) -> bool:
    values.append(value)
    return True


def _put(values: dict[str, Any], key: str, value: Any) -> Any:
    before = values.get(key)
    values[key] = value
    return before


def at(values: Any, index: Any) -> Any:
    """Return one element of a list or map."""
    if isinstance(values, dict):
        return values.get(index)
    if isinstance(values, list) and isinstance(index, int) and 0 <= index < len(values):
        return values[index]
    raise NotEmulatedError(f"index {index!r} of {_kind(values)} in a mapping template")


_METHODS: dict[type, dict[str, Callable[..., Any]]] = {
    str: {
        "length": len,
        "isEmpty": lambda text: text == "",
        "contains": lambda text, part: part in text,
        "startsWith": lambda text, part: text.startswith(part),
        "endsWith": lambda text, part: text.endswith(part),
        "equals": lambda text, other: text == other,
        "toString": str,
        "replaceAll": _replace_all,
    },
    list: {
        "size": len,
        "isEmpty": lambda values: not values,
        "contains": lambda values, value: value in values,
        "get": at,
        "add": _add,
    },
    dict: {
        "size": len,
        "isEmpty": lambda values: not values,
        "containsKey": lambda values, key: key in values,
        "get": dict.get,
        "keySet": list,
        "put": _put,
    },
}


def look_up(current: Any, name: str, arguments: Sequence[Any] | None) -> Any:
    """Return a property, or with arguments what a method returns; None where there is none."""
    if hasattr(current, "find_outermost"):  # airspeed's namespace: a variable's name
        try:
            found = current[name]
        except KeyError:
            found = None
    elif current is None:
        return None
    elif isinstance(current, Variable):
        found = current[name]
    elif arguments is None and isinstance(current, dict):
        return current.get(name)
    else:
        found = _METHODS.get(type(current), {}).get(name)
        if found is None or arguments is None:
            raise NotEmulatedError(f".{name} of {_kind(current)} in a mapping template")
        return found(current, *arguments)
    return found if arguments is None else found(*arguments)


def items(values: Any) -> Sequence[Any]:
    """Return what `#foreach` goes through."""
    if values is None:
        return []
    if not isinstance(values, list):
        raise NotEmulatedError(f"#foreach through {_kind(values)}; use .keySet() of a map")
    return values


def is_true(value: Any) -> bool:
    """Whether a condition holds; Velocity's versions disagree on what is empty or zero."""
    if value is None or isinstance(value, bool):
        return bool(value)
    if not value and not isinstance(value, Variable):
        raise NotEmulatedError(f"the condition {value!r} in a mapping template; compare it")
    return True


def operate(name: str, left: Any, right: Any) -> Any:
    """Return what an operator makes of two values."""
    if name in {"&&", "and"}:
        return is_true(left) and is_true(right)
    if name in {"||", "or"}:
        return is_true(left) or is_true(right)
    if type(left) is type(right):
        if name in _EQUAL and isinstance(left, str | int | float):
            return (left == right) is _EQUAL[name]
        if name in _ORDER and type(left) in {int, float}:
            return _ORDER[name](left, right)
        if (name in _COUNT and type(left) is int) or (name == "+" and isinstance(left, str)):
            return _COUNT[name](left, right)
    raise NotEmulatedError(f"{_kind(left)} {name} {_kind(right)} in a mapping template")


def write(value: Any, reference: str) -> str:
    """Return a value as a template's text shows it.

    Args:
        value: The value.
        reference: The reference, for the message.
    """
    if isinstance(value, bool):
        return str(value).lower()
    # Beyond, Java writes an exponent, and otherwise than Python.
    is_plain = isinstance(value, float) and (value == 0 or 1e-3 <= abs(value) < 1e7)
    if isinstance(value, str | int) or is_plain:
        return str(value)
    if value is None:
        raise NotEmulatedError(f"{reference} without a value; write $!{{...}} for nothing")
    raise NotEmulatedError(f"{reference} of {_kind(value)} as text; use $input.json")


def _kind(value: Any) -> str:
    names = {str: "a text", list: "a list", dict: "a map", type(None): "null"}
    return names.get(type(value), f"the value {value!r}")
