"""An emulator in a process of its own, for as long as a context lasts.

A process of its own, because moto keeps its state in global variables, and because it
outlives its parent long enough to clean up when that is killed.
"""

import contextlib
import importlib.util
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path

from byoi import errors, extras
from byoi.emulator.process.belongings import Belongings

# Under load; a free machine needs less than 3 s.
START_TIMEOUT_S = 60.0
# A process that hangs during start-up may ignore SIGTERM.
_ABORT_TIMEOUT_S = 5.0
# Containers are killed at once; the engine may be busy.
_STOP_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class RunningEmulator:
    """An emulator that runs.

    Attributes:
        url: Where its APIs answer.
        notice: One line on what endpoints run.
        pid: Its process.
        log_file: What it logs.
        variables: The environment that leads to it; None is a variable to unset.
        variables_file: The same as commands of a shell, for this user only.
    """

    url: str
    notice: str
    pid: int
    log_file: Path
    # Not printed: they hold the secret.
    variables: Mapping[str, str | None] = field(repr=False)
    variables_file: Path


def require_packages(find: Callable[[str], object] = importlib.util.find_spec) -> None:
    """Check that the packages are installed, without importing any.

    Args:
        find: Tells whether a package is installed; None is no.

    Raises:
        MissingPackageError: One is not; the message says how to get it.
    """
    extras.require("the emulator", *extras.EXTRAS["emulator"], find=find)


@contextlib.contextmanager
def running(  # noqa: PLR0913 - keywords with a default
    *,
    runner: str = "auto",
    port: int = 0,
    startup_timeout_s: float | None = None,
    start_timeout_s: float = START_TIMEOUT_S,
    log_file: Path | None = None,
    calls_file: Path | None = None,
    environ: MutableMapping[str, str] = os.environ,
) -> Iterator[RunningEmulator]:
    """Run an emulator and point this process's boto3 and SDK at it, inside this context.

    Args:
        runner: `containers`, `processes`, or `auto`: containers where an engine answers.
        port: TCP port; 0 is any free one.
        startup_timeout_s: Seconds for /ping to turn 200, where an endpoint configuration
            names none.
        start_timeout_s: Seconds for the emulator itself.
        log_file: Receives the log; by default a temporary file, removed at the end.
        calls_file: Receives each call as a line of JSON, as `calls.Calls` writes it; by default
            the file that `BYOI_CALLS_FILE` in `environ` names.
        environ: Gets the variables, and what was there before back at the end.

    Raises:
        HostingError: It did not start; the message has its log.
        MissingPackageError: A package it needs is not installed.
    """
    require_packages()
    with contextlib.ExitStack() as stack:
        if log_file is None:
            # If this process is killed, the next emulator removes it.
            owned = Belongings()
            stack.callback(owned.remove)
            log_file = owned.folder / "emulator.log"
        command = [sys.executable, "-m", "byoi.emulator", f"--runner={runner}"]
        command += [f"--port={port}", f"--parent={os.getpid()}", "--report"]
        if startup_timeout_s is not None:
            command.append(f"--startup-timeout={startup_timeout_s}")
        if calls_file is not None:
            command.append(f"--calls={calls_file}")
        with log_file.open("ab") as log:
            process = subprocess.Popen(
                command,
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                # Ctrl-C is for the parent, which may still need endpoints to clean up.
                start_new_session=True,
            )
        stack.callback(_stop, process)
        # Becomes readable when the emulator has written its line, or has exited.
        said_where = [process.stdout] if process.stdout else []
        is_late = not select.select(said_where, [], [], start_timeout_s)[0]
        report = b"" if is_late else said_where[0].readline()
        if not report:
            _stop(process, _ABORT_TIMEOUT_S)
            said = log_file.read_text(encoding="utf-8", errors="replace").strip()
            when = f" within {start_timeout_s:g} s" if is_late else ""
            raise errors.HostingError(f"the emulator did not start{when}; it said:\n{said}")
        answer = json.loads(report)
        stack.enter_context(_set(environ, answer["variables"]))
        yield RunningEmulator(
            answer["url"],
            answer["notice"],
            process.pid,
            log_file,
            answer["variables"],
            Path(answer["variables_file"]),
        )


def _stop(process: "subprocess.Popen[bytes]", timeout_s: float = _STOP_TIMEOUT_S) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        # Together with any program that it waits for; servers lead process groups of their own.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


@contextlib.contextmanager
def _set(environ: MutableMapping[str, str], variables: Mapping[str, str | None]) -> Iterator[None]:
    before = {name: environ.get(name) for name in variables}
    _assign(environ, variables)
    try:
        yield
    finally:
        _assign(environ, before)


def _assign(environ: MutableMapping[str, str], variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            environ.pop(name, None)
        else:
            environ[name] = value
    # boto3's own session keeps the keys that it found first, and each start has others.
    if environ is os.environ and "boto3" in sys.modules:
        sys.modules["boto3"].DEFAULT_SESSION = None  # type: ignore[attr-defined]
