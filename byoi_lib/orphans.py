"""What processes that are gone left: a notebook kernel that was killed cleans up nothing."""

import os
import shutil
import socket
import tempfile
from pathlib import Path

from byoi_lib.engine import Engine

OWNER_LABEL = "byoi.owner"


def owner() -> str:
    """Return the label's value for containers of this process."""
    return f"{socket.gethostname()}:{os.getpid()}"


def make_directory(prefix: str, parent: Path) -> Path:
    """Make a fresh directory that tells whose it is by its name."""
    return Path(tempfile.mkdtemp(prefix=f"{prefix}-{owner().replace(':', '-')}-", dir=parent))


def remove_orphans(engine: Engine) -> list[str]:
    """Remove containers, with their networks, of processes that ended on this machine.

    Returns:
        Ids of the containers removed. Those of other machines' processes stay, since
        several may share one engine.
    """
    removed = []
    for container, label in engine.find_labels(OWNER_LABEL).items():
        host, _, pid = label.rpartition(":")
        if _is_gone(host, pid):
            engine.remove([container], engine.networks_of([container]))
            removed.append(container)
    return removed


def remove_orphaned_directories(prefix: str, parent: Path) -> None:
    """Remove what `make_directory` made for processes that ended on this machine."""
    for directory in parent.glob(f"{prefix}-*-*-*"):
        host, pid, _ = directory.name.removeprefix(f"{prefix}-").rsplit("-", 2)
        if pid.isdecimal() and _is_gone(host, pid):
            # Another user's stays.
            shutil.rmtree(directory, ignore_errors=True)


def _is_gone(host: str, pid: str) -> bool:
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False  # another user's, alive
    return False
