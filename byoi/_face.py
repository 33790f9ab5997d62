"""The face of a package: the names it offers, each imported when it is first used (PEP 562).

A face lists its names twice, for people and type checkers as imports under
`TYPE_CHECKING` and in `__all__`, and for Python as an argument of `make`;
tests/repository/test_faces.py holds them together.
"""

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def make(
    package: str, homes: Mapping[str, str], *, before: Callable[[], object] = lambda: None
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return a package's `__getattr__` and `__dir__`.

    Args:
        package: The package's full name.
        homes: The module that each name comes from, relative to the package; `module:name`
            where the name there is another one. A submodule is its own home.
        before: Called before a home is imported; it raises where something is missing.
    """

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        before()
        module, _, attribute = homes[name].partition(":")
        found: Any = importlib.import_module(f"{package}.{module}")
        if name != module:
            found = getattr(found, attribute or name)
            # The next use finds it without this function.
            setattr(sys.modules[package], name, found)
        return found

    def list_names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes})

    return find, list_names
