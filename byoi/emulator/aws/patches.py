"""Attributes of other code's classes that are replaced for a while, and put back."""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

_ABSENT = object()


@contextlib.contextmanager
def replaced(replacements: Iterable[tuple[Any, str, Any]]) -> Iterator[None]:
    """Set attributes, and put back on exit what was there.

    Args:
        replacements: Class or module, name and new value.
    """
    with contextlib.ExitStack() as stack:
        for owner, name, value in replacements:
            # As stored, not as read: a class method would come back bound.
            stack.callback(_put_back, owner, name, vars(owner).get(name, _ABSENT))
            setattr(owner, name, value)
        yield


def _put_back(owner: Any, name: str, value: Any) -> None:
    if value is _ABSENT:
        delattr(owner, name)
    else:
        setattr(owner, name, value)
