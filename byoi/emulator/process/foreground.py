"""What `byoi emulator` does: an emulator in the foreground, or around one command.

In the foreground it runs until Ctrl-C, a signal, or the end of the process that started it.
"""

import json
import os
import shlex
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from byoi import errors, terminal
from byoi.emulator.process import belongings
from byoi.emulator.process.running import require_packages, running

if TYPE_CHECKING:  # two seconds, which `serve` spends where a signal finds it
    from byoi.emulator.process.server import Emulator

# How soon the end of the parent is noticed.
_POLL_S = 0.2


def serve(  # noqa: PLR0913 - keywords, one caller
    *,
    runner: str,
    port: int,
    startup_timeout_s: float | None,
    parent: int,
    has_report: bool,
    calls_file: Path | None = None,
) -> int:
    """Run an emulator in the foreground.

    Args:
        runner: As `Emulator`.
        port: As `Emulator`.
        startup_timeout_s: As `Emulator`, None for its default.
        parent: Process whose end ends this one.
        has_report: Print address and variables as one line of JSON, and not as instructions.
        calls_file: As `Emulator`.
    """
    if has_report and not stat.S_ISFIFO(os.fstat(sys.stdout.fileno()).st_mode):
        _log("--report writes keys, and only into a pipe: leave it out, and load the file's")
        return 1
    is_over = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        is_over.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    try:
        require_packages()
        # Only now, so that a signal during the second it takes is not lost.
        from byoi.emulator.process import server  # noqa: PLC0415

        emulator = server.Emulator(
            runner=runner,
            port=port,
            startup_timeout_s=startup_timeout_s or server.STARTUP_TIMEOUT_S,
            log=_log,
            calls_file=calls_file,
        )
    except (errors.ByoiError, OSError) as error:
        _log(f"the emulator cannot start: {error}")
        return 1
    try:
        _announce(emulator, has_report=has_report)
        while not is_over.wait(_POLL_S):
            if os.getppid() != parent:
                _log("the process that started the emulator is gone")
                break
    finally:
        # A second Ctrl-C must not interrupt the clean-up.
        emulator.stop()
        if os.getppid() != parent:
            belongings.clear(None)  # its own log's folder
        _log("the emulator stopped, and removed what it started")
    return 0


def _announce(emulator: "Emulator", *, has_report: bool) -> None:
    if has_report:
        # For the parent process, through a pipe that no other process can read.
        report = {
            "url": emulator.url,
            "notice": emulator.notice,
            "variables": emulator.variables,
            "variables_file": str(emulator.variables_file),
        }
        print(json.dumps(report), flush=True)  # noqa: T201
        return
    _log(f"AWS answers at {emulator.url}; {emulator.notice}")
    _log("this line loads the variables that a client needs, AWS_ENDPOINT_URL and the keys:")
    # For another shell, typed or by `eval`. The values are in a file that only this user can read:
    # printed output ends up in logs and notebooks.
    print(f". {shlex.quote(str(emulator.variables_file))}", flush=True)  # noqa: T201


def _log(line: str) -> None:
    # What clients sent and containers wrote is among it.
    shown = terminal.message(line)
    print(f"{time.strftime('%H:%M:%S')} {shown}", file=sys.stderr, flush=True)  # noqa: T201


def run_command(
    command: Sequence[str],
    *,
    runner: str = "auto",
    startup_timeout_s: float | None = None,
    log_file: Path | None = None,
) -> int:
    """Run a command inside an emulator and return its exit status.

    Ctrl-C and SIGTERM end the command first, and then the emulator.

    Args:
        command: Program and arguments.
        runner: As `running`.
        startup_timeout_s: As `running`.
        log_file: Receives the emulator's log.

    Raises:
        MissingProgramError: There is no such program.
        HostingError: The emulator did not start.
    """
    environ = dict(os.environ)
    with running(
        runner=runner, startup_timeout_s=startup_timeout_s, log_file=log_file, environ=environ
    ):
        try:
            process = subprocess.Popen(command, env=environ)
        except OSError as error:
            raise errors.MissingProgramError(
                f"{command[0]} cannot be run: {error.strerror}; give a program and its "
                "arguments after --"
            ) from error

        def pass_on(number: int, _frame: FrameType | None) -> None:
            process.send_signal(number)

        before = {number: signal.signal(number, pass_on) for number in (signal.SIGTERM,)}
        # A terminal sends Ctrl-C to the command as well; this process waits for its end.
        before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            status = process.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        return status if status >= 0 else 128 - status
