"""The readiness of the server, as files in the state directory.

A worker that has loaded its model touches its heartbeat file about twice a second, with the
monotonic clock as modification time. The supervisor counts the fresh files and maintains the file
`ready`; nginx answers /ping with 200 while that exists. A worker that is stopped, or whose
interpreter is blocked, no longer touches its file.

A busy worker is not a dead one. While a worker without heartbeat runs a request, gunicorn's master
touches the file `busy`; the file of a worker that ends at a request's deadline becomes `replaced`,
until another worker has loaded the model. Both count as a worker, for a limited time. A worker
whose `ping_fn` fails has a file in `unwell`; with such a file the server is not ready.

Source: connect(2) and unix(7), for the socket between nginx and gunicorn.
"""

import os
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

# How long a heartbeat counts. /ping must change within 10 s after the last worker stops: at most
# 1 s since its last heartbeat, this time, and one interval of the supervisor.
FRESH_S = 7.0
# After this time without a heartbeat, a worker is silent.
SILENT_S = 3.0
# Time between two log lines about a slow load.
LOAD_NEWS_S = 30.0
# How long a touch of `busy` counts; the master touches it once a second.
BUSY_S = 4.0


class Readiness:
    """The files under one state directory.

    Attributes:
        state_dir: As given.
        ready_file: Exists while at least one loaded worker is fresh.
        loaded_file: Exists permanently once all workers have loaded the model.
        silent_file: Exists while a worker that has loaded the model sends no heartbeat.
        running_dir: Has a file, named by request id, for each running request that will be late.
        busy_file: Touched while a worker without heartbeat runs a request.
        replaced_file: Exists from the end of a worker at a deadline to the next load.
        sessions_dir: Directory of the session folders.
        failure_file: The log line of the first worker that could not load; it ends the server.
        socket: The socket file on which gunicorn listens for nginx.
    """

    def __init__(self, state_dir: Path, *, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self.state_dir = state_dir
        self.ready_file = state_dir / "ready"
        self.loaded_file = state_dir / "loaded"
        self.silent_file = state_dir / "silent"
        self.running_dir = state_dir / "running"
        self.busy_file = state_dir / "busy"
        self.replaced_file = state_dir / "replaced"
        self.failure_file = state_dir / "failure"
        self.sessions_dir = state_dir / "sessions"
        self.socket = state_dir / "gunicorn.sock"
        self._beats = state_dir / "workers"
        self._unwell = state_dir / "unwell"
        self._faults = state_dir / "faults"
        self._clock_ns = clock_ns

    def prepare(self) -> None:
        """Create the folders of the workers' files."""
        for folder in (self._beats, self._unwell, self._faults, self.running_dir):
            folder.mkdir()

    def beat(self, pid: int) -> None:
        """Report that worker `pid` is loaded and accepts requests."""
        self._touch(self._beats / str(pid))

    def forget(self, pid: int) -> None:
        """Report that worker `pid` has exited or accepts no more requests.

        A worker that calls this itself, and then exits with 0, wants to be replaced.
        """
        (self._beats / str(pid)).unlink(missing_ok=True)
        (self._unwell / str(pid)).unlink(missing_ok=True)

    def be_busy(self) -> None:
        """Report that a worker sends no heartbeat because it runs a request."""
        self._touch(self.busy_file)

    def replace(self, pid: int) -> None:
        """Report that worker `pid` ends because a request is past its deadline.

        As `forget`, and in the same step reports that another worker will replace it.
        """
        with suppress(FileNotFoundError):
            self.beat(pid)
            (self._beats / str(pid)).replace(self.replaced_file)
        (self._unwell / str(pid)).unlink(missing_ok=True)

    def end_replacement(self) -> None:
        """Report that a worker has loaded the model, or has failed to load it."""
        self.replaced_file.unlink(missing_ok=True)

    def tell(self, pid: int, *, is_well: bool) -> None:
        """Report the result of `ping_fn` in worker `pid`."""
        with suppress(FileNotFoundError):  # state directory deleted: the supervisor stops
            _exist(self._unwell / str(pid), wanted=not is_well)

    def unwell(self) -> list[int]:
        """Return the workers whose `ping_fn` failed, or was not called yet at the first start."""
        return sorted(int(file.name) for file in self._unwell.iterdir())

    def has_beaten(self, pid: int) -> bool:
        """Whether worker `pid` has loaded the model, and `forget` was not called for it."""
        return (self._beats / str(pid)).exists()

    def fault_file(self, pid: int) -> Path:
        """Return the file to which worker `pid` writes Python's traceback of a crash."""
        return self._faults / str(pid)

    def mark_running(self, request_id: str) -> None:
        """Report that a worker runs this request, which will not be answered in time."""
        (self.running_dir / request_id).touch(mode=0o600)

    def unmark_running(self, request_id: str) -> None:
        """Report that the request has ended."""
        (self.running_dir / request_id).unlink(missing_ok=True)

    def reported_workers(self) -> list[int]:
        """Return the process ids of the workers that have loaded the model."""
        return sorted(int(entry.name) for entry in os.scandir(self._beats))

    def fresh_workers(self) -> int:
        """Return the number of workers with a heartbeat within the last `FRESH_S` seconds."""
        return sum(age_s <= FRESH_S for age_s in self._ages_s())

    def _ages_s(self) -> list[float]:
        """Return the seconds since the last heartbeat of each worker."""
        now_ns = self._clock_ns()
        ages_s = []
        for entry in os.scandir(self._beats):
            try:
                ages_s.append((now_ns - entry.stat().st_mtime_ns) / 1e9)
            except FileNotFoundError:  # its worker has just exited
                continue
        return ages_s

    def _touch(self, path: Path) -> None:
        now_ns = self._clock_ns()
        path.touch(mode=0o600)
        os.utime(path, ns=(now_ns, now_ns))

    def _is_younger(self, path: Path, age_s: float) -> bool:
        """Whether a file exists and was touched within the last `age_s` seconds."""
        try:
            return self._clock_ns() - path.stat().st_mtime_ns <= age_s * 1e9
        except FileNotFoundError:
            return False

    def update(
        self, workers: int, *, is_reachable: bool = True, replacement_s: float = 0.0
    ) -> bool:
        """Count the workers, and create or remove the files that nginx looks at.

        Args:
            workers: How many must have loaded before the server is ready for the first time.
            is_reachable: Whether nginx can connect to gunicorn.
            replacement_s: For how long the file `replaced` counts as a worker.

        Returns:
            Whether the server is ready.
        """
        ages_s = self._ages_s()
        fresh = sum(age_s <= FRESH_S for age_s in ages_s)
        if not self.loaded_file.exists():
            if fresh < workers:
                return False
            self.loaded_file.touch()
        is_alive = (
            fresh > 0
            or self._is_younger(self.busy_file, BUSY_S)
            or self._is_younger(self.replaced_file, replacement_s)
        )
        # One unwell worker is enough: requests also go to it.
        is_ready = is_alive and is_reachable and not self.unwell()
        _exist(self.ready_file, wanted=is_ready)
        _exist(self.silent_file, wanted=any(age_s > SILENT_S for age_s in ages_s))
        return is_ready

    def unreachable(self) -> str | None:
        """Return why nginx cannot connect to gunicorn now, None if it can.

        The connection is closed immediately. A full queue is not an error: its requests are
        answered.
        """
        with socket.socket(socket.AF_UNIX) as client:
            client.setblocking(False)
            try:
                client.connect(os.fspath(self.socket))
            except BlockingIOError:
                return None
            except OSError as error:
                return os.strerror(error.errno) if error.errno else str(error)
        return None

    def fail(self, line: str) -> None:
        """Report why the model cannot be loaded.

        Before the first load, the first reason is kept; the supervisor prints it and ends the
        server. After that other workers serve, so the reason is only written to stderr.

        Args:
            line: A log line with its newline.
        """
        if self.loaded_file.exists():
            sys.stderr.write(line)
            sys.stderr.flush()
            return
        try:
            descriptor = os.open(self.failure_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(line)

    def failure(self) -> str | None:
        """Return the reason of a failed load, None without one."""
        try:
            return self.failure_file.read_text(encoding="utf-8") or None
        except FileNotFoundError:
            return None


def _exist(file: Path, *, wanted: bool) -> None:
    if wanted:
        file.touch()
    else:
        file.unlink(missing_ok=True)
