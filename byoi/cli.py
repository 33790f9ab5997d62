"""The `byoi` command: each verb is one call into the library.

A verb imports what it needs when it runs, so that `byoi serve` starts without
TensorFlow and `byoi --help` without anything. A verb also checks that the packages it needs
are installed before it begins, and names the extra that brings them.

Verbs of a model's own library come from the entry points of the group `byoi.verbs`:
functions that take argparse's subparsers. They can add verbs, not replace one of the tool.

Source: PyPA's specification of entry points (entry_points.txt in a package's metadata).
"""

import argparse
import contextlib
import importlib
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from byoi import cli_checking, cli_deployment, cli_project, cli_serving, errors, extras, terminal

VERBS_GROUP = "byoi.verbs"
# Not moto's own 5000, which a registry or AirPlay may hold.
EMULATOR_PORT = 5556
TRACEBACK_VARIABLE = "BYOI_TRACEBACK"
# EX_SOFTWARE of sysexits.h.
UNFORESEEN_STATUS = 70
_METADATA = (".dist-info", ".egg-info")


class Plugin(NamedTuple):
    """An entry point of `VERBS_GROUP`.

    Attributes:
        value: Its function, as `module:name`.
    """

    value: str

    def load(self) -> Any:
        """Import the function."""
        module, _, name = self.value.partition(":")
        return getattr(importlib.import_module(module), name)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb.

    Returns:
        0 on success, 1 on a deliberate error, 2 on a wrong command line, 70 on any other error,
        128 and its number after a signal.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _parser(arguments).parse_args(arguments)
    # TensorFlow's remarks about processors and CUDA would hide what a verb prints.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        # A server handles signals by itself, as of its first process.
        with contextlib.nullcontext() if options.verb == "serve" else _interrupted_by_signals():
            return int(options.run(options) or 0)
    except errors.ByoiError as error:
        return _fail(error)
    except ModuleNotFoundError as error:
        missing = extras.explain(error)
        if missing is None:
            raise
        return _fail(missing)
    except KeyboardInterrupt as interrupt:
        return 128 + getattr(interrupt, "number", signal.SIGINT)
    except BrokenPipeError:
        # What reads the output has ended, such as `head`; what is left must not fail once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except Exception as error:
        if os.environ.get(TRACEBACK_VARIABLE):
            raise
        return _report_unforeseen(error)


class _EndedBySignal(KeyboardInterrupt):
    """SIGTERM or SIGHUP arrived, as when a CI job is cancelled or a terminal is closed.

    Attributes:
        number: Of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextlib.contextmanager
def _interrupted_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end a verb as Ctrl-C does: its containers and files are removed."""

    def interrupt(number: int, _: object) -> None:
        raise _EndedBySignal(number)

    # Only the main thread may set handlers; nohup has SIGHUP ignored, and that stays.
    numbers = (signal.SIGTERM, signal.SIGHUP)
    is_main = threading.current_thread() is threading.main_thread()
    taken = [one for one in numbers if is_main and signal.getsignal(one) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def _fail(error: errors.ByoiError) -> int:
    print(terminal.message(f"byoi: error: {error}"), file=sys.stderr)
    return 1


def _report_unforeseen(error: Exception) -> int:
    """Say in one line what went wrong in a way that no code here expected."""
    cause = terminal.one_line(": ".join(filter(None, [type(error).__name__, str(error)])))
    print(
        f"byoi: unexpected error: {cause}; set {TRACEBACK_VARIABLE}=1 to see the traceback; "
        "`byoi endpoints` lists the endpoints that exist now",
        file=sys.stderr,
    )
    return UNFORESEEN_STATUS


def add_plugged_in_verbs(verbs: Any, plugins: Iterable[Any]) -> None:
    """Add the verbs of other libraries; a broken one costs a line on stderr.

    Args:
        verbs: argparse's subparsers, which refuse a verb that is already there.
        plugins: Entry points of `VERBS_GROUP`.
    """
    for plugin in plugins:
        try:
            plugin.load()(verbs)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the other verbs must work
            cause = terminal.one_line(" ".join(f"{type(error).__name__}: {error}".split()))
            print(f"byoi: the verbs of {plugin.value} are not available: {cause}", file=sys.stderr)


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="byoi", description="Bring your own inference to Amazon SageMaker."
    )
    verbs = parser.add_subparsers(required=True, title="verbs", metavar="VERB", dest="verb")

    cli_project.add_verbs(verbs)
    cli_serving.add_verbs(verbs)
    cli_checking.add_verbs(verbs)
    cli_deployment.add_verbs(verbs)
    _add_emulator(verbs)
    # Looking for plug-ins takes as long as all the rest, and the tool's own verbs need none.
    if not arguments or arguments[0] not in verbs.choices:
        add_plugged_in_verbs(verbs, find_plugins(sys.path))
    return parser


