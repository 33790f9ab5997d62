"""What the emulator needs beside this library: the packages of the extra `emulator`."""

import importlib.util
from collections.abc import Callable
from typing import Any

from byoi import errors

# Each can be missing by itself; the first two are parts of `moto[server]`.
_PACKAGES = ("moto", "flask_cors", "airspeed", "jsonschema")


def require(find: Callable[[str], Any] = importlib.util.find_spec) -> None:
    """Check that the packages are there, without importing any.

    Args:
        find: Name to what is known of a package, None where it is not installed.

    Raises:
        MissingProgramError: One is not; the message says how to get it.
    """
    missing = [name for name in _PACKAGES if find(name) is None]
    if missing:
        raise errors.MissingProgramError(
            f"the emulator needs the Python package {' and '.join(missing)}, which is not "
            "installed; install it with: pip install 'byoi[emulator]'"
        )
