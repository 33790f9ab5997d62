"""A rule of SageMaker's container contract, and its possible results.

A rule is a function with the rule's id as its name: `rt_22` is RT-22. Its docstring has the rule in
one sentence, further text, and the source. If the rule holds, the function returns the observation;
otherwise it raises an error of `verdict`.
"""

import enum
import re
import types
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from byoi.conformance.case import Case

_ATTRIBUTE = "__rule__"
_SOURCE = "Source:"


class Kind(enum.Enum):
    """What a rule needs to be tested."""

    ANY = "any image"
    PAYLOAD = "needs a payload"
    OURS = "ours only"
    PLATFORM = "the platform's"


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        id: The id in the contract, such as `RT-22`.
        group: The part of the contract to which it belongs.
        kind: What it needs to be tested.
        statement: The rule, in a sentence.
        source: The document that states it.
        is_quick: Whether `byoi deploy` tests it before it creates an endpoint.
        is_slow: Whether only `--full` tests it, because it waits for a time limit of the platform.
        check: The function that tests it.
        remark: Further text; for a rule that cannot be tested from outside, how it is tested here.
    """

    id: str
    group: str
    kind: Kind
    statement: str
    source: str
    is_quick: bool
    is_slow: bool
    check: Callable[[Case], str]
    remark: str = ""


def rule(
    kind: Kind, *, is_quick: bool = False, is_slow: bool = False
) -> Callable[[Callable[[Case], str]], Callable[[Case], str]]:
    """Return a decorator that makes a function a rule.

    Args:
        kind: What the rule needs to be tested.
        is_quick: Whether `byoi deploy` tests it.
        is_slow: Whether only `--full` tests it.
    """

    def mark(check: Callable[[Case], str]) -> Callable[[Case], str]:
        setattr(check, _ATTRIBUTE, (kind, is_quick, is_slow))
        return check

    return mark


def rules_of(group: str, module: types.ModuleType) -> Iterator[Rule]:
    """Yield the rules of a module in the order of their numbers; prefixes of ids in module order.

    Args:
        group: The part of the contract that is in the module.
        module: A module that has functions with the decorator `rule`.
    """
    found = [one for one in vars(module).values() if hasattr(one, _ATTRIBUTE)]
    kinds = list(dict.fromkeys(_prefix(one.__name__) for one in found))
    for check in sorted(
        found, key=lambda one: (kinds.index(_prefix(one.__name__)), _number(one.__name__))
    ):
        kind, is_quick, is_slow = getattr(check, _ATTRIBUTE)
        statement, remark, source = _read(check.__doc__ or "")
        identifier = check.__name__.upper().replace("_", "-")
        yield Rule(identifier, group, kind, statement, source, is_quick, is_slow, check, remark)


def selected(rules: Iterable[Rule], only: Iterable[str]) -> list[Rule]:
    """Return the rules whose id is in `only`, or has a prefix from it; all if `only` is empty."""
    wanted = [one.upper() for one in only]
    return [
        rule_
        for rule_ in rules
        if not wanted or any(rule_.id == one or rule_.id.startswith(f"{one}-") for one in wanted)
    ]


def _prefix(name: str) -> str:
    return name.partition("_")[0]


def _number(name: str) -> int:
    return int(re.sub(r"\D", "", name) or 0)


def _read(docstring: str) -> tuple[str, str, str]:
    """Return the statement, the further text and the source in a rule's docstring."""
    text, _, source = docstring.partition(_SOURCE)
    statement, _, remark = text.strip().partition("\n\n")
    parts = [" ".join(part.split()) for part in (statement, remark, source)]
    return parts[0], parts[1], parts[2].rstrip(".")
