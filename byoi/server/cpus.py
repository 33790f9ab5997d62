"""How many CPUs the server may use: of its affinity and of its control group.

Source: sched_setaffinity(2); Linux cgroup-v2.rst (`cpu.max`) and sched-bwc.rst
(`cpu.cfs_quota_us`, `cpu.cfs_period_us`).
"""

import os
from pathlib import Path

from byoi.server import cgroups


def available(
    *, process_file: Path = cgroups.PROCESS_FILE, cgroup_root: Path = cgroups.ROOT
) -> int:
    """Return the number of CPUs that this process may use, at least 1.

    The smaller of affinity and quota, and of the quotas the smallest around the process: a
    container with `--cpus 2` on a host of 64 cores still sees 64, and 64 workers there are slower
    than two.

    Args:
        process_file: Names the control group of this process.
        cgroup_root: Where the control group file system is mounted.
    """
    affinity = getattr(os, "sched_getaffinity", None)  # absent on macOS
    allowed = len(affinity(0)) if affinity else os.cpu_count() or 1
    folders = cgroups.folders("cpu", process_file=process_file, root=cgroup_root)
    quotas = [quota for folder in folders if (quota := _quota(folder)) is not None]
    return max(1, min([allowed, *map(int, quotas)]))


def _quota(folder: Path) -> float | None:
    """Return the quota of a group in CPUs, None if there is none."""
    numbers = cgroups.read(folder / "cpu.max").split()
    if not numbers:
        names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        numbers = [text for name in names if (text := cgroups.read(folder / name).strip())]
    if len(numbers) != 2 or not all(number.isdigit() for number in numbers):
        return None  # "max" and -1 are no quota
    return int(numbers[0]) / int(numbers[1])
