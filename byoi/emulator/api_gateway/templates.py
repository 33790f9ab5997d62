"""Mapping templates: airspeed's Velocity, made strict where it differs from API Gateway's.

airspeed calls Python's methods on Python's objects, writes a reference without a value as it
stands in the template, and compares, concatenates and prints as Python does. Java and Velocity
differ in all of these. A template passes if the result is the same in both or is computed here
as Java does it; anything else is refused, so that no template gives a wrong answer.

Sources: API Gateway Developer Guide, "Mapping template variables"; Velocity 1.7's user guide;
Java's String, List and Map; airspeed 0.7.1, parts of whose elements are replaced here:
requirements pin that version.
"""

import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MethodType
from typing import Any

import airspeed

from byoi.emulator.api_gateway.gateway_responses import GatewayError
from byoi.emulator.aws.errors import NotEmulatedError

REFUSED = (
    airspeed.IncludeDirective,
    airspeed.ParseDirective,
    airspeed.MacroDefinition,
    airspeed.MacroCall,
    airspeed.DefineDefinition,
    airspeed.EvaluateDirective,
    airspeed.AlternateValue,
    airspeed.Range,
)
# Velocity writes an escaped reference with or without its backslash, depending on its value.
_ESCAPED = re.compile(r"\\[$#]")
# Velocity's names may have a hyphen, airspeed's may not.
_HYPHEN = re.compile(r"-\w")
# Characters with a special meaning in a regular expression.
_SPECIAL = re.compile(r"[\\.^$|?*+()\[\]{}]")
_ORDER = {
    ">": operator.gt, "gt": operator.gt, ">=": operator.ge, "ge": operator.ge,
    "<": operator.lt, "lt": operator.lt, "<=": operator.le, "le": operator.le,
}  # fmt: skip
_EQUAL = {"==": True, "eq": True, "!=": False, "ne": False}
_ARITHMETIC = {"+": operator.add, "-": operator.sub, "*": operator.mul}


class Variable:
    """A variable of the gateway, such as `$input`, with its members."""

    name: str
    members: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        """Return a member."""
        if name not in self.members:
            raise NotEmulatedError(f"${self.name}.{name} in a mapping template")
        return self.members[name]


def check(template: str) -> None:
    """Check that a template has only what is emulated, as far as it shows without rendering.

    Raises:
        NotEmulatedError: The message names what is not emulated.
    """
    _parse(template)


def render(template: str, variables: Mapping[str, Any]) -> str:
    """Render a template.

    Args:
        template: The template.
        variables: `input`, `context`, `util` and `stageVariables`.

    Raises:
        NotEmulatedError: The template has something that is not emulated.
        GatewayError: The template fails on AWS, too.
    """
    parsed = _parse(template)
    try:
        return str(parsed.merge(dict(variables)))
    except airspeed.TemplateExecutionError as failed:
        cause: BaseException | None = failed
        while cause is not None:
            if isinstance(cause, NotEmulatedError | GatewayError):
                raise cause from failed
            cause = cause.__cause__
        raise NotEmulatedError(f"a mapping template in which {failed}") from failed


def _parse(template: str) -> Any:
    if found := _ESCAPED.search(template):
        raise NotEmulatedError(f"{found[0]} in a mapping template")
    parsed = airspeed.Template(template)
    try:
        parsed.ensure_compiled()
    except airspeed.TemplateSyntaxError as error:
        raise NotEmulatedError(f"a mapping template with, in {error}") from error
    for element in _elements(parsed.root_element, set()):
        if isinstance(element, REFUSED):
            raise NotEmulatedError(f"{element.my_text().strip()[:40]} in a mapping template")
        for kind, make_strict in STRICT.items():
            if isinstance(element, kind):
                make_strict(element)
    return parsed


def _elements(found: Any, seen: set[int]) -> Iterator[Any]:
    """Yield an element and all elements below it, in any attribute of airspeed's."""
    if isinstance(found, MethodType):
        found = found.__self__
    if isinstance(found, list | tuple):
        for one in found:
            yield from _elements(one, seen)
    elif isinstance(found, dict):
        yield from _elements(list(found.items()), seen)
    elif isinstance(found, airspeed._Element) and id(found) not in seen:  # noqa: SLF001
        seen.add(id(found))
        for one in list(vars(found).values()):
            yield from _elements(one, seen)
        yield found


def _make_reference_strict(reference: Any) -> None:
    if _HYPHEN.match(reference.next_text()) and not reference.my_text().endswith("}"):
        raise NotEmulatedError(
            f"a hyphen after {reference.my_text()}, which is part of a Velocity name; use braces"
        )

    def evaluate_raw(stream: Any, namespace: Any, loader: Any) -> None:
        if reference.calculate is None:  # a dollar that begins no name
            stream.write(reference.my_text())
            return
        value = reference.calculate(namespace, loader)
        if value is None and reference.silent:
            return
        stream.write(_format_value(value, reference.my_text()))

    reference.evaluate_raw = evaluate_raw


def _make_lookup_strict(name: Any) -> None:
    def calculate(current: Any, loader: Any, namespace: Any) -> Any:
        arguments = None
        if name.parameters is not None:
            arguments = name.parameters.calculate(namespace, loader)
        found = _look_up(current, name.name, arguments)
        if name.index is not None and found is not None:
            return _element_at(found, name.index.calculate(namespace, loader))
        return found

    name.calculate = calculate


