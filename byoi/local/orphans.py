"""Orphans: containers, networks and files of a process that ended without removing them.

A killed notebook kernel removes nothing. A label names the owner of each resource, so that a later
process can remove it.
"""

import os
import socket
from pathlib import Path

from byoi.local.docker import Engine

OWNER_LABEL = "byoi.owner"


def owner() -> str:
    """Return the value of the label for resources of this process."""
    return f"{socket.gethostname()}:{os.getpid()}"


def is_owner_gone(label: str) -> bool:
    """Whether a label's process ran on this machine and has ended."""
    host, _, pid = label.rpartition(":")
    return host == socket.gethostname() and not _is_alive(int(pid))


def remove_orphans(engine: Engine) -> list[str]:
    """Remove containers and their networks, if their process on this machine has ended.

    Containers of other machines' processes are kept: several machines may share an engine.

    Returns:
        Ids of the removed containers.
    """
    removed = []
    for container, label in engine.find_labels(OWNER_LABEL).items():
        if is_owner_gone(label):
            engine.remove([container], engine.networks_of([container]))
            removed.append(container)
    return removed


def remove_orphaned_networks(engine: Engine) -> list[str]:
    """Remove networks whose process on this machine has ended, and return their names."""
    found = engine.find_networks(OWNER_LABEL)
    removed = [name for name, label in found.items() if is_owner_gone(label)]
    engine.remove(networks=removed)
    return removed


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # a process of another user
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return True  # a system without /proc
    # A zombie has ended; in a container without an init, it stays forever.
    return state != "Z"
