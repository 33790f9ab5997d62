"""Short tracebacks of errors in the user's code.

A traceback through gunicorn, Flask and this server has about twenty frames before the first one of
the user. Frames in the user's folders are shown, the others are counted.
"""

import traceback
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from traceback import FrameSummary, StackSummary, TracebackException

from byoi import terminal

_OTHERS = {"site-packages", "dist-packages"}


def summary(error: BaseException, folders: Sequence[Path]) -> str:
    """Return an error in one line: type, message and the last line of the user's code.

    Args:
        error: The raised error.
        folders: Folders of the user's code.
    """
    what = terminal.one_line("".join(traceback.format_exception_only(error)[-1:]).strip())
    if isinstance(error, SyntaxError) and error.filename:
        return f"{what} ({_shown(error.filename, folders)}, line {error.lineno})"
    own = [one for one in traceback.extract_tb(error.__traceback__) if _is_own(one, folders)]
    if not own:
        return what
    place = f"{_shown(own[-1].filename, folders)}, line {own[-1].lineno}"
    inside = "" if own[-1].name == "<module>" else f", in {own[-1].name}"
    return f"{what} ({place}{inside})"


def readable(error: BaseException, folders: Sequence[Path]) -> str:
    """Return an error in several lines: message, the user's frames, and the number of others.

    Args:
        error: The raised error; its causes follow.
        folders: Folders of the user's code.
    """
    return terminal.escape("\n".join(_lines(TracebackException.from_exception(error), folders)))


def _lines(error: TracebackException, folders: Sequence[Path]) -> list[str]:
    own = [frame for frame in error.stack if _is_own(frame, folders)]
    lines = [line.rstrip() for line in "".join(error.format_exception_only()).splitlines()]
    for frame in own:
        lines.append(f"  {_shown(frame.filename, folders)}, line {frame.lineno}, in {frame.name}")
        lines += [f"      {frame.line}"] if frame.line else []
    # After the user's last line: the last line of the library that raised the error.
    if error.stack and not _is_own(error.stack[-1], folders):
        last = error.stack[-1]
        lines.append(f"  raised by {last.filename}, line {last.lineno}, in {last.name}")
    if left_out := _packages(error.stack, folders):
        lines.append(f"  (frames left out: {left_out})")
    cause = error.__cause__
    if cause is None and not error.__suppress_context__:
        cause = error.__context__
    if cause is not None:
        lines += ["caused by:" if error.__cause__ else "while handling:", *_lines(cause, folders)]
    return lines


def _packages(stack: StackSummary, folders: Sequence[Path]) -> str:
    """Return the number of other frames of each package, in the order of the calls."""
    names = Counter(_package(frame.filename) for frame in stack if not _is_own(frame, folders))
    return ", ".join(f"{name} {number}" for name, number in names.items())


def _package(file: str) -> str:
    """Return the name of the package that a file belongs to."""
    parts = Path(file).parts
    for place, part in enumerate(parts):
        if part in _OTHERS and place + 1 < len(parts):
            return parts[place + 1].removesuffix(".py")
    return "byoi" if "byoi" in parts else "Python"


def _is_own(frame: FrameSummary, folders: Sequence[Path]) -> bool:
    path = Path(frame.filename)
    for folder in folders:
        if path.is_relative_to(folder):
            return not _OTHERS & set(path.relative_to(folder).parts)
    return False


def _shown(file: str, folders: Sequence[Path]) -> str:
    """Return a file's path relative to the user's folder, if it is inside one."""
    path = Path(file)
    for folder in folders:
        if path.is_relative_to(folder):
            return str(path.relative_to(folder))
    return file
