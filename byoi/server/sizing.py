"""The number of workers and its reason: from the CPUs, the memory and the size of the model.

Each worker has the whole model, and all load it at the same time, so the memory of a worker while
it loads is what counts. It is estimated from the size of the model's files. When the server is
ready, the memory of the workers is measured, and logged with the estimate.

Source: proc(5), `smaps_rollup` (a page that several processes share counts for each in part).
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from byoi.server.memory import Memory
from byoi.server.settings import Settings

# Measured by benchmarks/worker_memory.py, with ONNX Runtime and with forests of scikit-learn: a
# worker takes 1.0 to 1.1 times its model's files, 2.1 times while it loads them, and beside them
# 30 to 110 MB for the libraries that it imports itself.
LOADING_FACTOR = 2.1
WORKER_BYTES = 110 * 2**20
# Two, so that one serves while the other is replaced.
_LEAST = 2
_MOST = 256
_MB = 2**20


@dataclass(frozen=True)
class Sizing:
    """How many workers there are.

    Attributes:
        workers: Number of workers, at least 1.
        threads: Threads of one prediction, at least 1: each worker's share of the CPUs.
        reason: Reason for the number, for the log.
        memory_bytes: Memory for all workers: the memory limit, at most the machine's memory.
        memory: A text about that memory, for the log.
    """

    workers: int
    threads: int
    reason: str
    memory_bytes: int
    memory: str


def choose(settings: Settings, *, cpus: int, memory: Memory, model_bytes: int) -> Sizing:
    """Choose the number of workers; a number in the settings is always used.

    Args:
        settings: With `workers`, 0 to let the server choose.
        cpus: As `cgroups.available_cpus`.
        memory: The memory of the server.
        model_bytes: As `size_of` the model directory.
    """
    total = memory.total_bytes()
    for_each = WORKER_BYTES + LOADING_FACTOR * model_bytes
    held = max(1, int(total // for_each))
    estimate = (
        f"each is estimated at {for_each / _MB:.0f} MB while it loads {model_bytes / _MB:.0f} MB "
        "of model data"
    )
    wanted = min(max(cpus, _LEAST), _MOST)
    if settings.workers:
        workers, reason = settings.workers, "as SAGEMAKER_MODEL_SERVER_WORKERS says"
        if workers > held:
            reason += f", although there is memory for {held}: {estimate}"
    elif wanted > held:
        workers = held
        reason = f"limited by memory: {estimate}; with {_of(cpus)} there would be {wanted}"
    elif cpus >= _LEAST:
        workers, reason = wanted, f"one for each of {_of(cpus)}"
    else:
        workers, reason = wanted, f"on {_of(cpus)}, so that one serves while the other is replaced"
    return Sizing(workers, max(1, cpus // workers), reason, total, memory.described())


def size_of(folder: Path) -> int:
    """Return the bytes of all files below a folder; unreadable files count as 0."""
    return sum(
        _bytes(os.path.join(parent, name))  # noqa: PTH118 - a text for each file
        for parent, _, names in os.walk(folder)
        for name in names
    )


def taken_bytes(pids: Iterable[int], *, proc: Path = Path("/proc")) -> list[int]:
    """Return the memory of each process now, with its part of shared pages.

    Args:
        pids: Process ids; a process that has ended, or whose memory is unknown, is left out.
        proc: Where the process file system is mounted.
    """
    found = []
    for pid in pids:
        try:
            text = (proc / str(pid) / "smaps_rollup").read_text(encoding="ascii")
        except OSError:
            continue
        found += [int(line.split()[1]) * 1024 for line in text.splitlines() if line[:4] == "Pss:"]
    return found


def told(sizing: Sizing, taken: list[int]) -> tuple[str, str]:
    """Return the level and the line about the workers.

    Args:
        sizing: The chosen number of workers.
        taken: As `taken_bytes`, for the workers that have loaded the model.
    """
    noun = "worker" if sizing.workers == 1 else "workers"
    text = f"{sizing.workers} {noun}, {_of(sizing.threads)} for each: {sizing.reason}"
    if not taken:
        return "info", text
    needed = max(taken) * sizing.workers
    text += f"; each takes {max(taken) / _MB:.0f} MB, and {sizing.memory}"
    if needed <= 0.9 * sizing.memory_bytes:
        return "info", text
    remedy = "set fewer workers, or give the container more memory"
    return "warning", f"{text}: requests may run out of memory; {remedy}"


def _of(cpus: int) -> str:
    return f"{cpus} CPU" if cpus == 1 else f"{cpus} CPUs"


def _bytes(path: str) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116 - a text for each file
    except OSError:
        return 0
