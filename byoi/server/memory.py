"""The memory of the container: its limit, out-of-memory kills, and returning freed memory.

Source: Linux cgroup-v2.rst (`memory.max`, `memory.events`) and cgroup-v1/memory.rst
(`memory.limit_in_bytes`, `memory.oom_control`).
"""

import ctypes
import os
from pathlib import Path

from byoi.server import cgroups

# Version 1 writes "no limit" as the largest number of pages.
_UNLIMITED_BYTES = 2**62


class Memory:
    """The memory controller of the control group of this process.

    Args:
        process_file: Names the group of this process.
        cgroup_root: Where the cgroup file system is mounted.
    """

    def __init__(
        self, *, process_file: Path = cgroups.PROCESS_FILE, cgroup_root: Path = cgroups.ROOT
    ) -> None:
        self._folders = cgroups.folders("memory", process_file=process_file, root=cgroup_root)

    def limit_bytes(self) -> int | None:
        """Return the lowest limit of the group and its parent groups, None without one."""
        limits = [
            int(text)
            for folder in self._folders
            for name in ("memory.max", "memory.limit_in_bytes")
            if (text := cgroups.read(folder / name).strip()).isdigit()
        ]
        lowest = min(limits, default=_UNLIMITED_BYTES)
        return lowest if lowest < _UNLIMITED_BYTES else None

    def oom_kills(self) -> int | None:
        """Return how many processes the kernel has killed at the limit, None if unknown."""
        for folder in self._folders:
            for name in ("memory.events", "memory.oom_control"):
                for line in cgroups.read(folder / name).splitlines():
                    key, _, number = line.partition(" ")
                    if key == "oom_kill":
                        return int(number)
        return None

    def described(self) -> str:
        """Return a text about the limit, for a message."""
        if (limit := self.limit_bytes()) is not None:
            return f"the memory limit is {limit // 2**20} MB"
        return f"there is no memory limit, and the machine has {_machine_bytes() // 2**20} MB"

    def total_bytes(self) -> int:
        """Return the memory for all processes together: the limit, at most the machine's memory."""
        limit = self.limit_bytes()
        return _machine_bytes() if limit is None else min(limit, _machine_bytes())


def give_back() -> None:
    """Return freed memory to the system, if the C library can do it (glibc).

    It keeps a part of freed memory for reuse; loading a model frees much memory that nothing uses
    again.

    Source: malloc_trim(3).
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)


def _machine_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
