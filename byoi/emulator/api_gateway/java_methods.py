"""The methods that a mapping template may call, as Java's String, List and Map have them.

A method is here if its result is the same as Java's. A regular expression passes if it means the
same in Java and in Python: characters, escaped signs, classes of characters such as [a-z],
their repetition, and alternatives. Groups, anchors and the dot are refused.

Sources: Java's String, Pattern, List and Map; Velocity 1.7, which gives arrays the methods of
lists and loops through the values of a map.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from byoi.emulator.api_gateway.java import (
    NUMBERS,
    Array,
    Collection,
    Entry,
    HashMap,
    are_equal,
    describe,
    to_text,
)
from byoi.emulator.aws.errors import NotEmulatedError

# String.trim removes these characters.
_TRIMMED = "".join(map(chr, range(33)))
# One atom of a regular expression that means the same in Java and in Python, and its repetition:
# a character, an escaped sign, a class of characters.
_CLASS = r"\[\^?(?:[^\\\[\]&^-]|\\[^\w\s]|\\[sdwtnr]|\w-\w)+\]"
_ATOM = re.compile(rf"(?:[^\\.^$|?*+()\[\]{{}}]|\\[^\w\s]|\\[sdwtnr]|{_CLASS})(?:[*+?]|\{{\d+\}})?")
_ALTERNATIVE = "|"


def element_at(values: Any, index: Any) -> Any:
    """Return one element of a list, an array or a map."""
    if isinstance(values, dict):
        return values.get(index)
    is_list = isinstance(values, list) and not isinstance(values, Collection)
    if is_list and type(index) is int and 0 <= index < len(values):
        return values[index]
    raise NotEmulatedError(f"index {index!r} of {describe(values)} in a mapping template")


def loop_items(values: Any) -> Sequence[Any]:
    """Return the values of a `#foreach`; those of a map are its values."""
    if values is None:
        return []
    if isinstance(values, dict):
        return _in_order(values, values.values())
    if not isinstance(values, list):
        raise NotEmulatedError(f"#foreach through {describe(values)}")
    return values


def call(current: Any, name: str, arguments: Sequence[Any]) -> Any:
    """Call a method of a value.

    Raises:
        NotEmulatedError: There is no such method, or it takes other arguments.
    """
    methods = next((found for kind, found in _METHODS if isinstance(current, kind)), {})
    if name not in methods:
        raise NotEmulatedError(f".{name} of {describe(current)} in a mapping template")
    try:
        return methods[name](current, *arguments)
    except (TypeError, ValueError, AttributeError, OverflowError):
        given = ", ".join(map(describe, arguments))
        raise NotEmulatedError(f".{name}({given}) of {describe(current)}") from None


def _compile(pattern: str, method: str) -> re.Pattern[str]:
    """Return Python's form of a regular expression that means the same in Java."""
    found, position = [], 0
    while position < len(pattern):
        if pattern[position] == _ALTERNATIVE and position:
            position += 1
            continue
        atom = _ATOM.match(pattern, position)
        if atom is None:
            raise NotEmulatedError(f"{method} with the regular expression {pattern!r}")
        found.append(atom[0])
        position = atom.end()
    # Java's classes such as \s are those of ASCII.
    made = re.compile(pattern, re.ASCII)
    if made.fullmatch(""):
        raise NotEmulatedError(f"{method} with the regular expression {pattern!r}")
    return made


def _unescape_replacement(replacement: str, method: str) -> str:
    if "$" in replacement or (replacement.count("\\") % 2 and replacement.endswith("\\")):
        raise NotEmulatedError(f"{method} with the replacement {replacement!r}")
    return re.sub(r"\\(.)", r"\1", replacement, flags=re.DOTALL)


def _replace_all(text: str, pattern: str, replacement: str, *, count: int = 0) -> str:
    method = "replaceFirst" if count else "replaceAll"
    found = _compile(_require_text(pattern), method)
    made = _unescape_replacement(_require_text(replacement), method)
    return found.sub(lambda _match: made, text, count=count)


def _replace_first(text: str, pattern: str, replacement: str) -> str:
    return _replace_all(text, pattern, replacement, count=1)


def _matches(text: str, pattern: str) -> bool:
    return _compile(_require_text(pattern), "matches").fullmatch(text) is not None


def _split(text: str, pattern: str, limit: int = 0) -> Array:
    found = _compile(_require_text(pattern), "split")
    parts = [text] if limit == 1 else found.split(text, max(limit - 1, 0))
    while limit == 0 and len(parts) > 1 and not parts[-1]:
        parts.pop()
    # Of separators only, nothing is left; a text without one is its own only part.
    return Array([] if limit == 0 and parts == [""] and text else parts)


