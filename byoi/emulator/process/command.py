"""A command that finds an emulator in its environment, and no AWS."""

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from byoi import errors
from byoi.emulator.process.running import running


def run(
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
                "arguments behind --"
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
