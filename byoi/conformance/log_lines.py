"""Lines of a log, however long it is and whatever is in it.

A pattern never begins with "the rest of the line": on a log of 20,000 lines, or on one line of
20,000 characters, such a search takes half a minute. So a pattern is for what tells, and the line
around it is found afterwards.
"""

import contextlib
import json
import re
from collections.abc import Iterator

from byoi.local import health

_LAST_LINES = 3
_END_LINES, _END_CHARACTERS = 60, 60_000
# Where a line of JSON has its text.
MESSAGES = ("message", "msg", "event")
# As Python, Java, Node.js, Go, Rust and servers begin what they say of an error.
_TELLING = re.compile(
    r"(?:Error|Exception|error|ERROR)\w*[:\]]|^[\w.]*(?:Error|Exception)$|\bException in thread|"
    r"\bpanic(?:ked)?\b|\bfatal\b|\bFATAL\b|\bCRITICAL\b|\b[Dd]enied\b"
)
# Of a line that is longer, its beginning is shown, and what tells, with what is before that. A
# server may log a body of 25 MB.
LINE_CHARACTERS = 300
_HEAD_CHARACTERS, _BEFORE_CHARACTERS = 80, 60
# What tells nothing: the marks below a line of Python, and requests that were answered.
_NOISE = re.compile(
    r"[\s~^]*|.*\"(?:GET|POST|PUT|DELETE|HEAD) /\S* HTTP/1\.[01]\".*|INFO: +\S+ - \"\w+ /.*"
)


def matching(pattern: re.Pattern[str], log: str) -> Iterator[str]:
    """Yield the lines that a pattern matches in; of long ones, the beginning and the match.

    Args:
        pattern: Matches within a line.
        log: All lines.
    """
    at = 0
    while found := pattern.search(log, at):
        begin = log.rfind("\n", 0, found.start()) + 1
        end = log.find("\n", found.end())
        end = len(log) if end < 0 else end
        yield cut(log[begin:end], found.start() - begin).strip()
        at = end + 1


def cut(line: str, match: int = 0) -> str:
    """Return a line of no more than can be shown.

    Args:
        line: A line.
        match: Where in it is what tells.
    """
    if len(line) <= LINE_CHARACTERS:
        return line
    if match < LINE_CHARACTERS // 2:
        return f"{line[: LINE_CHARACTERS - 3]}..."
    rest = line[match - _BEFORE_CHARACTERS :][: LINE_CHARACTERS - _HEAD_CHARACTERS - 8]
    is_whole = line.endswith(rest)
    return f"{line[:_HEAD_CHARACTERS]} ... {rest}{'' if is_whole else '...'}"


def first(pattern: re.Pattern[str], log: str) -> str:
    """Return the first line that a pattern matches in, "" for none."""
    return next(matching(pattern, log), "")


def last(log: str) -> str:
    """Return the end of a log in one line."""
    lines = _end(log)
    shown = lines[-_LAST_LINES:]
    # Of a trace, Node.js, Java, Go and Rust write the error first.
    if not any(map(_TELLING.search, shown)) and (telling := last_telling(log)):
        shown.insert(0, telling)
    return " | ".join(shown) or "it wrote nothing"


def last_telling(log: str) -> str:
    """Return the last line at the end of a log that tells of an error, "" for none."""
    return next((line for line in reversed(_end(log)) if _TELLING.search(line)), "")


def _end(log: str) -> list[str]:
    # Of a line that is longer than all of this, the end is enough.
    lines = health.tail(log[-_END_CHARACTERS:], _END_LINES)
    telling = [line for line in lines if not _NOISE.fullmatch(line)]
    return [cut(_message(line).strip()) for line in telling or lines]


def _message(line: str) -> str:
    """Return what a line of a log in JSON says, any other as it is."""
    if line.startswith("{"):
        # A hostile line may be nested more deeply than Python's parser goes.
        with contextlib.suppress(ValueError, RecursionError):
            content = json.loads(line)
            for name in MESSAGES:
                if isinstance(content.get(name), str):
                    return str(content[name])
    return line
