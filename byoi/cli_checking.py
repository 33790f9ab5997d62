"""The verb `byoi check`: does an image, a URL or a project keep SageMaker's container contract?

As in `cli`, a verb imports what it needs when it runs.
"""

import argparse
import dataclasses
import datetime as dt
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from byoi import cli_subjects, cli_values, errors, terminal

if TYPE_CHECKING:
    from byoi.conformance import Report, Result, Rule
    from byoi.conformance.about import About

# Options that name a file or a folder, and what is expected of it.
_FILES = {
    "--model-data": "a model.tar.gz, or a model's folder",
    "--payload": "a file with the body of a request that the model answers",
    "--slow-payload": "a file with the body of a request that takes 5 to 55 s",
    "--training-input": "a folder with config/ and data/CHANNEL/, as /opt/ml/input has them",
}
_NO_FOLDERS, _ONLY_FOLDERS = {"--payload", "--slow-payload"}, {"--training-input"}
_REPORTS = {"json": "JSON", "junit": "JUnit's XML", "html": "one HTML page"}
# What a command line has beside the options of a check.
_NO_OPTIONS = {"run", "verb", "subject", *_REPORTS}
_GROUPS = {
    "--serverless": "serverless endpoints",
    "--multi-model": "multi-model endpoints",
    "--train": "training jobs",
}
# Rules whose lines fit on a screen, so that the broken ones are not told twice.
_FAR_ABOVE = 20
# Exit statuses: a rule is broken, or with --strict was not tested; the check could not run.
BROKEN, NOT_RUN = 1, 2


def add_verbs(verbs: Any) -> None:
    """Add the verb to argparse's subparsers."""
    check = verbs.add_parser(
        "check", help="check an image, a server or a project against SageMaker's container contract"
    )
    check.add_argument(
        "subject",
        metavar="IMAGE|URL|PROJECT",
        help="an image of this machine, http://HOST:PORT of a server, or a project's folder",
    )
    check.add_argument(
        "--model-data", type=Path, metavar="FILE", help="model.tar.gz, or a model's directory"
    )
    check.add_argument(
        "--payload", type=Path, metavar="FILE", help="a request that the model answers"
    )
    check.add_argument(
        "--slow-payload",
        type=Path,
        metavar="FILE",
        help="a request that takes 5 to 59 s, to test time-outs and SIGTERM",
    )
    check.add_argument(
        "--content-type",
        metavar="T",
        help="media type of the payloads; default: from the file's ending",
    )
    check.add_argument(
        "--only", default="", metavar="RT,ST-01", help="only these rules, or groups of rules"
    )
    check.add_argument(
        "--env",
        action="append",
        default=[],
        metavar="NAME[=VALUE]",
        help="an environment variable for the container",
    )
    for option, what in _GROUPS.items():
        check.add_argument(option, action="store_true", help=f"also check the rules of {what}")
    check.add_argument(
        "--training-input",
        type=Path,
        metavar="FOLDER",
        help="a training job's input: config/ and data/CHANNEL/, as in /opt/ml/input",
    )
    check.add_argument(
        "--instance-type",
        default="",
        metavar="T",
        help="limit the memory to that of this type, such as ml.m5.large",
    )
    check.add_argument(
        "--full",
        action="store_true",
        help="also test rules that wait for SageMaker's time limits, which takes minutes",
    )
    check.add_argument(
        "--strict", action="store_true", help="exit with 1 also if a rule was not tested"
    )
    for name, what in _REPORTS.items():
        check.add_argument(f"--{name}", type=Path, metavar="FILE", help=f"report as {what}")
    check.set_defaults(run=_check)


def _check(options: argparse.Namespace) -> int:
    from byoi.conformance import Report, page, reports

    started_s = time.monotonic()
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    about = _about(options)
    results: list[Result] = []

    def learn(**known: Any) -> None:
        nonlocal about
        about = dataclasses.replace(about, **known)

    def show(result: "Result") -> None:
        print(reports.line(result, width), flush=True)
        results.append(result)

    try:
        _require_files(options)
        report = _run(options, learn, show)
    except BrokenPipeError:
        raise
    except (errors.ByoiError, OSError) as error:
        print(terminal.message(f"byoi: error: {error}"), file=sys.stderr)
        seconds = time.monotonic() - started_s
        subject = cli_subjects.without_user(options.subject)
        report = Report(subject, tuple(results), "", seconds, problem=str(error))
    report = dataclasses.replace(report, about=about)
    status = NOT_RUN if report.problem else _status(options, report)
    writers: dict[str, Callable[[Report], str]] = {
        "json": reports.to_json,
        "junit": reports.to_junit,
        "html": page.to_html,
    }
    for name, write in writers.items():
        if file := getattr(options, name):
            try:
                file.write_text(write(report), encoding="utf-8")
            except OSError as error:
                status = NOT_RUN
                if f"--{name} {file}" not in report.problem:
                    problem = f"byoi: error: --{name} {file}: {error.strerror}"
                    print(terminal.message(problem), file=sys.stderr)
    if not report.problem:
        _conclude(options, report, width)
    return status


