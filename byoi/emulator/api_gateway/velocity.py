"""Elements of a mapping template, made to do what Velocity does where airspeed does otherwise.

airspeed calls Python's methods on Python's objects, writes a reference without a value as it
stands in the template, and evaluates operators in another order. Values, their methods and
operators are those of the modules `java` and `java_methods`.

Sources: Velocity 1.7's user guide and grammar; airspeed 0.7.1, parts of whose elements are
replaced here: requirements pin that version.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from types import MethodType
from typing import Any

import airspeed

from byoi.emulator.api_gateway import java, java_methods
from byoi.emulator.aws.errors import NotEmulatedError

# Velocity's names may have a hyphen, airspeed's may not.
_HYPHEN = re.compile(r"-\w")
# airspeed unescapes what follows a backslash, Velocity does not; so airspeed gets to see this
# character instead, which Unicode gives no meaning.
BACKSLASH = "\uf8ff"
# Of no value that is assigned over another, Velocity 1.7 keeps the other, later versions do not.
UNCERTAIN = object()
_END_OF_LINE = re.compile(r"\A[ \t]*\r?\n")
_LONGEST_RANGE = 100_000
# The operators of Velocity, from those that bind least.
_PRECEDENCE = (
    ("||", "or"),
    ("&&", "and"),
    ("==", "eq", "!=", "ne"),
    ("<", "lt", "<=", "le", ">", "gt", ">=", "ge"),
    ("+", "-"),
    ("*", "/", "%"),
)


class Variable:
    """A variable of the gateway, such as `$input`, with its members."""

    name: str
    members: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        """Return a member."""
        if name not in self.members:
            raise NotEmulatedError(f"${self.name}.{name} in a mapping template")
        return self.members[name]


class Loop(Variable):
    """`$foreach`: where a loop is."""

    name = "foreach"

    def __init__(self, members: Mapping[str, Any]) -> None:
        """Hold `count` from 1, `index` from 0, `hasNext`, `first` and `last`."""
        self.members = members


def with_backslashes(found: Any) -> str:
    """Return a text of airspeed's with its backslashes."""
    return str(found).replace(BACKSLASH, "\\")


def _make_text_strict(text: Any) -> None:
    text.text = with_backslashes(text.text)


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
        stream.write(java.to_text(value, with_backslashes(reference.my_text())))

    reference.evaluate_raw = evaluate_raw


def _make_lookup_strict(name: Any) -> None:
    def calculate(current: Any, loader: Any, namespace: Any) -> Any:
        arguments = None
        if name.parameters is not None:
            arguments = name.parameters.calculate(namespace, loader)
        found = _look_up(current, name.name, arguments)
        if name.index is not None and found is not None:
            return java_methods.element_at(found, name.index.calculate(namespace, loader))
        return found

    name.calculate = calculate


def _make_index_strict(step: Any) -> None:
    """Let `[...]` behind a method or another `[...]` be an element, as behind a name."""
    if not isinstance(step.expression, airspeed.ArrayIndex):
        return

    def calculate(current: Any, loader: Any, namespace: Any) -> Any:
        if current is None:
            return None
        found = java_methods.element_at(current, step.expression.calculate(namespace, loader))
        if step.subexpression is None:
            return found
        return step.subexpression.calculate(found, loader, namespace)

    step.calculate = calculate


def make_literal_strict(literal: Any, *, may_have_backslash: bool) -> None:
    """Leave a text of the template as it stands, as Velocity does.

    Args:
        literal: The element.
        may_have_backslash: Whether it is a regular expression.

    Raises:
        NotEmulatedError: It has a backslash that versions of Velocity read otherwise.
    """
    raw = with_backslashes(literal.my_text())[1:-1]
    if "\\" not in raw:
        return
    is_interpolated = isinstance(literal, airspeed.InterpolatedStringLiteral)
    has_more = "\\u" in raw or (is_interpolated and ("$" in raw or "#" in raw))
    if not may_have_backslash or has_more:
        raise NotEmulatedError(
            f"the backslash in {with_backslashes(literal.my_text())} in a mapping template"
        )
    literal.calculate = lambda _namespace, _loader: raw


def _make_range_strict(numbers: Any) -> None:
    def calculate(namespace: Any, loader: Any) -> list[int]:
        first, last = (one.calculate(namespace, loader) for one in (numbers.value1, numbers.value2))
        if type(first) is not int or type(last) is not int:
            raise NotEmulatedError(
                f"the range from {java.describe(first)} to {java.describe(last)}"
            )
        step = 1 if first <= last else -1
        if abs(last - first) >= _LONGEST_RANGE:
            raise NotEmulatedError(f"a range of more than {_LONGEST_RANGE} numbers")
        return list(range(first, last + step, step))

    numbers.calculate = calculate


def _make_map_strict(literal: Any) -> None:
    calculate = literal.calculate
    literal.calculate = lambda namespace, loader: java.HashMap(calculate(namespace, loader))


