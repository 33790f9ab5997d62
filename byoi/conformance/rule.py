"""A rule of SageMaker's container contract, and what was found when an image was asked for it.

A rule is a function named by the rule's id: `rt_22` is RT-22. Its docstring is the rule in a
sentence, further text, and its source. It returns what was seen where the rule holds, and raises
`verdict.Broken`, `NotTested` or `NotApplicable` otherwise.
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
        id: As in the contract, such as `RT-22`.
        group: Which part of the contract it belongs to.
        kind: What it needs to be tested.
        statement: The rule, in a sentence.
        source: Where it is stated.
        is_quick: Whether `byoi deploy` asks for it before it makes an endpoint.
        is_slow: Whether only `--full` asks for it: it waits out a limit of the platform.
        check: Tests it.
        remark: What else is to be said of it, such as what proves it where nobody outside can.
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
        is_quick: Whether `byoi deploy` asks for it.
        is_slow: Whether only `--full` asks for it.
    """

    def mark(check: Callable[[Case], str]) -> Callable[[Case], str]:
        setattr(check, _ATTRIBUTE, (kind, is_quick, is_slow))
        return check

    return mark


def rules_of(group: str, module: types.ModuleType) -> Iterator[Rule]:
    """Yield the rules of a module, in the order of their ids; kinds of ids as they stand there.

    Args:
        group: The part of the contract that the module has.
        module: Its functions with `rule` are the rules.
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
    """Return the rules whose id is one of `only`, or begins with it and a hyphen; all for none."""
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
