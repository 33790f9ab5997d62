"""How many CPUs this process may use, cgroup limits included.

A container with `--cpus 2` on a 64-core host still sees 64 cores; a thread pool
sized by them is slower than one sized by the quota.

Source: Linux kernel documentation, cgroup-v2 `cpu.max` and sched-bwc `cpu.cfs_quota_us`.
"""

import os
from pathlib import Path

CGROUP_ROOT = Path("/sys/fs/cgroup")


def available(cgroup_root: Path = CGROUP_ROOT) -> int:
    """Return the number of CPUs, at least 1: the smaller of affinity and quota.

    Args:
        cgroup_root: Where the cgroup file system is mounted.
    """
    affinity = getattr(os, "sched_getaffinity", None)  # absent on macOS
    allowed = len(affinity(0)) if affinity else os.cpu_count() or 1
    quota = _quota(cgroup_root)
    return max(1, allowed if quota is None else min(allowed, int(quota)))


def _quota(root: Path) -> float | None:
    """Return the quota in CPUs, None where there is none."""
    for quota_file, period_file in (
        (root / "cpu.max", None),
        (root / "cpu" / "cpu.cfs_quota_us", root / "cpu" / "cpu.cfs_period_us"),
    ):
        try:
            numbers = quota_file.read_text().split()
            if period_file is not None:
                numbers += period_file.read_text().split()
        except OSError:
            continue
        if len(numbers) == 2 and numbers[0] not in {"max", "-1"}:
            return int(numbers[0]) / int(numbers[1])
    return None