def _make_expression_strict(expression: Any) -> None:
    """Evaluate from left to right, and what decides `&&` and `||` only as far as needed."""
    values = expression.expression[::2]
    names = [_operator_name(one) for one in expression.expression[1::2]]

    def calculate(namespace: Any, loader: Any) -> Any:
        return _evaluate(values, names, lambda value: value.calculate(namespace, loader))

    expression.calculate = calculate


def _operator_name(element: Any) -> str:
    return str(element.my_text().strip())


def _evaluate(values: Sequence[Any], names: Sequence[str], value_of: Callable[[Any], Any]) -> Any:
    if not names:
        return value_of(values[0])
    level = next(level for level in _PRECEDENCE if any(name in level for name in names))
    split = max(place for place, name in enumerate(names) if name in level)
    name = names[split]
    left = _evaluate(values[: split + 1], names[:split], value_of)
    if level[0] in {"||", "&&"}:
        decides = level[0] == "||"
        if java.is_true(left) is decides:
            return decides
    right = _evaluate(values[split + 1 :], names[split + 1 :], value_of)
    return java.is_true(right) if level[0] in {"||", "&&"} else java.operate(name, left, right)


def _make_negation_strict(element: Any) -> None:
    element.op = lambda value: not java.is_true(value)


def _follow_inner(holder: Any) -> None:
    """Evaluate by the element inside; airspeed has bound its method before it was replaced."""
    bound: Any = getattr(holder, "calculate", None)
    if isinstance(bound, MethodType) and bound.__self__ is not holder:
        inner: Any = bound.__self__
        holder.calculate = inner.calculate


def _make_condition_strict(holder: Any) -> None:
    # For an #elseif, airspeed has bound the condition already.
    calculate = holder.condition.calculate
    holder = holder if isinstance(holder, airspeed.ElseifBlock) else holder.condition
    holder.calculate = lambda namespace, loader: java.is_true(calculate(namespace, loader))


def _make_loop_strict(loop: Any) -> None:
    # As behind #if and #set, a line's end behind #foreach(...) is not text; airspeed keeps it.
    first = next(iter(loop.block.children), None)
    if isinstance(first, airspeed.Text):
        first.text = _END_OF_LINE.sub("", first.text, count=1)

    def evaluate_raw(stream: Any, namespace: Any, loader: Any) -> None:
        items = java_methods.loop_items(loop.value.calculate(namespace, loader))
        for index, item in enumerate(list(items)):
            inside = airspeed.LocalNamespace(namespace)
            has_next = index + 1 < len(items)
            inside["velocityCount"] = index + 1
            inside["velocityHasNext"] = has_next
            inside["foreach"] = Loop(
                {"count": index + 1, "index": index, "hasNext": has_next}
                | {"first": index == 0, "last": not has_next}
            )
            inside[loop.loop_var_name] = item
            loop.block.evaluate(stream, inside, loader)

    loop.evaluate_raw = evaluate_raw


def _is_unset(namespace: Any, name: str) -> bool:
    try:
        return namespace[name] is None
    except KeyError:
        return True


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
        if value is None and not _is_unset(namespace, last):
            value = UNCERTAIN
        # A variable set in a loop exists after it; airspeed drops it.
        outer = namespace.find_outermost(last)
        while outer is None:
            outer = namespace if not hasattr(namespace.parent, "parent") else None
            namespace = namespace.parent
        outer[last] = value

    directive.evaluate_raw = evaluate_raw


STRICT: dict[Any, Callable[[Any], None]] = {
    airspeed.Text: _make_text_strict,
    airspeed.FormalReference: _make_reference_strict,
    airspeed.NameOrCall: _make_lookup_strict,
    airspeed.SubExpression: _make_index_strict,
    airspeed.Range: _make_range_strict,
    airspeed.DictionaryLiteral: _make_map_strict,
    airspeed.Expression: _make_expression_strict,
    airspeed.UnaryOperatorValue: _make_negation_strict,
    airspeed.ParenthesizedExpression: _follow_inner,
    airspeed.Condition: _follow_inner,
    airspeed.ArrayLiteral: _follow_inner,
    airspeed.IfDirective: _make_condition_strict,
    airspeed.ElseifBlock: _make_condition_strict,
    airspeed.ForeachDirective: _make_loop_strict,
    airspeed.SetDirective: _make_assignment_strict,
}


def _look_up(current: Any, name: str, arguments: Sequence[Any] | None) -> Any:
    """Return a property, or the result of a method; None if there is no such value."""
    if hasattr(current, "find_outermost"):  # airspeed's namespace: a variable's name
        try:
            found = current[name]
        except KeyError:
            found = None
        if found is UNCERTAIN:
            raise NotEmulatedError(f"${name} after an assignment of no value over another value")
    elif current is None:
        return None
    elif isinstance(current, Variable):
        found = current[name]
    elif arguments is not None:
        return java_methods.call(current, name, arguments)
    elif isinstance(current, dict):
        return current.get(name)
    elif isinstance(current, java.Entry) and name in current.members:
        return current.members[name]
    else:
        raise NotEmulatedError(f".{name} of {java.describe(current)} in a mapping template")
    return found if arguments is None else found(*arguments)
