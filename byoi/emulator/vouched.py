"""What the emulator vouches for: the actions of each service, and the parameters of each action.

A row is an action and its parameters, written as in the API reference. What no row has is
refused, so that what moto or a newer botocore adds fails closed.

    Name             acted on
    ~Name            shown again, and without effect; docs/emulator.md lists it
    Name(Inner ...)  a structure, or a list of structures, and its members
    Name.*(...)      a map of structures
    Name=one|other   taken with these values only
    Name==one        the same, and it must be given, because AWS's default is another value
    * -Name ...      all that the model has, without these, and others as above; for services
                     whose actions are vouched for as a whole

Tests compare each row with botocore's models, and fail for a row that no test sends.
"""

import dataclasses
import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from byoi.emulator.vouched_rows import ROWS

_WORD = re.compile(r"[()]|[^\s()]+")
_OPENING, _CLOSING = "(", ")"
_MEMBER = re.compile(r"(~?)([\w-]+)(\.\*)?(?:(==?)(\S+))?")


@dataclass(frozen=True)
class Member:
    """One parameter of an action, or one member of a structure.

    Attributes:
        members: Those of a structure, by name; None for what has none.
        values: What it may be; empty for anything.
        is_needed: Whether it must be given.
        has_effect: Whether the emulator acts on it; otherwise it is only shown again.
        is_map: Whether `members` are those of each value of a map.
    """

    members: Mapping[str, "Member"] | None = None
    values: tuple[str, ...] = ()
    is_needed: bool = False
    has_effect: bool = True
    is_map: bool = False


@dataclass(frozen=True)
class Row:
    """What is vouched for of one action.

    Attributes:
        members: Its parameters, by name.
        takes_all: Whether each other parameter of the model is taken too, except `without`.
        without: Parameters that are refused.
    """

    members: Mapping[str, Member] = field(default_factory=dict)
    takes_all: bool = False
    without: frozenset[str] = frozenset()


def services() -> tuple[str, ...]:
    """Return the services of the table, as boto3 names them."""
    return tuple(ROWS)


def service_of(signing_name: str, path: str) -> str:
    """Return the service that a request is for, as boto3 names it.

    Args:
        signing_name: As its signature names the service.
        path: Of the request.
    """
    # Two services whose signatures are the same, as API Gateway's two are.
    if signing_name == "sagemaker" and path.startswith("/endpoints/"):
        return "sagemaker-runtime"
    if signing_name == "apigateway" and path.startswith("/v2/"):
        return "apigatewayv2"
    return signing_name


def actions(service: str) -> tuple[str, ...]:
    """Return the actions of a service that have a row."""
    return tuple(ROWS.get(service, ()))


@functools.cache
def row(service: str, action: str) -> Row | None:
    """Return the row of an action, None if there is none."""
    text = ROWS.get(service, {}).get(action)
    if text is None:
        return None
    words = _WORD.findall(text)
    without = frozenset(one.removeprefix("-") for one in words if one.startswith("-"))
    plain = [one for one in words if one != "*" and not one.startswith("-")]
    return Row(_members(iter(plain)), takes_all="*" in words, without=without)


def refused(service: str, action: str, parameters: Mapping[str, Any]) -> list[str]:
    """Return the parameters of a call that are not vouched for, each by its path.

    Args:
        service: As boto3 names it.
        action: One that has a row.
        parameters: Named as in the API reference; names that the model lacks are among them.
    """
    found = row(service, action)
    if found is None:
        raise KeyError(f"{service} {action}")
    if not found.takes_all:
        return list(_refused(found.members, parameters, ""))
    named = {name: one for name, one in parameters.items() if name in found.members}
    without = [name for name in parameters if name in found.without]
    return [*without, *_refused(found.members, named, "")]


def _members(words: Iterator[str]) -> dict[str, Member]:
    """Read members up to the closing parenthesis of the structure."""
    members: dict[str, Member] = {}
    last = ""
    for word in words:
        if word == _CLOSING:
            break
        if word == _OPENING:
            members[last] = dataclasses.replace(members[last], members=_members(words))
            continue
        match = _MEMBER.fullmatch(word)
        if match is None:
            raise ValueError(f"a row of the table has {word!r}")
        idle, last, is_map, sign, values = match.groups()
        members[last] = Member(
            values=tuple(values.split("|")) if values else (),
            is_needed=sign == "==",
            has_effect=not idle,
            is_map=bool(is_map),
        )
    return members


def _refused(members: Mapping[str, Member], given: Any, path: str) -> Iterator[str]:
    if isinstance(given, list | tuple):
        for one in given:
            yield from _refused(members, one, path)
    elif isinstance(given, Mapping):  # what is of another type is refused elsewhere
        for name, value in given.items():
            if value is not None:
                yield from _refused_value(members.get(name), value, f"{path}{name}")
        for name, member in members.items():
            if member.is_needed and given.get(name) is None:
                yield f"{path}{name} not given (taken: {', '.join(member.values)})"


def _refused_value(member: Member | None, value: Any, path: str) -> Iterator[str]:
    if member is None:
        yield path
    elif member.values:
        for one in value if isinstance(value, list | tuple) else [value]:
            if _text(one) not in member.values:
                yield f"{path}={_text(one)} (taken: {', '.join(member.values)})"
    elif member.members is not None:
        is_map = member.is_map and isinstance(value, Mapping)
        for one in value.values() if is_map else [value]:
            yield from _refused(member.members, one, f"{path}.")


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
