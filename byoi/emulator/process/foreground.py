"""An emulator in the foreground: until Ctrl-C, a signal, or the end of who started it."""

import json
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

from byoi import errors
from byoi.emulator.process import belongings, installation

# How soon the parent's death is noticed.
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
    is_over = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        is_over.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    try:
        installation.require()
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
        _announce(emulator.url, emulator.notice, emulator.variables, has_report=has_report)
        while not is_over.wait(_POLL_S):
            if os.getppid() != parent:
                _log("the process that started the emulator is gone")
                break
    finally:
        # A second Ctrl-C must not cut the clean-up short.
        emulator.stop()
        if os.getppid() != parent:
            belongings.clear(None)  # its own log's folder
        _log("the emulator stopped, and removed what it started")
    return 0


def _announce(
    url: str, notice: str, variables: Mapping[str, str | None], *, has_report: bool
) -> None:
    if has_report:
        print(json.dumps({"url": url, "notice": notice, "variables": variables}), flush=True)  # noqa: T201
        return
    _log(f"AWS answers at {url}; {notice}")
    lines = [
        f"unset {name}" if value is None else f"export {name}={shlex.quote(value)}"
        for name, value in variables.items()
    ]
    print("\n".join(lines), flush=True)  # noqa: T201 - for `eval` in another shell


def _log(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)  # noqa: T201
