"""The calls of a test run, which each of its emulators records in one file.

The emulators are processes of their own; `BYOI_CALLS_FILE` reaches them all.
"""

import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

# The test that looks at all calls; it runs last.
LAST = "test_every_row_is_sent_by_a_test"
_VARIABLE = "BYOI_CALLS_FILE"
_seen: list[dict[str, Any]] = []
_made: list[Path] = []
# How far the file was read, in bytes.
_read = [0]


def start() -> None:
    """Begin to record, unless that is done."""
    if _VARIABLE not in os.environ:
        descriptor, name = tempfile.mkstemp(prefix="byoi-calls-", suffix=".jsonl")
        os.close(descriptor)
        os.environ[_VARIABLE] = name
        _made.append(Path(name))


def stop() -> None:
    """Remove what `start` made."""
    for file in _made:
        file.unlink(missing_ok=True)


def new() -> list[dict[str, Any]]:
    """Return the calls since the last time."""
    with Path(os.environ[_VARIABLE]).open("rb") as file:
        file.seek(_read[0])
        text = file.read()
    complete = text[: text.rfind(b"\n") + 1]
    _read[0] += len(complete)
    found = [json.loads(line) for line in complete.splitlines()]
    _seen.extend(found)
    return found


def all_of_them() -> list[dict[str, Any]]:
    """Return the calls of the whole run so far."""
    new()
    return _seen


def is_whole(config: pytest.Config, items: list[pytest.Item], folder: Path) -> bool:
    """Whether every test of a folder runs."""
    files = {item.path for item in items}
    is_chosen = config.getoption("keyword") or config.getoption("markexpr")
    named = any("::" in str(one) for one in config.args)
    return not is_chosen and not named and set(folder.glob("test_*.py")) <= files


def paths(parameters: Any, before: str = "") -> Iterator[str]:
    """Yield the path of each parameter of a call, `Tags.Key`, also of the query protocol's."""
    if isinstance(parameters, Mapping):
        for name, value in parameters.items():
            path = before + re.sub(r"\.member\.\d+|\.\d+(?=\.|$)", "", name)
            parts = path.split(".")
            yield from (".".join(parts[:count]) for count in range(1, len(parts) + 1))
            yield from paths(value, f"{path}.")
    elif isinstance(parameters, list):
        for one in parameters:
            yield from paths(one, before)