def _substring(text: str, begin: int, end: int | None = None) -> str:
    _require_plain(text)
    last = len(text) if end is None else end
    if type(begin) is not int or type(last) is not int or not 0 <= begin <= last <= len(text):
        raise NotEmulatedError(f"substring({begin}, {last}) of a text of {len(text)} characters")
    return text[begin:last]


def _index_of(text: str, part: str, begin: int = 0) -> int:
    return _require_plain(text).find(_require_text(part), max(begin, 0))


def _require_text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _require_plain(text: str) -> str:
    """Return a text of which Java counts the characters as Python does."""
    if text and max(text) > "\uffff":
        raise NotEmulatedError("positions in a text with characters beyond U+FFFF")
    return text


def _in_order(values: dict[Any, Any], found: Iterable[Any]) -> Collection:
    if isinstance(values, HashMap) and len(values) > 1:
        raise NotEmulatedError("the order of a map that the template writes as {...}")
    return Collection(found)


def _add(values: list[Any], value: Any) -> bool:
    values.append(value)
    return True


def _add_all(values: list[Any], others: list[Any]) -> bool:
    if not isinstance(others, list):
        raise TypeError(others)
    values.extend(others)
    return bool(others)


def _set(values: list[Any], index: int, value: Any) -> Any:
    before = element_at(values, index)
    values[index] = value
    return before


def _put(values: dict[Any, Any], key: Any, value: Any) -> Any:
    before = values.get(key)
    values[key] = value
    return before


def _contains(values: Iterable[Any], value: Any) -> bool:
    return any(are_equal(one, value) for one in values)


def _index_in(values: list[Any], value: Any) -> int:
    return next((i for i, one in enumerate(values) if are_equal(one, value)), -1)


_ANY: dict[str, Callable[..., Any]] = {
    "equals": are_equal,
    "toString": lambda value: to_text(value, ".toString()"),
}
_SIZED: dict[str, Callable[..., Any]] = {
    "size": len,
    "isEmpty": lambda values: not values,
    "contains": _contains,
    "equals": are_equal,
}
_POSITIONED = {**_SIZED, "get": element_at, "indexOf": _index_in}
# The most special type first.
_METHODS: tuple[tuple[Any, dict[str, Callable[..., Any]]], ...] = (
    (
        str,
        {
            **_ANY,
            "length": lambda text: len(text.encode("utf-16-le", "surrogatepass")) // 2,
            "isEmpty": lambda text: text == "",
            "contains": lambda text, part: _require_text(part) in text,
            "startsWith": lambda text, part: text.startswith(_require_text(part)),
            "endsWith": lambda text, part: text.endswith(_require_text(part)),
            "equalsIgnoreCase": lambda text, other: text.lower() == _require_text(other).lower(),
            "concat": lambda text, other: text + _require_text(other),
            "toLowerCase": str.lower,
            "toUpperCase": str.upper,
            "trim": lambda text: text.strip(_TRIMMED),
            "substring": _substring,
            "indexOf": _index_of,
            "lastIndexOf": lambda text, part: _require_plain(text).rfind(_require_text(part)),
            "replace": lambda text, old, new: text.replace(_require_text(old), new),
            "replaceAll": _replace_all,
            "replaceFirst": _replace_first,
            "matches": _matches,
            "split": _split,
        },
    ),
    (Array, _POSITIONED),
    (Collection, _SIZED),
    (list, {**_POSITIONED, "add": _add, "addAll": _add_all, "set": _set}),
    (
        dict,
        {
            "size": len,
            "isEmpty": lambda values: not values,
            "equals": are_equal,
            "containsKey": lambda values, key: key in values,
            "containsValue": lambda values, value: _contains(values.values(), value),
            "get": dict.get,
            "keySet": lambda values: _in_order(values, values),
            "values": lambda values: _in_order(values, values.values()),
            "entrySet": lambda values: _in_order(
                values, [Entry(key, value) for key, value in values.items()]
            ),
            "put": _put,
            "putAll": lambda values, others: values.update(others),
            "remove": lambda values, key: values.pop(key, None),
        },
    ),
    (
        Entry,
        {
            "getKey": lambda entry: entry.members["key"],
            "getValue": lambda entry: entry.members["value"],
        },
    ),
    ((bool, *NUMBERS), _ANY),
)
