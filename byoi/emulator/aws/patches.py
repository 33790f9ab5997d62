"""Patches of moto: attributes that are replaced for a while, and parameters that moto drops.

moto's responses pass on those parameters of a request that their backends know. The patched
backends read the others from `request_parameters`.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

_ABSENT = object()
_request: ContextVar[Mapping[str, Any]] = ContextVar("request", default={})  # noqa: B039 - read only


@contextlib.contextmanager
def replaced(replacements: Iterable[tuple[Any, str, Any]]) -> Iterator[None]:
    """Set attributes, and restore the previous values on exit.

    Args:
        replacements: Class or module, name and new value.
    """
    with contextlib.ExitStack() as stack:
        for owner, name, value in replacements:
            # As stored, not as read: reading binds a class method.
            stack.callback(_restore, owner, name, vars(owner).get(name, _ABSENT))
            setattr(owner, name, value)
        yield


@contextlib.contextmanager
def requesting(parameters: Mapping[str, Any]) -> Iterator[None]:
    """Let `request_parameters` return these parameters in this thread meanwhile."""
    token = _request.set(parameters)
    try:
        yield
    finally:
        _request.reset(token)


def request_parameters() -> Mapping[str, Any]:
    """Return all parameters of the request in progress; empty without one."""
    return _request.get()


def _restore(owner: Any, name: str, value: Any) -> None:
    if value is _ABSENT:
        delattr(owner, name)
    else:
        setattr(owner, name, value)