def find_plugins(path: Iterable[str]) -> list[Plugin]:
    """Return the entry points of `VERBS_GROUP` of what is installed.

    Read here: `importlib.metadata` takes 60 ms for it, half of `byoi --help`.

    Args:
        path: Folders, as in `sys.path`; of two that have a package, the first counts.
    """
    found, seen = [], set[str]()
    for folder in path:
        try:
            entries = sorted(Path(folder).iterdir())
        except OSError:  # a folder that is not there, or a zip file
            continue
        for entry in entries:
            package = entry.name.partition("-")[0].lower()
            if not entry.name.endswith(_METADATA) or package in seen:
                continue
            seen.add(package)
            try:
                text = (entry / "entry_points.txt").read_text("utf-8", errors="replace")
            except OSError:  # most packages have none
                continue
            found += [Plugin(value) for value in _values(text)]
    return found


def _values(text: str) -> list[str]:
    """Return the values of `VERBS_GROUP` in an entry_points.txt."""
    values, group = [], ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            group = line.strip("[] ")
        elif group == VERBS_GROUP and "=" in line and not line.startswith(("#", ";")):
            # An extra in brackets may follow, which nothing uses any more.
            values.append(line.partition("=")[2].partition("[")[0].strip())
    return values


def _add_emulator(verbs: Any) -> None:
    emulator = verbs.add_parser("emulator", help="run AWS on this machine until Ctrl-C")
    emulator.add_argument(
        "--port", type=int, default=EMULATOR_PORT, metavar="N", help=f"default: {EMULATOR_PORT}"
    )
    emulator.add_argument(
        "--runner",
        choices=("auto", "containers", "processes"),
        default="auto",
        help="how endpoints run; auto: in containers if Docker answers, else as processes",
    )
    emulator.add_argument(
        "--startup-timeout",
        type=float,
        metavar="S",
        help="seconds until an endpoint's /ping must answer 200",
    )
    emulator.set_defaults(run=_emulator)
    inside = emulator.add_subparsers(metavar="run -- COMMAND")
    run = inside.add_parser("run", help="run a command that uses the emulator")
    run.add_argument("--log", type=Path, metavar="FILE", help="file for the emulator's log")
    run.add_argument("command", nargs="+", metavar="COMMAND", help="program and arguments")
    run.set_defaults(run=_emulator_run)


def _emulator(options: argparse.Namespace) -> int:
    extras.require("byoi emulator", *extras.EXTRAS["emulator"])
    from byoi.emulator.process import foreground

    return foreground.serve(
        runner=options.runner,
        port=options.port,
        startup_timeout_s=options.startup_timeout,
        parent=os.getppid(),
        has_report=False,
    )


def _emulator_run(options: argparse.Namespace) -> int:
    from byoi.emulator.process import foreground

    return foreground.run_command(
        options.command,
        runner=options.runner,
        startup_timeout_s=options.startup_timeout,
        log_file=options.log,
    )


if __name__ == "__main__":
    sys.exit(main())
