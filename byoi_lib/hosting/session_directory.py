"""The directory of a local session: files staged for containers, and their logs.

Its name says whose it is, because a process that is killed removes nothing.
"""

import shutil
import tempfile
from pathlib import Path

from byoi_lib import orphans

_PREFIX = "byoi-local-"


def make(parent: Path) -> Path:
    """Make a fresh directory of this process."""
    host, _, pid = orphans.owner().rpartition(":")
    return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{host}-{pid}-", dir=parent))


def remove_orphaned(parent: Path) -> None:
    """Remove the directories of processes of this machine that have ended."""
    for directory in parent.glob(f"{_PREFIX}*-*-*"):
        host, pid, _ = directory.name.removeprefix(_PREFIX).rsplit("-", 2)
        if pid.isdecimal() and orphans.is_gone(f"{host}:{pid}"):
            # Where it is another user's, it stays.
            shutil.rmtree(directory, ignore_errors=True)
