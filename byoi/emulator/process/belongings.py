"""Record what an emulator leaves on this machine, so that the next one can remove it.

A folder for each emulator holds its files, the name of the process that owns it and the
processes it started; containers carry the same owner's label.
"""

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from byoi.emulator.aws import registry_login
from byoi.local import orphans
from byoi.local.docker import Engine

_PREFIX = "byoi-emulator-"
_OWNER_FILE = "owner"
_PROCESSES_FILE = "processes"


class Belongings:
    """The folder of one emulator.

    Attributes:
        folder: Everything it writes is below.
    """

    def __init__(self, parent: Path | None = None) -> None:
        """Make the folder.

        Args:
            parent: Where; the directory for temporary files by default.
        """
        self.folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        (self.folder / _OWNER_FILE).write_text(orphans.owner(), encoding="utf-8")

    def remember(self, pid: int) -> None:
        """Write down a process that leads a group of its own."""
        with (self.folder / _PROCESSES_FILE).open("a", encoding="utf-8") as file:
            file.write(f"{pid} {_start_time(pid)}\n")

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def clear(
    engine: Engine | None,
    parent: Path | None = None,
    *,
    log_out: Callable[[str], object] = lambda _: None,
) -> list[str]:
    """Remove what killed emulators left.

    Args:
        engine: Has their containers; None if there is no engine.
        parent: Where their folders are; the directory for temporary files by default.
        log_out: Undoes a `docker login` at their registry, which it is given.

    Returns:
        One line for each thing removed.
    """
    removed = []
    for folder in sorted(Path(parent or tempfile.gettempdir()).glob(f"{_PREFIX}*")):
        try:
            owner = (folder / _OWNER_FILE).read_text(encoding="utf-8")
        except OSError:
            continue  # another user's, or just being made or removed
        if orphans.is_owner_gone(owner):
            removed += [f"process {pid}" for pid in _kill(folder / _PROCESSES_FILE)]
            if registry := registry_login.read_address(folder):
                log_out(registry)
            shutil.rmtree(folder, ignore_errors=True)
            removed.append(f"folder {folder}")
    if engine is not None:
        removed += [f"container {name}" for name in orphans.remove_orphans(engine)]
        removed += [f"network {name}" for name in orphans.remove_orphaned_networks(engine)]
    return removed


def _kill(file: Path) -> Iterable[int]:
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    for line in lines:
        pid, _, started = line.partition(" ")
        # A reused process id has another start time.
        if started and _start_time(int(pid)) == started:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(int(pid), signal.SIGKILL)
                yield int(pid)


def _start_time(pid: int) -> str:
    """Return when a process started, in clock ticks since boot; "" if it is not known."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]
