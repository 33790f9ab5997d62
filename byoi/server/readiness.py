"""The readiness of the server, as files in the state directory.

A worker that has loaded its model touches its own file about once a second, with the monotonic
clock as modification time. The supervisor counts the fresh files and maintains the file `ready`,
from whose existence nginx answers /ping. The file of a worker that is stopped, or whose
interpreter is blocked, is no longer touched.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

# A healthy worker beats each second. /ping must change within 10 s after the last worker stops:
# at most 1 s since its last beat, this time, and one look of the supervisor.
FRESH_S = 7.0


class Readiness:
    """The files under one state directory.

    Attributes:
        ready_file: Exists while at least one loaded worker is fresh.
        loaded_file: Exists from the moment that all workers have loaded, permanently.
        failure_file: One JSON object, written by the first worker that could not load.
        socket: Where gunicorn listens for nginx.
    """

    def __init__(self, state_dir: Path, *, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self.ready_file = state_dir / "ready"
        self.loaded_file = state_dir / "loaded"
        self.failure_file = state_dir / "failure"
        self.socket = state_dir / "gunicorn.sock"
        self._beats = state_dir / "workers"
        self._clock_ns = clock_ns

    def prepare(self) -> None:
        """Create the folder of the workers' files."""
        self._beats.mkdir()

    def beat(self, pid: int) -> None:
        """Report that worker `pid` is loaded and accepts requests."""
        path, now_ns = self._beats / str(pid), self._clock_ns()
        path.touch(mode=0o600)
        os.utime(path, ns=(now_ns, now_ns))

    def forget(self, pid: int) -> None:
        """Report that worker `pid` has exited or accepts no more requests."""
        (self._beats / str(pid)).unlink(missing_ok=True)

    def fresh_workers(self) -> int:
        """Return the number of workers that reported within the last `FRESH_S` seconds."""
        oldest_ns = self._clock_ns() - int(FRESH_S * 1e9)
        fresh = 0
        for entry in os.scandir(self._beats):
            try:
                fresh += entry.stat().st_mtime_ns >= oldest_ns
            except FileNotFoundError:  # its worker has just exited
                continue
        return fresh

    def update(self, workers: int) -> bool:
        """Count the workers, and create or remove the files that nginx looks at.

        Args:
            workers: How many must have loaded before the server is ready for the first time.

        Returns:
            Whether the server is ready.
        """
        fresh = self.fresh_workers()
        if not self.loaded_file.exists():
            if fresh < workers:
                return False
            self.loaded_file.touch()
        if fresh:
            self.ready_file.touch()
        else:
            self.ready_file.unlink(missing_ok=True)
        return fresh > 0

    def fail(self, line: str) -> None:
        """Write the reason why the model cannot be loaded; the first one is kept."""
        try:
            descriptor = os.open(self.failure_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(line)

    def failure(self) -> str | None:
        """Return that reason, None if there is none so far."""
        try:
            return self.failure_file.read_text(encoding="utf-8") or None
        except FileNotFoundError:
            return None
