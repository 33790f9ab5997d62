"""The state directories of servers: each server writes only to its own folder.

A killed server leaves its folder behind, and the next start removes it. A lock on the folder shows
whether a server still runs: its processes inherit it, and the kernel releases it with the last of
them. The process id cannot show it, because in a container it is always 1.

Source: flock(2).
"""

import fcntl
import os
import re
import shutil
import stat
import time
from contextlib import suppress
from pathlib import Path

# The only directory that the contract lets a container write to; it also keeps socket paths short.
ROOT = Path("/tmp")  # noqa: S108 - private directories are created in it
# The supervisor's process id, and the time of creation in nanoseconds since the epoch, hexadecimal.
_NAME = re.compile(r"byoi-(\d+)-([0-9a-f]{1,16})")
# A folder this young may not have its lock yet.
_NEW_NS = 2 * 10**9


def make(root: Path) -> Path:
    """Create the private folder of this server, and lock it until its processes end.

    Args:
        root: The parent of the folders of servers.

    Raises:
        FileExistsError: The folder exists, which cannot happen by chance.
    """
    folder = root / f"byoi-{os.getpid()}-{time.time_ns():x}"
    folder.mkdir(mode=0o700)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)  # open while the process lives
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return folder


def remove_abandoned(root: Path) -> list[Path]:
    """Remove the folders of this user's servers that no longer run, and return them."""
    removed = []
    for folder in root.glob("byoi-*"):
        if (found := _NAME.fullmatch(folder.name)) is None:
            continue
        # A folder that cannot be read is another user's, or was just removed by another start.
        with suppress(OSError):
            if _is_abandoned(folder, int(found[1]), int(found[2], 16)):
                shutil.rmtree(folder)
                removed.append(folder)
    return removed


def _is_abandoned(folder: Path, pid: int, made_ns: int) -> bool:
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        return False
    if 0 <= time.time_ns() - made_ns < _NEW_NS:
        return False
    if pid != os.getpid() and _exists(pid):  # servers of earlier versions do not lock their folder
        return False
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
