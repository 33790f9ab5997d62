"""The memory of the container: its limit, whether the kernel has enforced it, and giving it back.

Source: Linux cgroup-v2.rst (`memory.max`, `memory.events`) and cgroup-v1/memory.rst
(`memory.limit_in_bytes`, `memory.oom_control`); cgroups(7) for /proc/self/cgroup.
"""

import ctypes
import os
from pathlib import Path

PROCESS_FILE = Path("/proc/self/cgroup")
CGROUP_ROOT = Path("/sys/fs/cgroup")
# Version 1 writes "no limit" as the largest number of pages.
_UNLIMITED_BYTES = 2**62


class Memory:
    """The memory controller of the control group of this process.

    Args:
        process_file: Names the group of this process.
        cgroup_root: Where the cgroup file system is mounted.
    """

    def __init__(
        self, *, process_file: Path = PROCESS_FILE, cgroup_root: Path = CGROUP_ROOT
    ) -> None:
        self._folders = _folders(process_file, cgroup_root)

    def limit_bytes(self) -> int | None:
        """Return the lowest limit of the group and of those around it, None without one."""
        limits = [
            int(text)
            for folder in self._folders
            for name in ("memory.max", "memory.limit_in_bytes")
            if (text := _read(folder / name).strip()).isdigit()
        ]
        lowest = min(limits, default=_UNLIMITED_BYTES)
        return lowest if lowest < _UNLIMITED_BYTES else None

    def oom_kills(self) -> int | None:
        """Return how many processes the kernel has killed at the limit, None if it does not say."""
        for folder in self._folders:
            for name in ("memory.events", "memory.oom_control"):
                for line in _read(folder / name).splitlines():
                    key, _, number = line.partition(" ")
                    if key == "oom_kill":
                        return int(number)
        return None

    def described(self) -> str:
        """Return the limit for a message: a number of MB, or that there is none."""
        if (limit := self.limit_bytes()) is not None:
            return f"the memory limit is {limit // 2**20} MB"
        machine_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return f"there is no memory limit, and the machine has {machine_bytes // 2**20} MB"


def give_back() -> None:
    """Give memory that was freed back to the system, where the C library can: glibc's.

    It keeps a part of what it has freed, for the next use; loading a model frees much, once.

    Source: malloc_trim(3).
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)


def _folders(process_file: Path, root: Path) -> list[Path]:
    """Return the folder of the group and those around it, nearest first.

    In a container only the root may be visible, which is then the container's own group.
    """
    folders: list[Path] = []
    for line in _read(process_file).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            top = root
        elif "memory" in controllers.split(","):
            top = root / "memory"
        else:
            continue
        group = top / path.lstrip("/")
        folders += [one for one in (group, *group.parents) if one.is_relative_to(top)]
    return [one for one in (folders or [root, root / "memory"]) if one.is_dir()]


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return ""
