"""Files that a loaded model depends on, and whether they changed.

Source: Python's documentation of `sys.modules` and of modules' `__file__`.
"""

import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import ModuleType
from typing import Any

Stamps = dict[str, tuple[int, int, int]]
"""Of each file: time of its last change in ns, bytes, and number on its disk."""

# Folders of other people's packages, and of what is no source.
_LEFT_OUT = {"site-packages", "dist-packages", "__pycache__", "node_modules"}
_SETTLE_S = 0.03
_SETTLE_AT_MOST_S = 1.0


def stamps(files: Iterable[str]) -> Stamps:
    """Return the stamps of those files that exist."""
    found = {}
    for file in files:
        try:
            status = os.stat(file)  # noqa: PTH116 - of many, and their names are texts
        except OSError:
            continue
        found[file] = (status.st_mtime_ns, status.st_size, status.st_ino)
    return found


def files_below(folder: Path, *, without: Sequence[Path] = ()) -> Iterator[str]:
    """Return the files of a folder and those below it, but hidden ones.

    Args:
        folder: Need not exist.
        without: Folders to leave out.
    """
    left_out = {str(path) for path in without}
    for parent, folders, files in os.walk(folder):
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".")
            and name not in _LEFT_OUT
            and os.path.join(parent, name) not in left_out  # noqa: PTH118 - as above
        ]
        yield from (os.path.join(parent, name) for name in files if not name.startswith("."))  # noqa: PTH118


def modules_below(folders: Sequence[Path], *, without: Iterable[str]) -> dict[str, ModuleType]:
    """Return the imported modules whose source is in a folder, by name.

    Args:
        folders: Absolute paths.
        without: Names of modules that are never loaded again.
    """
    known, found = set(without), {}
    # Each request looks at some thousand modules, so this compares texts.
    starts = tuple(f"{folder}{os.sep}" for folder in folders)
    loaded = [
        (name, module, file)
        for name, module in list(sys.modules.items())
        if (file := place(module)).startswith(starts)
    ]
    for name, module, file in loaded:
        is_theirs = name not in known and name.partition(".")[0] != "byoi"
        if is_theirs and any(_is_source_in(folder, file) for folder in folders):
            found[name] = module
    # Native code cannot be loaded twice, so a package with some stays as it is.
    endings = tuple(EXTENSION_SUFFIXES)
    native = {name.partition(".")[0] for name, _, file in loaded if file.endswith(endings)}
    return {name: module for name, module in found.items() if name.partition(".")[0] not in native}


def place(module: Any) -> str:
    """Return the file of a module, or the folder of a package without `__init__.py`; "" of others.

    Such a package keeps its modules as attributes, so that it must be forgotten with them.
    """
    if isinstance(file := getattr(module, "__file__", None), str):
        return file
    folders = list(getattr(module, "__path__", None) or ())
    return f"{folders[0]}{os.sep}" if folders else ""


def _is_source_in(folder: Path, file: str) -> bool:
    path = Path(file)
    if not path.is_relative_to(folder):
        return False
    parts = path.relative_to(folder).parts
    return not any(part in _LEFT_OUT or part.startswith(".") for part in parts)


def settle(files: Iterable[str]) -> None:
    """Wait until files that are being written are written, at most a second."""
    end_s, names = time.monotonic() + _SETTLE_AT_MOST_S, list(files)
    before = stamps(names)
    while time.monotonic() < end_s:
        time.sleep(_SETTLE_S)
        now = stamps(names)
        if now == before:
            return
        before = now
