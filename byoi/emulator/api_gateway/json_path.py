"""JSONPath, as far as it names one place: `$`, `.name`, `['name']`, `[0]`."""

import re
from typing import Any

from byoi.emulator.aws.errors import NotEmulatedError

_STEP = re.compile(r"\.([A-Za-z_][\w-]*)|\['([^']+)'\]|\[\"([^\"]+)\"\]|\[(\d+)\]")


def find(document: Any, path: str) -> Any:
    """Return the value at a path, None where there is none.

    Args:
        document: Parsed JSON.
        path: A JSONPath, with or without `$`.

    Raises:
        NotEmulatedError: The path may name more than one place.
    """
    rest = path.removeprefix("$")
    if not path.startswith("$"):
        rest = f".{path}"
    while rest:
        step = _STEP.match(rest)
        if step is None:
            raise NotEmulatedError(f"the JSONPath {path}")
        rest = rest[step.end() :]
        name = step[1] or step[2] or step[3]
        if name is not None:
            document = document.get(name) if isinstance(document, dict) else None
        else:
            index = int(step[4])
            has_it = isinstance(document, list) and index < len(document)
            document = document[index] if has_it else None
    return document
