"""Mapping templates: airspeed's Velocity, made strict where it differs from API Gateway's.

airspeed reads a template; `velocity` lets its elements do what Velocity does. What Velocity has
and airspeed takes for text, and what remains uncertain, is refused by its name, so that no
template gives a wrong answer.

Sources: API Gateway Developer Guide, "Mapping template variables"; Velocity 1.7's user guide.
"""

import re
from collections.abc import Iterator, Mapping
from types import MethodType
from typing import Any

import airspeed

from byoi.emulator.api_gateway.gateway_responses import GatewayError
from byoi.emulator.api_gateway.velocity import (
    BACKSLASH,
    STRICT,
    make_literal_strict,
    with_backslashes,
)
from byoi.emulator.aws.errors import NotEmulatedError

REFUSED = (
    airspeed.IncludeDirective,
    airspeed.ParseDirective,
    airspeed.MacroDefinition,
    airspeed.MacroCall,
    airspeed.DefineDefinition,
    airspeed.EvaluateDirective,
    airspeed.AlternateValue,
    airspeed.NullLiteral,
)
# airspeed reads these in any case, Velocity in lower case only.
_LOWER_CASE = (
    airspeed.BooleanLiteral,
    airspeed.IfDirective,
    airspeed.ElseifBlock,
    airspeed.ElseBlock,
    airspeed.End,
    airspeed.ForeachDirective,
    airspeed.SetDirective,
    airspeed.StopDirective,
)
# Velocity writes an escaped reference with or without its backslash, depending on its value.
_ESCAPED = re.compile(r"\\[$#]")
# airspeed takes these for text: directives with a space, in braces, of Velocity only; raw text.
_NOT_TEXT = re.compile(
    r"#[ \t]+(?:set|if|elseif|foreach)[ \t]*\(|#\{?(?:break|return|evaluate)\b"
    r"|#\{(?:set|if|elseif|foreach|stop|macro|define|include|parse)\}|#\[\[|#@\w+"
)
_COMMENT = re.compile(r"##[^\n]*|#\*.*?\*#", re.DOTALL)
# The methods whose texts are regular expressions, with their backslashes.
_OF_REGULAR_EXPRESSIONS = frozenset({"split", "replaceAll", "replaceFirst", "matches"})


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
        variables: `input`, `context`, `util`, `esc` and `stageVariables`.

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
        raise NotEmulatedError(
            f"a mapping template in which {with_backslashes(failed)}"
        ) from failed


def _parse(template: str) -> Any:
    for pattern in (_ESCAPED, _NOT_TEXT):
        if found := pattern.search(_COMMENT.sub("", template)):
            raise NotEmulatedError(f"{found[0]} in a mapping template")
    if BACKSLASH in template:
        raise NotEmulatedError("the character U+F8FF in a mapping template")
    parsed = airspeed.Template(template.replace("\\", BACKSLASH))
    try:
        parsed.ensure_compiled()
    except airspeed.TemplateSyntaxError as error:
        raise NotEmulatedError(f"a mapping template with, in {with_backslashes(error)}") from error
    elements = list(_elements(parsed.root_element, set()))
    expressions = {id(one) for element in elements for one in _regular_expressions(element)}
    for element in elements:
        _require_emulated(element)
        if isinstance(element, airspeed.StringLiteral):
            make_literal_strict(element, may_have_backslash=id(element) in expressions)
        for kind, make_strict in STRICT.items():
            if isinstance(element, kind):
                make_strict(element)
    return parsed


def _require_emulated(element: Any) -> None:
    if isinstance(element, REFUSED):
        raise NotEmulatedError(f"{element.my_text().strip()[:40]} in a mapping template")
    if isinstance(element, _LOWER_CASE):
        name = re.match(r"#?\{?([A-Za-z]+)", element.my_text())
        if name and not name[1].islower():
            raise NotEmulatedError(f"{name[0]} in capitals in a mapping template")


def _regular_expressions(element: Any) -> Iterator[Any]:
    """Yield the literals that an element passes as regular expressions."""
    if isinstance(element, airspeed.NameOrCall) and element.name in _OF_REGULAR_EXPRESSIONS:
        for value in getattr(getattr(element.parameters, "values", None), "values", ()):
            yield value.expression


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
