"""The control groups of this process (version 1 and 2), and the CPUs that it may use.

Source: cgroups(7), /proc/self/cgroup; Linux cgroup-v2.rst (one tree; `cpu.max`) and cgroup-v1 (one
for each controller, or for a few); sched-bwc.rst (`cpu.cfs_quota_us`, `cpu.cfs_period_us`);
sched_setaffinity(2).
"""

import os
from pathlib import Path

PROCESS_FILE = Path("/proc/self/cgroup")
ROOT = Path("/sys/fs/cgroup")


def folders(controller: str, *, process_file: Path = PROCESS_FILE, root: Path = ROOT) -> list[Path]:
    """Return the folders of this process's group and of its parent groups, nearest first.

    In a container only the root may be visible, which is then the container's own group.

    Args:
        controller: Name of the controller: cpu or memory.
        process_file: Names the group of this process.
        root: Where the control group file system is mounted.
    """
    found: list[Path] = []
    for line in read(process_file).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            tops = [root]
        elif controller in controllers.split(","):
            # Controllers of one tree share a folder, with a link by the name of each.
            tops = [root / controllers, root / controller]
        else:
            continue
        for top in tops:
            group = top / path.lstrip("/")
            found += [one for one in (group, *group.parents) if one.is_relative_to(top)]
    return [one for one in dict.fromkeys(found or [root, root / controller]) if one.is_dir()]


def available_cpus(*, process_file: Path = PROCESS_FILE, root: Path = ROOT) -> int:
    """Return the number of CPUs that this process may use, at least 1.

    The minimum of the CPU affinity and of the quotas of all groups around the process: a container
    with `--cpus 2` on a host of 64 cores still sees 64, and 64 workers would be slower than two.

    Args:
        process_file: Names the control group of this process.
        root: Where the control group file system is mounted.
    """
    affinity = getattr(os, "sched_getaffinity", None)  # absent on macOS
    allowed = len(affinity(0)) if affinity else os.cpu_count() or 1
    groups = folders("cpu", process_file=process_file, root=root)
    quotas = [quota for folder in groups if (quota := _quota(folder)) is not None]
    return max(1, min([allowed, *map(int, quotas)]))


def read(file: Path) -> str:
    """Return the text of a file, "" if it does not exist or cannot be read."""
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return ""


def _quota(folder: Path) -> float | None:
    """Return the quota of a group in CPUs, None if there is none."""
    numbers = read(folder / "cpu.max").split()
    if not numbers:
        names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        numbers = [text for name in names if (text := read(folder / name).strip())]
    if len(numbers) != 2 or not all(number.isdigit() for number in numbers):
        return None  # "max" and -1 are no quota
    return int(numbers[0]) / int(numbers[1])
