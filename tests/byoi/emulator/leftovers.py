"""What an emulator has on this machine, to be compared before and after."""

import contextlib
import os
import time
from pathlib import Path
from typing import Any

from emulated_aws import PATIENCE_S

from byoi import emulator
from byoi.local.docker import Engine
from byoi.local.orphans import OWNER_LABEL

# Listens, copies logs, and waits for signals.
_THREADS_AT_REST = 3
_POLL = "anon_inode:[eventpoll]"


def everything_of(running: emulator.RunningEmulator) -> dict[str, list[Any]]:
    """Return all there is of a running emulator, by kind."""
    pid = running.pid
    folder = Path(str(running.variables["SAGEMAKER_USER_CONFIG_OVERRIDE"])).parent
    return {
        "open files": open_files(pid),
        "threads": sorted(path.name for path in Path(f"/proc/{pid}/task").iterdir()),
        "processes": sorted(children_of(pid)),
        "containers": containers_of(pid),
        "networks": networks_of(pid),
        "files": sorted(path.name for path in folder.rglob("*")),
    }


def everything_at_rest(running: emulator.RunningEmulator) -> dict[str, list[Any]]:
    """Wait until no request is being answered, and return all there is then.

    After each answer werkzeug polls for 10 ms for what the client still sends (2.3 to 3.1,
    serving.py, `execute`), with a descriptor of its own and in the request's thread.
    """
    end_s = time.monotonic() + PATIENCE_S
    while True:
        now = everything_of(running)
        if len(now["threads"]) == _THREADS_AT_REST and _POLL not in now["open files"]:
            return now
        assert time.monotonic() < end_s, now
        time.sleep(0.1)


def open_files(pid: int) -> list[str]:
    """Return what a process has open; sockets and pipes without their numbers."""
    names = []
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            kind, _, number = str(path.readlink()).partition(":[")
            names.append(kind if number.rstrip("]").isdigit() else str(path.readlink()))
    return sorted(names)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be asked for its status does not."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def children_of(pid: int) -> set[int]:
    """Return every process below one."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    found: set[int] = set()
    new = {pid}
    while new:
        new = {child for child, parent in parents.items() if parent in new} - found
        found |= new
    return found


def containers_of(pid: int) -> list[str]:
    """Return the containers of one emulator."""
    labels = Engine(os.environ).find_labels(OWNER_LABEL)
    return [name for name, label in labels.items() if label.endswith(f":{pid}")]


def networks_of(pid: int) -> list[str]:
    """Return the networks of one emulator."""
    labels = Engine(os.environ).find_networks(OWNER_LABEL)
    return [name for name, label in labels.items() if label.endswith(f":{pid}")]
