"""Values of the command line that several verbs take."""

import os
from collections.abc import Sequence

from byoi import errors


def environment(pairs: Sequence[str]) -> dict[str, str]:
    """Return the variables of a container.

    Args:
        pairs: `NAME=VALUE`, or `NAME`, whose value is this command's own.

    Raises:
        ConfigurationError: One is neither, or is not set here.
    """
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not name:
            raise errors.ConfigurationError(f"--env {pair!r}: expected NAME=VALUE, or NAME")
        if not equals and name not in os.environ:
            raise errors.ConfigurationError(
                f"--env {name}: expected NAME=VALUE, or a variable of this command's own "
                f"environment, which has no {name}; export it"
            )
        found[name] = value if equals else os.environ[name]
    return found
