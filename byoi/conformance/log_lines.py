"""Find lines in a log of any length and content.

A pattern must not match "the rest of the line": on a log of 20,000 lines, or on a line of 20,000
characters, such a search takes half a minute. So a pattern matches only the relevant words, and
the line around them is found afterwards.
"""

import contextlib
import json
import re
from collections.abc import Iterator

from byoi.local import health

_LAST_LINES = 3
_END_LINES, _END_CHARACTERS, _LONG_END_CHARACTERS = 60, 60_000, 2_000_000
# Times, and nginx's numbers of a process and a connection.
_STAMP = re.compile(r"\d{2,4}[/-]\d\d[/-]\d{2,4}[ T]\d\d:\d\d:\d\d\S*|\d+#\d+: \*\d+")
# Fields with the message of a JSON line.
MESSAGES = ("message", "msg", "event")
# Words with which Python, Java, Node.js, Go, Rust and servers begin an error message.
_TELLING = re.compile(
    r"(?:Error|Exception|error|ERROR)\w*[:\]]|^[\w.]*(?:Error|Exception)$|\bException in thread|"
    r"\bpanic(?:ked)?\b|\bfatal\b|\bFATAL\b|\bCRITICAL\b|\b[Dd]enied\b"
)
# Of a longer line, its beginning and the part around the match are shown. A server may log a body
# of 25 MB.
LINE_CHARACTERS = 300
_HEAD_CHARACTERS, _BEFORE_CHARACTERS = 80, 60
# Lines without information: Python's marks below a line, and lines of access logs.
_NOISE = re.compile(
    r"[\s~^]*|.*\"(?:GET|POST|PUT|DELETE|HEAD) /\S* HTTP/1\.[01]\".*|INFO: +\S+ - \"\w+ /.*"
)


def matching(pattern: re.Pattern[str], log: str) -> Iterator[str]:
    """Yield the lines that match a pattern; of long ones, the beginning and the match.

    Args:
        pattern: Matches within a line.
        log: The whole log.
    """
    at = 0
    while found := pattern.search(log, at):
        begin = log.rfind("\n", 0, found.start()) + 1
        end = log.find("\n", found.end())
        end = len(log) if end < 0 else end
        yield cut(log[begin:end], found.start() - begin).strip()
        at = end + 1


def cut(line: str, match: int = 0) -> str:
    """Return a line, shortened to `LINE_CHARACTERS`.

    Args:
        line: A line.
        match: Position of the relevant part in it.
    """
    if len(line) <= LINE_CHARACTERS:
        return line
    if match < LINE_CHARACTERS // 2:
        return f"{line[: LINE_CHARACTERS - 3]}..."
    rest = line[match - _BEFORE_CHARACTERS :][: LINE_CHARACTERS - _HEAD_CHARACTERS - 8]
    is_whole = line.endswith(rest)
    return f"{line[:_HEAD_CHARACTERS]} ... {rest}{'' if is_whole else '...'}"


def first(pattern: re.Pattern[str], log: str) -> str:
    """Return the first line that matches a pattern, "" without one."""
    return next(matching(pattern, log), "")


def last(log: str) -> str:
    """Return the end of a log in one line; of lines that differ only in their time, the last."""
    different: dict[str, str] = {}
    for line in reversed(_end(log)):
        different.setdefault(_STAMP.sub("", line), line)
    shown = list(different.values())[:_LAST_LINES][::-1]
    # Node.js, Java, Go and Rust write the error before the traceback.
    if not any(map(_TELLING.search, shown)) and (telling := last_telling(log)):
        shown.insert(0, telling)
    return " | ".join(shown) or "it wrote nothing"


def last_telling(log: str) -> str:
    """Return the last line with an error at the end of a log, "" without one."""
    return next((line for line in reversed(_end(log)) if _TELLING.search(line)), "")


def repeated_error(log: str) -> tuple[int, str]:
    """Return how often the last error of a log is in its end, and its line; 0 without an error.

    Lines that differ only in their time are equal.
    """
    line = last_telling(log)
    if not line:
        return 0, ""
    lines = map(cut, map(str.strip, health.plain_lines(log[-_END_CHARACTERS:])))
    wanted = _STAMP.sub("", line)
    return sum(_STAMP.sub("", _message(one)) == wanted for one in lines), line


def _end(log: str) -> list[str]:
    # Of a very long line, the end is enough; a long end may be health checks alone.
    lines = health.tail(log[-_END_CHARACTERS:], _END_LINES)
    lines = lines or health.tail(log[-_LONG_END_CHARACTERS:], _END_LINES)
    telling = [line for line in lines if not _NOISE.fullmatch(line)]
    return [cut(_message(line).strip()) for line in telling or lines]


def _message(line: str) -> str:
    """Return the message of a JSON line; any other line unchanged."""
    if line.startswith("{"):
        # A hostile line may be nested more deeply than Python's parser goes.
        with contextlib.suppress(ValueError, RecursionError):
            content = json.loads(line)
            for name in MESSAGES:
                if isinstance(content.get(name), str):
                    return str(content[name])
    return line
