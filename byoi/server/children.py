"""The child processes of the supervisor: each in its own process group, all reaped.

Source: prctl(2), PR_SET_PDEATHSIG; setpgid(2); waitpid(2).
"""

import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TextIO

_PR_SET_PDEATHSIG = 1


class Children:
    """Running children by name."""

    def __init__(self) -> None:
        self._running: dict[str, int] = {}
        self._programs: dict[int, subprocess.Popen[bytes]] = {}
        self._groups: list[int] = []

    def start(
        self, name: str, command: Sequence[str], *, environ: Mapping[str, str], piped: bool = False
    ) -> subprocess.Popen[bytes]:
        """Start a child that ends with this process.

        Args:
            name: Its name in log lines.
            command: Program and arguments.
            environ: Its whole environment.
            piped: Whether its stdout and stderr are pipes instead of inherited.
        """
        output = subprocess.PIPE if piped else None
        child = subprocess.Popen(
            command,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # Ctrl-C in a terminal then reaches only the supervisor, which drains.
            process_group=0,
            preexec_fn=_end_with_parent(),  # noqa: PLW1509 - no thread runs yet
        )
        self._running[name] = child.pid
        self._programs[child.pid] = child
        self._groups.append(child.pid)
        return child

    def fork(self, name: str, *, environ: Mapping[str, str]) -> bool:
        """Start a child that continues from here instead of executing a program.

        Not starting another interpreter saves 0.1 s and 10 MB. The caller must have no thread
        and no signal handler, and the child must return from the main program as usual, so that
        exit handlers run.

        Args:
            name: Its name in log lines and, on Linux, in `ps -o comm`.
            environ: Its whole environment.

        Returns:
            Whether this is the child.
        """
        parent, end_with_parent = os.getpid(), _end_with_parent()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            os.setpgid(0, 0)
            if end_with_parent is not None:
                end_with_parent()
                if os.getppid() != parent:  # the parent was killed before prctl(2)
                    os._exit(1)
            _become(name, environ)
            return True
        with suppress(ProcessLookupError):  # both set it: either process may run first
            os.setpgid(pid, pid)
        self._running[name] = pid
        self._groups.append(pid)
        return False

    def reap(self) -> dict[str, int]:
        """Reap every process that has exited, orphans included, without blocking.

        Returns:
            The exit status of each child among them, by name; negative for a signal.
        """
        ended: dict[str, int] = {}
        while True:
            try:
                pid, wait_status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return ended
            if pid == 0:
                return ended
            for name, child in list(self._running.items()):
                if child == pid:
                    ended[name] = os.waitstatus_to_exitcode(wait_status)
                    if pid in self._programs:
                        self._programs.pop(pid).returncode = ended[name]
                    del self._running[name]
                    if not _group_exists(pid):  # the process id may be reused
                        self._groups.remove(pid)

    def runs(self, name: str) -> bool:
        """Whether the child was started and has not been reaped."""
        return name in self._running

    def any_runs(self) -> bool:
        """Whether any child has not been reaped."""
        return bool(self._running)

    def send(self, name: str, number: signal.Signals) -> None:
        """Send a signal to the child itself, not to its group."""
        if (pid := self._running.get(name)) is not None:
            os.kill(pid, number)  # the child is not reaped, so its id is still valid

    def kill_groups(self) -> None:
        """Kill what remains of every child's group: nginx's workers can outlive their master."""
        for group in self._groups:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)


def _become(name: str, environ: Mapping[str, str]) -> None:
    """Set up a forked process as if its program had been executed."""
    with suppress(OSError):  # Linux only; elsewhere the child keeps its parent's name
        Path("/proc/self/comm").write_text(name, encoding="utf-8")
    os.environ.clear()
    os.environ.update(environ)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    sys.stdout, sys.stderr = _unbuffered(sys.stdout, 1), _unbuffered(sys.stderr, 2)


def _unbuffered(stream: TextIO, descriptor: int) -> TextIO:
    """Return a stream as with `python -u`: a module's print must reach the log immediately."""
    raw = io.FileIO(descriptor, "w", closefd=False)
    # As in CPython's create_stdio: under -u, TextIOWrapper gets a raw file.
    return io.TextIOWrapper(
        raw,
        encoding=stream.encoding,
        errors=stream.errors,
        newline="\n",
        write_through=True,
    )


def _group_exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):  # macOS raises the second in place of the first
        return False
    return True


def _end_with_parent() -> Callable[[], None] | None:
    """Return a function that makes Linux terminate the calling child with this process.

    None on other systems, and in process 1: the kernel ends the whole container with it.
    """
    if sys.platform != "linux" or os.getpid() == 1:
        return None
    import ctypes  # noqa: PLC0415 - 10 ms that a container's start does not need

    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
