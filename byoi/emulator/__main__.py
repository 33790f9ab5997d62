"""The emulator's own process: `python -m byoi.emulator`, which `running` starts."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from byoi.emulator.process import foreground


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until a signal or the parent's death; 0 after an orderly stop, 1 if it cannot start."""
    parser = argparse.ArgumentParser(prog="python -m byoi.emulator", description=__doc__)
    parser.add_argument("--runner", default="auto")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--startup-timeout", type=float, default=None)
    parser.add_argument("--parent", type=int, default=None, help="process to end with")
    parser.add_argument(
        "--report", action="store_true", help="print the emulator's address as JSON"
    )
    parser.add_argument("--calls", type=Path, default=None, help="file to record calls in")
    options = parser.parse_args(arguments)
    return foreground.serve(
        runner=options.runner,
        port=options.port,
        startup_timeout_s=options.startup_timeout,
        parent=options.parent or os.getppid(),
        has_report=options.report,
        calls_file=options.calls,
    )


if __name__ == "__main__":
    sys.exit(main())
