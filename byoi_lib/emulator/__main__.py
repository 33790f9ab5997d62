"""The emulator's own process: `python -m byoi_lib.emulator`, what `running` and the CLI start."""

import argparse
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from types import FrameType

from byoi_lib import errors

# How soon the parent's death is noticed.
_POLL_S = 0.2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until a signal or the parent's death; 0 after an orderly stop, 1 if it cannot start."""
    parser = argparse.ArgumentParser(prog="python -m byoi_lib.emulator", description=__doc__)
    parser.add_argument("--runner", default="auto")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--startup-timeout", type=float, default=None)
    parser.add_argument("--parent", type=int, default=None, help="process to end with")
    parser.add_argument("--report", action="store_true", help="print where it is as JSON")
    options = parser.parse_args(arguments)
    return serve(
        runner=options.runner,
        port=options.port,
        startup_timeout_s=options.startup_timeout,
        parent=options.parent or os.getppid(),
        has_report=options.report,
    )


def serve(
    *, runner: str, port: int, startup_timeout_s: float | None, parent: int, has_report: bool
) -> int:
    """Run an emulator in the foreground.

    Args:
        runner: As `Emulator`.
        port: As `Emulator`.
        startup_timeout_s: As `Emulator`, None for its default.
        parent: Process whose end ends this one.
        has_report: Print address and variables as one line of JSON, and not as instructions.
    """
    is_over = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        is_over.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    # Only now, so that a signal during the second it takes is not lost.
    from byoi_lib.emulator import server  # noqa: PLC0415

    try:
        emulator = server.Emulator(
            runner=runner,
            port=port,
            startup_timeout_s=startup_timeout_s or server.STARTUP_TIMEOUT_S,
            log=_log,
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
        _log("the emulator stopped, and removed what it started")
    return 0


def _announce(url: str, notice: str, variables: dict[str, str | None], *, has_report: bool) -> None:
    if has_report:
        print(json.dumps({"url": url, "notice": notice, "variables": variables}), flush=True)  # noqa: T201
        return
    _log(f"AWS answers at {url}; {notice}")
    lines = [
        f"unset {name}" if value is None else f"export {name}={value}"
        for name, value in variables.items()
    ]
    print("\n".join(lines), flush=True)  # noqa: T201 - for `eval` in another shell


def _log(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
