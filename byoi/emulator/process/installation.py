"""The Python packages that the emulator needs: those of the extra `emulator`."""

import importlib.util
from collections.abc import Callable

from byoi import extras


def require(find: Callable[[str], object] = importlib.util.find_spec) -> None:
    """Check that the packages are installed, without importing any.

    Args:
        find: Tells whether a package is installed; None is no.

    Raises:
        MissingPackageError: One is not; the message says how to get it.
    """
    extras.require("the emulator", *extras.EXTRAS["emulator"], find=find)
