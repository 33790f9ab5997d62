"""Which resource and method of an API a path leads to.

Source: API Gateway Developer Guide, "Methods for REST APIs" (path variables, `{proxy+}`, ANY).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from byoi.emulator.api_gateway.deployed import Deployed


@dataclass(frozen=True)
class Match:
    """Where a path leads.

    Attributes:
        resource_path: The resource's path, with its variables in braces.
        resource_id: Its id.
        method: What GetMethod shows of the method.
        parameters: Path variables and their values.
    """

    resource_path: str
    resource_id: str
    method: Mapping[str, Any]
    parameters: Mapping[str, str]


def find(api: Deployed, verb: str, path: str) -> Match | None:
    """Return where a path leads, None where there is no resource or no method.

    Args:
        api: The API.
        verb: HTTP method.
        path: Below the stage, percent-encoded as it came.
    """
    segments = _split(path)
    # A name wins over a variable, a variable over the rest of the path, from left to right.
    for resource_path in sorted(api.resources, key=_rank):
        values = _match(_split(resource_path), segments)
        if values is None:
            continue
        resource = api.resources[resource_path]
        method = resource["methods"].get(verb) or resource["methods"].get("ANY")
        if method is None:
            return None
        return Match(resource_path, resource["id"], method, values)
    return None


def _split(path: str) -> list[str]:
    return [segment for segment in path.split("/") if segment]


def _rank(resource_path: str) -> list[int]:
    return [
        2 if segment.endswith("+}") else int(segment.startswith("{"))
        for segment in _split(resource_path)
    ]


def _match(pattern: list[str], segments: list[str]) -> dict[str, str] | None:
    values: dict[str, str] = {}
    for position, part in enumerate(pattern):
        if part.endswith("+}"):
            rest = segments[position:]
            return {**values, part[1:-2]: unquote("/".join(rest))} if rest else None
        if position >= len(segments):
            return None
        found = unquote(segments[position])
        if part.startswith("{"):
            values[part[1:-1]] = found
        elif part != found:
            return None
    return values if len(pattern) == len(segments) else None
