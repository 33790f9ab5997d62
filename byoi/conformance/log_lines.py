"""Lines of a log, however long it is and whatever is in it.

A pattern never begins with "the rest of the line": on a log of 20,000 lines, or on one line of
20,000 characters, such a search takes half a minute. So a pattern is for what tells, and the line
around it is found afterwards.
"""

import re
from collections.abc import Iterator

from byoi.local import health

_LAST_LINES = 3
_END_LINES, _END_CHARACTERS = 60, 60_000
_TELLING = re.compile(
    r"\w*(?:Error|Exception)\b|\berror:|\bpanic(?:ked)?\b|\bfatal\b|\bdenied\b", re.IGNORECASE
)
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
    lines = health.tail(log[-_END_CHARACTERS:], _END_LINES)
    shown, before = lines[-_LAST_LINES:], lines[:-_LAST_LINES]
    # Of a trace, Node.js, Java, Go and Rust write the error first.
    if not any(map(_TELLING.search, shown)):
        shown = [line for line in before if _TELLING.search(line)][-1:] + shown
    return " | ".join(line.strip()[:_AFTER_CHARACTERS] for line in shown) or "it wrote nothing"
