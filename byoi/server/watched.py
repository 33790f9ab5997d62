"""The files that a loaded model depends on, and their changes.

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
"""By file: time of the last change in ns, size in bytes, and inode number."""

# Folders of installed packages, and of files that are not source.
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
    """Return all files below a folder, except hidden ones.

    Args:
        folder: The folder; it may be missing.
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
        without: Names of modules that are never reloaded.
    """
    known, found = set(without), {}
    # Each request checks some thousand modules, so compare texts instead of paths.
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
    # Native code cannot be loaded twice, so a package that has some is not reloaded.
    endings = tuple(EXTENSION_SUFFIXES)
    native = {name.partition(".")[0] for name, _, file in loaded if file.endswith(endings)}
    return {name: module for name, module in found.items() if name.partition(".")[0] not in native}


def place(module: Any) -> str:
    """Return the file of a module, the folder of a package without `__init__.py`, or "".

    Such a package has its modules as attributes, so it must be reloaded with them.
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
    """Wait until files no longer change, at most a second."""
    end_s, names = time.monotonic() + _SETTLE_AT_MOST_S, list(files)
    before = stamps(names)
    while time.monotonic() < end_s:
        time.sleep(_SETTLE_S)
        now = stamps(names)
        if now == before:
            return
        before = now
