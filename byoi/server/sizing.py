"""How many workers a server has, and why: from its CPUs, its memory and the size of the model.

Each worker has a whole model, and all load it at once, so that what counts is what a worker takes
while it loads. Nobody knows that before; the size of the files tells roughly. What a worker takes
in fact is measured when the server is ready, and told beside what was reckoned.

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
# One serves while the other is replaced.
_LEAST = 2
_MOST = 256
_MB = 2**20


@dataclass(frozen=True)
class Sizing:
    """How many workers there are.

    Attributes:
        workers: How many, from 1 on.
        threads: Threads of one prediction in each, from 1 on: what the CPUs leave to a worker.
        reason: Why so many, for the log.
        memory_bytes: What all of them may take: the memory limit, else the machine's memory.
        memory: That, in words.
    """

    workers: int
    threads: int
    reason: str
    memory_bytes: int
    memory: str


def choose(settings: Settings, *, cpus: int, memory: Memory, model_bytes: int) -> Sizing:
    """Choose how many workers serve; a number in the settings is always kept.

    Args:
        settings: With `workers`, 0 where the server is to choose.
        cpus: As `cgroups.available_cpus`.
        memory: Of the server.
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
    """Return the bytes of all files below a folder; what cannot be read counts nothing."""
    return sum(
        _bytes(os.path.join(parent, name))  # noqa: PTH118 - a text for each file
        for parent, _, names in os.walk(folder)
        for name in names
    )


def taken_bytes(pids: Iterable[int], *, proc: Path = Path("/proc")) -> list[int]:
    """Return the memory that processes take now, shared pages in part; none where it is not said.

    Args:
        pids: Of the processes; one that has ended is left out.
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
        sizing: What was chosen.
        taken: As `taken_bytes`, of the workers that have loaded the model.
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
