"""Lines of a log, however long it is and whatever is in it.

A pattern never begins with "the rest of the line": on a log of 20,000 lines, or on one line of
20,000 characters, such a search takes half a minute. So a pattern is for what tells, and the line
around it is found afterwards.
"""

import re
from collections.abc import Iterator

from byoi.local import health

_LAST_LINES = 3
# Of a line: what is shown before and after what tells. A server may log a body of 25 MB.
_BEFORE_CHARACTERS, _AFTER_CHARACTERS = 200, 300


def matching(pattern: re.Pattern[str], log: str) -> Iterator[str]:
    """Yield the lines that a pattern matches in, without what is far from the match.

    Args:
        pattern: Matches within a line.
        log: All lines.
    """
    at = 0
    while found := pattern.search(log, at):
        first = max(0, found.start() - _BEFORE_CHARACTERS)
        begin = log.rfind("\n", first, found.start()) + 1 or first
        end = log.find("\n", found.end())
        end = len(log) if end < 0 else end
        yield log[begin : min(end, found.end() + _AFTER_CHARACTERS)].strip()
        at = end + 1


def first(pattern: re.Pattern[str], log: str) -> str:
    """Return the first line that a pattern matches in, "" for none."""
    return next(matching(pattern, log), "")


def last(log: str) -> str:
    """Return the end of a log in one line."""
    # Of a line that is longer than all of this, the end is enough.
    end = log[-_LAST_LINES * 20_000 :]
    lines = [line[:_AFTER_CHARACTERS] for line in health.tail(end, _LAST_LINES)]
    return " | ".join(lines) or "it wrote nothing"
