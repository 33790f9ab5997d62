"""Mapping templates: airspeed's Velocity, strict where it differs from API Gateway's.

airspeed runs Python's methods on Python's objects, writes a reference without a value as it
stands in the template, and compares and concatenates as Python does. Whatever would come out
otherwise than from Velocity is refused here, so that no template is answered wrongly.

Sources: API Gateway Developer Guide, "Mapping template variables"; Velocity's user guide;
airspeed 0.7.1, whose elements this replaces parts of: requirements pin it.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from types import MethodType
from typing import Any

import airspeed

from byoi.emulator.api_gateway import velocity
from byoi.emulator.api_gateway.gateway_responses import GatewayError
from byoi.emulator.aws.errors import NotEmulatedError

# Velocity writes what is escaped with or without the backslash, by whether it has a value.
_ESCAPED = re.compile(r"\\[$#]")
# A hyphen belongs to a Velocity name and to none of airspeed's.
_HYPHEN = re.compile(r"-\w")
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


def check(template: str) -> None:
    """Refuse a template of which it can be seen that it is not emulated.

    Raises:
        NotEmulatedError: The message names what is not.
    """
    _parse(template)


def render(template: str, variables: Mapping[str, Any]) -> str:
    """Return what a template makes of its variables.

    Args:
        template: The template.
        variables: `input`, `context`, `util` and `stageVariables`.

    Raises:
        NotEmulatedError: It asks for something that is not emulated.
        GatewayError: It fails on AWS too.
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
    """Yield an element and all below it, wherever airspeed keeps them."""
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


def _write(reference: Any) -> None:
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
        stream.write(velocity.write(value, reference.my_text()))

    reference.evaluate_raw = evaluate_raw


def _look_up(name: Any) -> None:
    def calculate(current: Any, loader: Any, namespace: Any) -> Any:
        arguments = None
        if name.parameters is not None:
            arguments = name.parameters.calculate(namespace, loader)
        found = velocity.look_up(current, name.name, arguments)
        if name.index is not None and found is not None:
            return velocity.at(found, name.index.calculate(namespace, loader))
        return found

    name.calculate = calculate


def _keep_backslashes(literal: Any) -> None:
    raw = literal.my_text()[1:-1]
    if "\\" in raw:
        # The one idiom of the Developer Guide; other literals' escapes differ.
        if raw != r"\\'":
            raise NotEmulatedError(f"the backslash in {literal.my_text()} in a mapping template")
        literal.value = raw
        literal.calculate = lambda _namespace, _loader: raw


def _operate(operator: Any) -> None:
    name = operator.my_text().strip()
    operator.apply_to = lambda left, right: velocity.operate(name, left, right)


def _negate(operator: Any) -> None:
    operator.op = lambda value: not velocity.is_true(value)


def _decide(holder: Any) -> None:
    # airspeed has bound the one of an #elseif already.
    holder = holder if isinstance(holder, airspeed.ElseifBlock) else holder.condition
    calculate = holder.calculate
    holder.calculate = lambda namespace, loader: velocity.is_true(calculate(namespace, loader))


def _list(loop: Any) -> None:
    calculate = loop.value.calculate
    loop.value.calculate = lambda namespace, loader: velocity.items(calculate(namespace, loader))


def _set(directive: Any) -> None:
    def evaluate_raw(_stream: Any, namespace: Any, loader: Any) -> None:
        value = directive.value.calculate(namespace, loader)
        *path, last = directive.terms
        if path:
            target = namespace[path[0]]
            for term in path[1:]:
                target = target[term]
            target[last] = value
            return
        # A variable set in a loop is there after it; airspeed forgets it.
        outer = namespace.find_outermost(last)
        while outer is None:
            outer = namespace if not hasattr(namespace.parent, "parent") else None
            namespace = namespace.parent
        outer[last] = value

    directive.evaluate_raw = evaluate_raw


STRICT: dict[Any, Callable[[Any], None]] = {
    airspeed.FormalReference: _write,
    airspeed.NameOrCall: _look_up,
    airspeed.StringLiteral: _keep_backslashes,
    airspeed.BinaryOperator: _operate,
    airspeed.UnaryOperatorValue: _negate,
    airspeed.IfDirective: _decide,
    airspeed.ElseifBlock: _decide,
    airspeed.ForeachDirective: _list,
    airspeed.SetDirective: _set,
}
