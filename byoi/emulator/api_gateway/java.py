"""Values of a mapping template, with the operators and texts that Java gives them.

Python's own differ in most of these. What is the same in both, or is computed here as Java does
it, has a result; anything else is refused, so that no template gives a wrong answer.

Sources: Java's Double.toString and `equals`; Velocity 1.7's user guide and its
nodes for operators. A recipe of AWS uses `$foreach.hasNext`, which Velocity has since 1.7; where
later versions differ from 1.7, the value is refused.
"""

import json
import math
import operator
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from byoi.emulator.aws.errors import NotEmulatedError

# Within these bounds, Double.toString writes no exponent.
_PLAIN_FROM, _PLAIN_BELOW = 1e-3, 1e7
# Above it, a Long as a Double is another number.
_EXACT_IN_DOUBLE = 2**53
NUMBERS = (int, float)
_ORDER = {
    ">": operator.gt, "gt": operator.gt, ">=": operator.ge, "ge": operator.ge,
    "<": operator.lt, "lt": operator.lt, "<=": operator.le, "le": operator.le,
}  # fmt: skip
_EQUAL = {"==": True, "eq": True, "!=": False, "ne": False}
_ARITHMETIC = {"+": operator.add, "-": operator.sub, "*": operator.mul}


class Array(list[Any]):
    """A Java array, such as `split` returns: a list to read, of fixed size."""


class Collection(list[Any]):
    """A Java collection without positions, such as the keys of a map."""


class HashMap(dict[Any, Any]):
    """A map that a template writes as `{...}`; Velocity 1.7 does not keep its order."""


class Entry:
    """A key of a map with its value.

    Attributes:
        members: `key` and `value`.
    """

    def __init__(self, key: Any, value: Any) -> None:
        self.members = {"key": key, "value": value}


def to_text(value: Any, name: str) -> str:
    """Return the text of a value.

    Args:
        value: The value.
        name: How the template names it, for the message.

    Raises:
        NotEmulatedError: The value has no text that is certain.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return format_double(value)
    if isinstance(value, str | int):
        return str(value)
    if value is None:
        raise NotEmulatedError(f"{name} without a value; write $!{{...}} for nothing")
    raise NotEmulatedError(f"{name} of {describe(value)} as text; use $input.json")


def format_double(value: float) -> str:
    """Return the text of a number, as Java's Double.toString writes it: `0.53`, `1.0E-4`."""
    if value == 0 or _PLAIN_FROM <= abs(value) < _PLAIN_BELOW:
        return repr(value)
    shortest = Decimal(repr(value)).normalize()
    if len(shortest.as_tuple().digits) == 1:  # Java chooses the nearest one of two digits
        shortest = Decimal(f"{value:.1e}").normalize()
    sign, digits, exponent = shortest.as_tuple()
    if not isinstance(exponent, int):
        raise NotEmulatedError(f"the number {value}")
    first, rest = digits[0], "".join(map(str, digits[1:])) or "0"
    return f"{'-' if sign else ''}{first}.{rest}E{exponent + len(digits) - 1}"


def to_json(value: Any) -> str:
    """Return a value as JSON without white space, with numbers as Java writes them."""
    if isinstance(value, float):
        return format_double(value)
    if isinstance(value, list):
        return f"[{','.join(map(to_json, value))}]"
    if isinstance(value, dict):
        pairs = (f"{to_json(str(key))}:{to_json(one)}" for key, one in value.items())
        return f"{{{','.join(pairs)}}}"
    return json.dumps(value, ensure_ascii=False)


def parse_json(text: str) -> Any:
    """Return the values of a JSON document.

    Raises:
        ValueError: It is not JSON; NaN and Infinity, which Python reads, are not.
    """

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


def are_equal(left: Any, right: Any) -> bool:
    """Return what Java's `equals` returns: values of different types are not equal."""
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(are_equal, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(are_equal(left[k], right[k]) for k in left)
    return type(left) is type(right) and bool(left == right)


def is_true(value: Any) -> bool:
    """Return whether a condition holds; empty and zero differ between Velocity's versions."""
    if value is None or isinstance(value, bool):
        return bool(value)
    if isinstance(value, str | int | float | list | dict) and not value:
        raise NotEmulatedError(f"the condition {value!r} in a mapping template; compare it")
    return True


def operate(name: str, left: Any, right: Any) -> Any:
    """Apply an operator, other than those of truth, to two values."""
    left_is, right_is = _is_number(left), _is_number(right)
    if left_is and right_is:
        return _calculate(name, left, right)
    if name in _EQUAL:
        if left is None or right is None:
            return (left is right) is _EQUAL[name]
        plain = (str, bool, *NUMBERS)
        if isinstance(left, plain) and isinstance(right, plain):
            # Values of different classes are compared as texts.
            return (to_text(left, "") == to_text(right, "")) is _EQUAL[name]
    is_text = isinstance(left, str) or isinstance(right, str)
    if name == "+" and is_text and left is not None and right is not None:
        return to_text(left, "an operand of +") + to_text(right, "an operand of +")
    raise NotEmulatedError(f"{describe(left)} {name} {describe(right)} in a mapping template")


def _is_number(value: Any) -> bool:
    return isinstance(value, NUMBERS) and not isinstance(value, bool)


def _calculate(name: str, left: Any, right: Any) -> Any:
    if type(left) is not type(right):
        if max(abs(left), abs(right)) > _EXACT_IN_DOUBLE:
            raise NotEmulatedError(f"{describe(left)} {name} {describe(right)}, beyond 2^53")
        left, right = float(left), float(right)
    if name in _EQUAL:
        return (left == right) is _EQUAL[name]
    if name in _ORDER:
        return _ORDER[name](left, right)
    if name in {"/", "%"}:
        if right == 0:
            raise NotEmulatedError(f"{describe(left)} {name} zero in a mapping template")
        made = _divide(left, right) if name == "/" else _remainder(left, right)
    else:
        made = _ARITHMETIC[name](left, right)
    if isinstance(made, float) and not math.isfinite(made):
        raise NotEmulatedError(f"{describe(left)} {name} {describe(right)}, which overflows")
    return made


def _divide(left: Any, right: Any) -> Any:
    if isinstance(left, float):
        return left / right
    # Java rounds towards zero.
    whole = abs(left) // abs(right)
    return whole if (left < 0) == (right < 0) else -whole


def _remainder(left: Any, right: Any) -> Any:
    if isinstance(left, float):
        return math.fmod(left, right)
    rest = abs(left) % abs(right)
    return rest if left >= 0 else -rest


def describe(value: Any) -> str:
    """Return what a message says of a value."""
    names: Mapping[type, str] = {
        str: "a text", list: "a list", Array: "an array", Collection: "a collection",
        dict: "a map", HashMap: "a map", Entry: "an entry of a map", type(None): "null",
    }  # fmt: skip
    return names.get(type(value), f"the value {value!r}")
