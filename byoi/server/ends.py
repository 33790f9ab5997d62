"""Messages about how a worker ended, with Python's traceback if native code crashed.

Source: signal(7); faulthandler in Python's library reference; gunicorn 27, workers/base.py.
"""

import faulthandler
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# Most of a traceback is the list of extension modules, which comes last.
_FAULT_BYTES = 64 * 1024
# Keeps the files of faulthandler open: it stores only their descriptors.
_open_files: list[object] = []

_SIGNALS: dict[int, str] = {
    signal.SIGSEGV: "native code accessed invalid memory",
    signal.SIGBUS: "native code accessed memory that is not available, for example because "
    "/dev/shm is full",
    signal.SIGABRT: "native code aborted; its output is above this line",
    signal.SIGILL: "native code uses an instruction that this CPU does not support",
    signal.SIGFPE: "native code divided by zero",
    signal.SIGTERM: "another process told it to stop",
}
# Exit statuses: 1 of Python after an exception, 255 of gunicorn after an error in a worker's loop.
_STATUSES: dict[int, str] = {
    0: "its code ended the process, for example with os._exit(0), or it was told to stop",
    1: "an exception, or code that ends the process",
    255: "an error outside of any request; it is in an earlier log line",
}
MORE_MEMORY = "give the container more memory, or fewer workers with SAGEMAKER_MODEL_SERVER_WORKERS"
_OTHER_STATUS = "its code ended the process, for example with os._exit"
# Exit statuses of a worker that could not load the model: gunicorn's Arbiter.WORKER_BOOT_ERROR and
# APP_LOAD_ERROR.
BOOT_STATUSES = (3, 4)


@dataclass(frozen=True)
class End:
    """What the master knows of a worker that has ended.

    Attributes:
        pid: Its process id.
        status: Its exit status, negative for a signal.
        is_loaded: Whether it had loaded the model.
        has_withdrawn: Whether it removed its own heartbeat file and exited with 0, to be replaced.
        is_asked: Whether the master had told it to stop.
        silent_s: Seconds without a heartbeat after which the master killed it, else None.
        is_out_of_memory: Whether the kernel has killed a process at the memory limit; None if
            unknown.
    """

    pid: int
    status: int
    is_loaded: bool
    has_withdrawn: bool = False
    is_asked: bool = False
    silent_s: float | None = None
    is_out_of_memory: bool | None = None

    @property
    def is_normal(self) -> bool:
        """Whether the master asked for this end, and the worker did not crash before."""
        return self.is_asked and self.status in {0, -signal.SIGTERM, -signal.SIGKILL}

    @property
    def is_failed_load(self) -> bool:
        """Whether the worker itself has reported why it could not load the model."""
        return not self.is_loaded and self.status in BOOT_STATUSES

    def cause(self, memory: Callable[[], str]) -> str:
        """Return the cause as one sentence without a full stop.

        Args:
            memory: Returns a text about the memory limit, as `Memory.described`.
        """
        if self.silent_s is not None:
            return (
                f"it sent no heartbeat for {self.silent_s:g} s and was killed ({self.what()}): "
                "the process was stopped, or native code held Python's interpreter lock"
            )
        if self.status == -signal.SIGKILL:
            remedy = "" if self.is_out_of_memory is False else f"; {memory()}; {MORE_MEMORY}"
            return f"SIGKILL, {self._killed()}{remedy}"
        if self.status < 0:
            meaning = _SIGNALS.get(_signal(self.status), "a signal that ends a process")
            return f"{self.what()}, {meaning}"
        if self.has_withdrawn:
            return "it stopped itself, because a request passed its deadline"
        if self.is_failed_load:
            return f"{self.what()}, the model could not be loaded"
        return f"{self.what()}, {_STATUSES.get(self.status, _OTHER_STATUS)}"

    def _killed(self) -> str:
        if self.is_out_of_memory:
            return "out of memory: the kernel killed it"
        if self.is_out_of_memory is None:
            return "which the kernel sends when memory runs out"
        return (
            "but the kernel killed no process here at the memory limit: another process sent the "
            "signal"
        )

    def what(self) -> str:
        """Return the exit status, or the name of the signal."""
        if self.status >= 0:
            return f"status {self.status}"
        number = _signal(self.status)
        return number.name if isinstance(number, signal.Signals) else f"signal {number}"


def _signal(status: int) -> signal.Signals | int:
    try:
        return signal.Signals(-status)
    except ValueError:  # a real-time signal
        return -status


def catch_faults(file: Path) -> None:
    """Let Python write its traceback into a file when native code crashes this process.

    Call it after the signal handlers are set: faulthandler then also calls the previous handler of
    SIGABRT. The master sends that signal to a silent worker; the traceback shows where it hangs.

    Args:
        file: A file of this process alone; `take_fault` reads and removes it.
    """
    opened = file.open("wb")
    _open_files.append(opened)
    faulthandler.enable(opened)


def take_fault(file: Path) -> str | None:
    """Return the traceback that a process wrote, None without one, and remove the file."""
    try:
        with file.open("rb") as opened:
            fault = opened.read(_FAULT_BYTES)
        file.unlink()
    except FileNotFoundError:
        return None
    return fault.decode(errors="replace").strip() or None
