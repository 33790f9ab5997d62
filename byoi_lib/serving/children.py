"""The processes a supervisor starts: each in a group of its own, all reaped.

Source: prctl(2), PR_SET_PDEATHSIG; waitpid(2).
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

_PR_SET_PDEATHSIG = 1


class Children:
    """Running children by name."""

    def __init__(self) -> None:
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._groups: list[int] = []

    def start(
        self, name: str, command: Sequence[str], *, environ: Mapping[str, str], piped: bool = False
    ) -> subprocess.Popen[bytes]:
        """Start a child that ends with this process.

        Args:
            name: How it is called in log lines.
            command: Program and arguments.
            environ: Its whole environment.
            piped: Whether its stdout and stderr are read here instead of inherited.
        """
        output = subprocess.PIPE if piped else None
        child = subprocess.Popen(
            command,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # Ctrl-C in a terminal reaches the supervisor alone, which then drains.
            process_group=0,
            preexec_fn=_end_with_parent(),  # noqa: PLW1509 - no thread runs yet
        )
        self._running[name] = child
        self._groups.append(child.pid)
        return child

    def reap(self) -> dict[str, int]:
        """Collect every process that ended, orphans too; never blocks.

        Returns:
            Exit status by name of the children among them; negative is a signal.
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
                if child.pid == pid:
                    child.returncode = os.waitstatus_to_exitcode(wait_status)
                    ended[name] = child.returncode
                    del self._running[name]
                    if not _group_exists(pid):  # its number may soon be somebody else's
                        self._groups.remove(pid)

    def runs(self, name: str) -> bool:
        """Whether the child was started and has not been reaped."""
        return name in self._running

    def any_runs(self) -> bool:
        """Whether any child has not been reaped."""
        return bool(self._running)

    def send(self, name: str, number: signal.Signals) -> None:
        """Send a signal to the child itself, not to its group."""
        if (child := self._running.get(name)) is not None:
            os.kill(child.pid, number)  # not reaped, so the id is still its own

    def kill_groups(self) -> None:
        """Kill what is left of every child, also what outlived it: nginx's workers do."""
        for group in self._groups:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)


def _group_exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):  # the second is macOS's word for the first
        return False
    return True


def _end_with_parent() -> Callable[[], None] | None:
    """Return what a child calls first: Linux then ends it when this process is killed.

    As process 1 there is no need: the kernel ends a container with it.
    """
    if sys.platform != "linux" or os.getpid() == 1:
        return None
    import ctypes  # noqa: PLC0415 - 10 ms of a container's start that are not needed there

    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
