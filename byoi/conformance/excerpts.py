"""The lines of a log with errors and warnings, for the report's page.

Only the beginning of a line is searched, because a server may log a body of 25 MB.

Sources: error messages of Python, Node.js, Java, Go and Rust; the access logs of uvicorn, werkzeug,
gunicorn and nginx.
"""

import contextlib
import itertools
import json
import re
from collections.abc import Iterator

from byoi.conformance import log_lines

_END_CHARACTERS = 2_000_000
_SEARCHED_CHARACTERS = 4_000
# Maximum lines of one error, and maximum number of errors.
_BLOCK_LINES, _BLOCKS = 12, 24
_TELLING = re.compile(
    r"error|exception|traceback|critical|fatal|panic|warn(?:ing)?\b|killed|denied|refused|"
    r"read-only|\bfail(?:ed|ure|s)?\b|cannot|could not|unable to|time(?:d )?-?out",
    re.IGNORECASE,
)
_LEVELS = {"warning", "warn", "error", "critical", "fatal", "alert", "emergency"}
_ACCESS = re.compile(r"\"(?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS) /\S*(?: HTTP/[\d.]+)?\"")
# Python's marks below a line, and terminal colours; both are removed.
_MARKS = re.compile(r"[\s~^]+")
_COLOURS = re.compile(r"\x1b\[[\d;]*m")
_TRACEBACK = "Traceback (most recent call last)"
_TRACES = ("traceback", "exception", "exc_info", "stack")
# Parts that may differ between repetitions of a message: times, ids, addresses.
_VARYING = re.compile(r"0x[0-9a-f]+|[0-9a-f]{8}-[0-9a-f-]{27}|\d+")


def telling(log: str) -> list[str]:
    """Return the lines of a log with errors and warnings, and the lines that belong to them.

    Repeated messages are shown once, with their number. Lines of access logs are left out,
    whatever their status.

    Args:
        log: The whole log.
    """
    blocks: dict[str, tuple[list[str], int]] = {}
    for block in _blocks(_lines(log)):
        key = _VARYING.sub("#", "\n".join(block))
        first, times = blocks.get(key, (block, 0))
        blocks[key] = first, times + 1
    shown = [_counted(block, times) for block, times in blocks.values()]
    if len(shown) > _BLOCKS:
        head, tail = shown[: _BLOCKS // 2], shown[-_BLOCKS // 2 :]
        shown = [*head, [f"... {len(shown) - _BLOCKS} more errors and warnings ..."], *tail]
    return list(itertools.chain.from_iterable(shown))


def _lines(log: str) -> Iterator[str]:
    for line in log[-_END_CHARACTERS:].splitlines():
        plain = _COLOURS.sub("", line).rstrip()
        yield from _unfolded(plain) if plain.startswith("{") else (plain,)


def _unfolded(line: str) -> list[str]:
    """Return a JSON line as its message, followed by its traceback."""
    # Deeply nested JSON is valid, but too deep for Python's parser.
    with contextlib.suppress(ValueError, RecursionError):
        content = json.loads(line)
        texts = [str(content[name]) for name in log_lines.MESSAGES if content.get(name)][:1]
        traces = [content[name] for name in _TRACES if isinstance(content.get(name), str)][:1]
        level = str(content.get("level") or content.get("severity") or "").lower()
        if not texts and level not in _LEVELS:
            return []
        words = " ".join(texts) or line
        # Indent further lines, so that they belong to the first one.
        below = [f"  {one}" for one in "\n".join([words, *traces]).splitlines()]
        return [
            f"{level}: {below[0].strip()}" if level in _LEVELS else below[0].strip(),
            *below[1:],
        ]
    return [line]


def _blocks(lines: Iterator[str]) -> Iterator[list[str]]:
    """Yield each line with an error or warning, with the lines below that belong to it."""
    block: list[str] = []
    is_trace = False
    for line in lines:
        is_indented = line[:1] in {" ", "\t"}
        if block and (is_indented or (is_trace and not line)):
            block.append(line)
        elif is_trace and not _begins_trace(line):
            # The line after a traceback of Python is the error.
            block.append(line)
            yield block
            block, is_trace = [], False
        else:
            if block:
                yield block
            block = [line] if _tells(line) else []
            is_trace = _begins_trace(line)
    if block:
        yield block


def _begins_trace(line: str) -> bool:
    return _TRACEBACK in line[:_SEARCHED_CHARACTERS]


def _tells(line: str) -> bool:
    beginning = line[:_SEARCHED_CHARACTERS]
    return bool(_TELLING.search(beginning)) and not _ACCESS.search(beginning)


def _counted(block: list[str], times: int) -> list[str]:
    """Return the lines to show of an error: the first, the last ones, and its number."""
    lines = [log_lines.cut(one) for one in block if one and not _MARKS.fullmatch(one)]
    if len(lines) > _BLOCK_LINES:
        lines = [lines[0], "  ...", *lines[2 - _BLOCK_LINES :]]
    return [*lines[:-1], f"{lines[-1]} ({times} times)"] if times > 1 else lines