def _conclude(options: argparse.Namespace, report: "Report", width: int) -> None:
    """Print what is to be done, and the counts as the last line."""
    from byoi.conformance import Verdict, reports

    if report.failures and len(report.results) > _FAR_ABOVE:
        print(f"\nfailed:\n{reports.failures(report, width)}\n")
    if more := reports.to_give(report):
        print(f"to test more, give {more}")
    if options.strict and not report.failures and report.count(Verdict.NOT_TESTED):
        print(f"--strict: what is not tested counts as failed, exit status {BROKEN}")
    print(report.summary)


def _status(options: argparse.Namespace, report: "Report") -> int:
    from byoi.conformance import Verdict

    is_untested = options.strict and report.count(Verdict.NOT_TESTED)
    return BROKEN if report.failures or is_untested else 0


def _about(options: argparse.Namespace) -> "About":
    """Return what is known before anything is looked at; of variables only their names."""
    import importlib.metadata

    from byoi.conformance.about import About

    given = {}
    for key, value in vars(options).items():
        if key in _NO_OPTIONS or not value:
            continue
        shown = "" if value is True else str(value)
        if key == "env":
            shown = ",".join(pair.partition("=")[0] for pair in value)
        given[f"--{key.replace('_', '-')}"] = shown
    return About(dt.datetime.now(dt.UTC), importlib.metadata.version("byoi"), given)


def _require_files(options: argparse.Namespace) -> None:
    """Refuse files that are not there, and reports that could not be written.

    A check takes minutes: so this comes first.

    Raises:
        ConfigurationError: There is one.
    """
    for name, what in _FILES.items():
        file = getattr(options, name[2:].replace("-", "_"))
        if file and (problem := _unusable(name, file)):
            raise errors.ConfigurationError(f"{name} {file}: {problem}; expected {what}")
    for name in _REPORTS:
        file = getattr(options, name)
        if file and not file.absolute().parent.is_dir():
            raise errors.ConfigurationError(
                f"--{name} {file}: there is no folder {file.absolute().parent}; make it first"
            )
        if file and file.is_dir():
            raise errors.ConfigurationError(
                f"--{name} {file} is a folder; expected the name of a file to write"
            )


def _unusable(name: str, file: Path) -> str:
    """Return why a file cannot be that of an option, "" where it can."""
    if not file.exists():
        return "it does not exist"
    if file.is_dir() and name in _NO_FOLDERS:
        return "it is a folder"
    if not file.is_dir() and name in _ONLY_FOLDERS:
        return "it is not a folder"
    return "" if os.access(file, os.R_OK) else "it cannot be read"


def _run(
    options: argparse.Namespace,
    learn: Callable[..., None],
    show: "Callable[[Result], None]",
) -> "Report":
    """Check the subject.

    Args:
        options: Of the command line.
        learn: Takes fields of `About` as they become known.
        show: Takes each result.
    """
    from byoi import conformance
    from byoi.conformance import instance_memory, subjects

    rules = _rules(options.only)
    with subjects.unpacked(options.model_data) as model:
        subject, sample = cli_subjects.named(options, model, learn)
        read, kind = conformance.Payload.read, options.instance_type
        given = conformance.Given(
            payload=read(options.payload or sample, options.content_type),
            slow_payload=read(options.slow_payload, options.content_type),
            is_serverless=options.serverless,
            is_multi_model=options.multi_model,
            is_training=options.train or options.training_input is not None,
            training_input=options.training_input,
            is_full=options.full,
            environment=cli_values.environment(options.env),
            memory_bytes=instance_memory.of(kind) if kind else 0,
            architecture=instance_memory.architecture_of(kind) if kind else "",
        )
        if sys.stderr.isatty():
            print(f"checking {terminal.one_line(options.subject)} ...", file=sys.stderr)
        return conformance.check(conformance.Case(subject, given), rules, show)


def _rules(only: str) -> "list[Rule]":
    """Return the rules that the user asked for, all of them without a word.

    Raises:
        ConfigurationError: A word is that of no rule.
    """
    from byoi import conformance

    wanted = [one.strip() for one in only.split(",") if one.strip()]
    rules = conformance.all_rules()
    for one in wanted:
        if not conformance.selected(rules, [one]):
            raise errors.ConfigurationError(
                f"--only {one}: no rule is named so; expected ids or groups, such as RT,ST-01"
            )
    return conformance.selected(rules, wanted)
