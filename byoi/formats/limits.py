"""How many instances one request may have: `BYOI_INSTANCES_LIMIT`.

25 MB hold millions of instances of two bytes, and each becomes an object, a row of the model and a
part of the answer: gigabytes, and minutes. So they are counted before anything is made of them: in
lines and rows while they are read, in JSON once it is parsed or, where it is large, before.
"""

import json
import os
import re

from byoi import errors

VARIABLE = "BYOI_INSTANCES_LIMIT"
# 25 MB, the largest body, hold 1.6 million rows of four numbers, which take seconds and 1 GB; two
# million reviews of one word take half a minute. What is above has a few bytes an instance.
DEFAULT = 2_000_000
LARGEST = 10**9

# Below, a body has no room for so many instances that parsing it could hurt.
_LARGE_CHARACTERS = 2**20
_INSTANCES = re.compile(r'\s*(?:\{\s*"instances"\s*:\s*)?\[\s*')
_BETWEEN = re.compile(r"\s*,\s*")
_DECODER = json.JSONDecoder()


def instances() -> int:
    """Return how many instances one request may have.

    Raises:
        ConfigurationError: `BYOI_INSTANCES_LIMIT` is not a whole number from 1 to `LARGEST`.
    """
    value = os.environ.get(VARIABLE)
    if not value:
        return DEFAULT
    digits = value if value.isascii() and value.isdigit() and len(value) <= 10 else "0"
    if 1 <= int(digits) <= LARGEST:
        return int(digits)
    raise errors.ConfigurationError(
        f"{VARIABLE}={value!r}: expected a whole number from 1 to {LARGEST}; set one, or unset it"
    )


def require(count: int, unit: str) -> None:
    """Raise where there are too many instances.

    Args:
        count: How many there are.
        unit: The word for one in a message: instance, line or row.

    Raises:
        TooManyInstances: There are more than the limit.
    """
    # One is always allowed: most requests have one, and do not wait for the environment.
    if count > 1 and count > (limit := instances()):
        raise _too_many(str(count), unit, limit)


def require_more(has_more: bool, limit: int, unit: str) -> None:
    """Raise where there are more instances than those that were read.

    Args:
        has_more: Whether there are more than `limit`.
        limit: As `instances` returned it.
        unit: As in `require`.

    Raises:
        TooManyInstances: There are.
    """
    if has_more:
        raise _too_many(f"more than {limit}", unit, limit)


def require_of_json(text: str) -> None:
    """Raise where a large JSON text has too many instances, before it takes ten times its size.

    Instances are the texts, lists and objects of a list, or of the list under `instances`; other
    values are cheap. A text that is not JSON passes: whoever parses it knows the place.

    Raises:
        TooManyInstances: There are more than the limit.
    """
    if len(text) < _LARGE_CHARACTERS:
        return
    limit = instances()
    # Each instance has two quotes or one bracket at least.
    if text.count('"') // 2 + text.count("[") + text.count("{") <= limit:
        return
    start = _INSTANCES.match(text)
    if start is None:
        return
    place = start.end()
    try:
        for _ in range(limit):
            value, end = _DECODER.raw_decode(text, place)
            between = _BETWEEN.match(text, end)
            if between is None or isinstance(value, int | float):
                return
            place = between.end()
    except (ValueError, RecursionError):
        return
    raise _too_many(f"more than {limit}", "instance", limit)


def _too_many(received: str, unit: str, limit: int) -> errors.TooManyInstances:
    return errors.TooManyInstances(
        f"received {received} {unit}s, expected at most {limit} in one request; send several "
        f"requests, or raise {VARIABLE}"
    )
