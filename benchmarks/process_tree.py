"""What the processes of a server cost, read from /proc: CPU seconds, memory, descriptors.

A server is the process that was started with all its descendants, whatever groups they made.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
# Fields of /proc/PID/stat after the name, counted from 0: proc(5) counts from 1, and has pid and
# name before them.
_PARENT, _CPU = 1, slice(11, 15)


@dataclass(frozen=True)
class Process:
    """One process.

    Attributes:
        pid: Its id.
        parent: The id of its parent.
        name: Of its program, as the kernel has it: at most 15 characters.
        cpu_s: CPU seconds of it and of its children that have ended, user and system.
    """

    pid: int
    parent: int
    name: str
    cpu_s: float


def parse_stat(text: str) -> Process:
    """Read a file /proc/PID/stat; the name may have blanks and parentheses."""
    pid, _, rest = text.partition(" (")
    name, _, numbers = rest.rpartition(") ")
    fields = numbers.split()
    ticks = sum(int(value) for value in fields[_CPU])
    return Process(int(pid), int(fields[_PARENT]), name, ticks * _TICK_S)


def tree(root: int) -> list[Process]:
    """Return a process and its descendants that live now."""
    return descendants(root, list(_all()))


def descendants(root: int, processes: list[Process]) -> list[Process]:
    """Return those of some processes that are `root` or descend from it."""
    found = [one for one in processes if one.pid == root]
    # It grows while it is read: children are added behind their parents.
    for parent in found:
        found += [one for one in processes if one.parent == parent.pid and one.pid != one.parent]
    return found


def cpu_s(root: int) -> float:
    """Return the CPU seconds of a tree of processes until now."""
    return sum(one.cpu_s for one in tree(root))


def pss_mb(root: int) -> float:
    """Return the memory of a tree in MB; what processes share is counted once (PSS)."""
    total_kb = 0
    for process in tree(root):
        # It may end meanwhile.
        with contextlib.suppress(OSError):
            rollup = (_PROC / str(process.pid) / "smaps_rollup").read_text(encoding="ascii")
            total_kb += parse_pss_kb(rollup)
    return total_kb * 1024 / 1e6


def descriptors(root: int) -> int:
    """Return how many files, sockets and pipes the processes of a tree have open."""
    total = 0
    for process in tree(root):
        # It may end meanwhile.
        with contextlib.suppress(OSError):
            total += len(list((_PROC / str(process.pid) / "fd").iterdir()))
    return total


def parse_pss_kb(rollup: str) -> int:
    """Return the kB of the line `Pss:` of a file smaps_rollup."""
    return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))


def _all() -> Iterator[Process]:
    for folder in _PROC.iterdir():
        if folder.name.isdecimal():
            # It may end meanwhile.
            with contextlib.suppress(OSError):
                yield parse_stat((folder / "stat").read_text(encoding="utf-8", errors="replace"))
