"""Texts that come from elsewhere, made safe to print.

What a container, a registry, AWS or a client wrote may hold characters that a terminal obeys: they
set its title, clear the screen, write to the clipboard, or move back over the line before. Here
they are shown, as Python would write them.

Sources: ECMA-48 (C0 and C1 control functions); Unicode Technical Report 36, 3.2 (bidirectional
text), and the categories Zl, Zp and Cs; CVE-2021-42574.
"""

import re
from collections.abc import Callable

# Control characters except the line feed and the tab; characters that change the direction of the
# text around them; line separators; half surrogate pairs; invisible tags.
_OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff"
    "\U000e0000-\U000e007f]"
)
_LINE_BREAK = "\n"
# A line that belongs to the one before it begins with this, so that it cannot pass for another.
CONTINUATION = "  "


def escape(text: str) -> str:
    r"""Return a text with its control characters shown, such as `\x1b`; line breaks stay."""
    return _OBEYED.sub(_shown, text)


def one_line(text: str) -> str:
    r"""Return a text as one line: line breaks are shown too, as `\n`."""
    return escape(text).replace(_LINE_BREAK, r"\n").replace("\t", " ")


def message(text: str) -> str:
    """Return a text of several lines as one message, whose further lines are indented."""
    return escape(text).replace(_LINE_BREAK, _LINE_BREAK + CONTINUATION)


def showing(show: Callable[[str], None]) -> Callable[[str], None]:
    """Return a function that makes a line safe before it is shown."""

    def safe(line: str) -> None:
        show(message(line))

    return safe


def _shown(match: re.Match[str]) -> str:
    number = ord(match[0])
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
