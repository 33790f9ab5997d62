"""The verbs of `byoi` that emulate AWS: `emulator` and `emulator run`.

As in `cli`, a verb imports what it needs when it runs.
"""

import argparse
import os
from pathlib import Path
from typing import Any

# Not moto's own 5000, which a registry or AirPlay may hold.
EMULATOR_PORT = 5556


def add_verbs(verbs: Any) -> None:
    """Add them to `argparse`'s subparsers."""
    emulator = verbs.add_parser("emulator", help="run AWS on this machine, until Ctrl-C")
    emulator.add_argument("--port", type=int, default=EMULATOR_PORT, metavar="N")
    emulator.add_argument(
        "--runner",
        choices=("auto", "containers", "processes"),
        default="auto",
        help="what endpoints run; auto: containers where Docker answers",
    )
    emulator.add_argument(
        "--startup-timeout", type=float, metavar="S", help="seconds for /ping to turn 200"
    )
    emulator.set_defaults(run=_emulator)
    inside = emulator.add_subparsers(metavar="run -- COMMAND")
    run = inside.add_parser("run", help="run a command that finds it in its environment")
    run.add_argument("--log", type=Path, metavar="FILE", help="where the emulator's log goes")
    run.add_argument("command", nargs="+", metavar="COMMAND")
    run.set_defaults(run=_emulator_run)


def _emulator(options: argparse.Namespace) -> int:
    from byoi_lib.emulator.process import foreground

    return foreground.serve(
        runner=options.runner,
        port=options.port,
        startup_timeout_s=options.startup_timeout,
        parent=os.getppid(),
        has_report=False,
    )


def _emulator_run(options: argparse.Namespace) -> int:
    from byoi_lib.emulator.process import command

    return command.run(
        options.command,
        runner=options.runner,
        startup_timeout_s=options.startup_timeout,
        log_file=options.log,
    )