def _make_literal_strict(literal: Any) -> None:
    raw = literal.my_text()[1:-1]
    if "\\" in raw:
        # The idiom of the Developer Guide; escapes in other literals differ.
        if raw != r"\\'":
            raise NotEmulatedError(f"the backslash in {literal.my_text()} in a mapping template")
        literal.value = raw
        literal.calculate = lambda _namespace, _loader: raw


def _make_operator_strict(element: Any) -> None:
    name = element.my_text().strip()
    element.apply_to = lambda left, right: _operate(name, left, right)


def _make_negation_strict(element: Any) -> None:
    element.op = lambda value: not _is_true(value)


def _make_condition_strict(holder: Any) -> None:
    # For an #elseif, airspeed has bound the condition already.
    holder = holder if isinstance(holder, airspeed.ElseifBlock) else holder.condition
    calculate = holder.calculate
    holder.calculate = lambda namespace, loader: _is_true(calculate(namespace, loader))


def _make_loop_strict(loop: Any) -> None:
    calculate = loop.value.calculate
    loop.value.calculate = lambda namespace, loader: _loop_items(calculate(namespace, loader))


def _make_assignment_strict(directive: Any) -> None:
    def evaluate_raw(_stream: Any, namespace: Any, loader: Any) -> None:
        value = directive.value.calculate(namespace, loader)
        *path, last = directive.terms
        if path:
            target = namespace[path[0]]
            for term in path[1:]:
                target = target[term]
            target[last] = value
            return
        # A variable set in a loop exists after it; airspeed drops it.
        outer = namespace.find_outermost(last)
        while outer is None:
            outer = namespace if not hasattr(namespace.parent, "parent") else None
            namespace = namespace.parent
        outer[last] = value

    directive.evaluate_raw = evaluate_raw


STRICT: dict[Any, Callable[[Any], None]] = {
    airspeed.FormalReference: _make_reference_strict,
    airspeed.NameOrCall: _make_lookup_strict,
    airspeed.StringLiteral: _make_literal_strict,
    airspeed.BinaryOperator: _make_operator_strict,
    airspeed.UnaryOperatorValue: _make_negation_strict,
    airspeed.IfDirective: _make_condition_strict,
    airspeed.ElseifBlock: _make_condition_strict,
    airspeed.ForeachDirective: _make_loop_strict,
    airspeed.SetDirective: _make_assignment_strict,
}


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


def _element_at(values: Any, index: Any) -> Any:
    """Return one element of a list or map."""
    if isinstance(values, dict):
        return values.get(index)
    if isinstance(values, list) and isinstance(index, int) and 0 <= index < len(values):
        return values[index]
    raise NotEmulatedError(f"index {index!r} of {_describe(values)} in a mapping template")


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
        "get": _element_at,
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


def _look_up(current: Any, name: str, arguments: Sequence[Any] | None) -> Any:
    """Return a property, or the result of a method; None if there is no such value."""
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
            raise NotEmulatedError(f".{name} of {_describe(current)} in a mapping template")
        return found(current, *arguments)
    return found if arguments is None else found(*arguments)


def _loop_items(values: Any) -> Sequence[Any]:
    """Return the values of a `#foreach`."""
    if values is None:
        return []
    if not isinstance(values, list):
        raise NotEmulatedError(f"#foreach through {_describe(values)}; use .keySet() of a map")
    return values


def _is_true(value: Any) -> bool:
    """Return whether a condition holds; empty and zero differ between Velocity's versions."""
    if value is None or isinstance(value, bool):
        return bool(value)
    if not value and not isinstance(value, Variable):
        raise NotEmulatedError(f"the condition {value!r} in a mapping template; compare it")
    return True


def _operate(name: str, left: Any, right: Any) -> Any:
    """Apply an operator to two values."""
    if name in {"&&", "and"}:
        return _is_true(left) and _is_true(right)
    if name in {"||", "or"}:
        return _is_true(left) or _is_true(right)
    if type(left) is type(right):
        if name in _EQUAL and isinstance(left, str | int | float):
            return (left == right) is _EQUAL[name]
        if name in _ORDER and type(left) in {int, float}:
            return _ORDER[name](left, right)
        if (name in _ARITHMETIC and type(left) is int) or (name == "+" and isinstance(left, str)):
            return _ARITHMETIC[name](left, right)
    raise NotEmulatedError(f"{_describe(left)} {name} {_describe(right)} in a mapping template")


def _format_value(value: Any, reference: str) -> str:
    """Return the text of a value.

    Args:
        value: The value.
        reference: The reference, for the message.
    """
    if isinstance(value, bool):
        return str(value).lower()
    # Outside this range, Java writes an exponent, in another form than Python.
    is_plain = isinstance(value, float) and (value == 0 or 1e-3 <= abs(value) < 1e7)
    if isinstance(value, str | int) or is_plain:
        return str(value)
    if value is None:
        raise NotEmulatedError(f"{reference} without a value; write $!{{...}} for nothing")
    raise NotEmulatedError(f"{reference} of {_describe(value)} as text; use $input.json")


def _describe(value: Any) -> str:
    names = {str: "a text", list: "a list", dict: "a map", type(None): "null"}
    return names.get(type(value), f"the value {value!r}")
