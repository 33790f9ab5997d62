"""The verb `byoi check`: does an image, a URL or a project keep SageMaker's container contract?

As in `cli`, a verb imports what it needs when it runs.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from byoi import cli_values, errors, extras, terminal

if TYPE_CHECKING:
    from byoi.conformance import Report, Result, Rule
    from byoi.conformance.subjects import Subject

_REPORTS = {"json": "JSON", "junit": "JUnit's XML", "html": "one HTML page"}
# Rules whose lines fit on a screen, so that the broken ones are not told twice.
_FAR_ABOVE = 20
# Exit statuses: a rule is broken, or with --strict was not tested; the check could not run.
BROKEN, NOT_RUN = 1, 2


def add_verbs(verbs: Any) -> None:
    """Add the verb to argparse's subparsers."""
    check = verbs.add_parser(
        "check", help="will an image pass on SageMaker? checks the container contract"
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
    check.add_argument("--slow-payload", type=Path, metavar="FILE", help="one that takes 5 to 55 s")
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
        help="a variable that the model needs, as an endpoint would have it",
    )
    check.add_argument("--serverless", action="store_true", help="with serverless' rules")
    check.add_argument("--multi-model", action="store_true", help="with multi-model endpoints'")
    check.add_argument("--train", action="store_true", help="with those of training")
    check.add_argument(
        "--training-input",
        type=Path,
        metavar="FOLDER",
        help="of a job that ends well: config/ and data/CHANNEL/, as /opt/ml/input has them",
    )
    check.add_argument(
        "--instance-type", default="", metavar="T", help="whose memory limits it: ml.m5.large"
    )
    check.add_argument(
        "--full", action="store_true", help="wait out the platform's limits, which takes minutes"
    )
    check.add_argument(
        "--strict", action="store_true", help="exit with 1 also where a rule was not tested"
    )
    for name, what in _REPORTS.items():
        check.add_argument(f"--{name}", type=Path, metavar="FILE", help=f"report as {what}")
    check.set_defaults(run=_check)


def _check(options: argparse.Namespace) -> int:
    from byoi.conformance import Report, reports

    started_s = time.monotonic()
    results: list[Result] = []

    def show(result: "Result") -> None:
        print(reports.line(result), flush=True)
        results.append(result)

    try:
        _require_writable(options)
        report = _run(options, show)
    except (errors.ByoiError, OSError) as error:
        print(terminal.message(f"byoi: error: {error}"), file=sys.stderr)
        seconds = time.monotonic() - started_s
        report = Report(options.subject, tuple(results), "", seconds, problem=str(error))
    status = NOT_RUN if report.problem else _status(options, report)
    writers: dict[str, Callable[[Report], str]] = {
        "json": reports.to_json,
        "junit": reports.to_junit,
        "html": reports.to_html,
    }
    for name, write in writers.items():
        if file := getattr(options, name):
            try:
                file.write_text(write(report), encoding="utf-8")
            except OSError as error:
                print(terminal.message(f"byoi: error: --{name} {file}: {error}"), file=sys.stderr)
                status = NOT_RUN
    if not report.problem:
        if report.failures and len(results) > _FAR_ABOVE:
            print(f"\nfailed:\n{reports.failures(report)}\n")
        print(report.summary)
    return status


def _status(options: argparse.Namespace, report: "Report") -> int:
    from byoi.conformance import Verdict

    is_untested = options.strict and report.count(Verdict.NOT_TESTED)
    return BROKEN if report.failures or is_untested else 0


def _require_writable(options: argparse.Namespace) -> None:
    """Refuse a report that could not be written, before the check takes its minutes."""
    for name in _REPORTS:
        file = getattr(options, name)
        if file and not file.absolute().parent.is_dir():
            raise errors.ConfigurationError(
                f"--{name} {file}: there is no folder {file.absolute().parent}; make it first"
            )


def _run(options: argparse.Namespace, show: "Callable[[Result], None]") -> "Report":
    from byoi import conformance
    from byoi.conformance import instance_memory, subjects

    rules, training_input = _rules(options.only), _folder(options.training_input)
    with subjects.unpacked(options.model_data) as model:
        subject, sample = _subject(options, model)
        read, kind = conformance.Payload.read, options.instance_type
        given = conformance.Given(
            payload=read(options.payload or sample, options.content_type),
            slow_payload=read(options.slow_payload, options.content_type),
            is_serverless=options.serverless,
            is_multi_model=options.multi_model,
            is_training=options.train or options.training_input is not None,
            training_input=training_input,
            is_full=options.full,
            environment=cli_values.environment(options.env),
            memory_bytes=instance_memory.of(kind) if kind else 0,
            architecture=instance_memory.architecture_of(kind) if kind else "",
        )
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


def _subject(options: argparse.Namespace, model: Path | None) -> tuple["Subject", Path | None]:
    """Return what the user named, and a project's sample request."""
    from byoi import conformance, project
    from byoi.local import Engine

    name = options.subject
    if name.startswith(("http://", "https://")):
        subject = conformance.UrlSubject(name)
        subject.require()
        return subject, None
    if Path(name).is_dir():
        found = project.Project.find(Path(name))
        model_dir = model or found.model_dir
        if found.module is None and model_dir is None:
            raise errors.ConfigurationError(
                f"the folder {name} holds no project: expected {project.MODULE}, and what it "
                f"loads in {project.MODEL_DIR}/ or in --model-data; `byoi init` makes one. An "
                "image of this name is checked as NAME:TAG"
            )
        environ = {}
        if found.module is not None:
            environ["BYOI_INFERENCE_MODULE"] = str(found.module.absolute())
        return conformance.ProjectSubject(found.folder, model_dir, environ), found.sample
    extras.require("byoi check of an image", "docker")
    engine = Engine(os.environ)
    engine.require()
    if not engine.has_image(name):
        raise errors.ConfigurationError(
            f"there is no image {name} on this machine, and no folder of that name; build or pull "
            "it first, or give http://HOST:PORT of a running server"
        )
    return conformance.ImageSubject(engine, name, model), None


def _folder(path: Path | None) -> Path | None:
    if path is not None and not path.is_dir():
        raise errors.ConfigurationError(f"--training-input {path}: there is no folder of that name")
    return path
