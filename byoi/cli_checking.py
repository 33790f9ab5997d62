"""The verb `byoi check`: does an image, a URL or a project keep SageMaker's container contract?

As in `cli`, a verb imports what it needs when it runs.
"""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from byoi import cli_values, errors, extras, terminal

if TYPE_CHECKING:
    from byoi.conformance import Report
    from byoi.conformance.subjects import Subject

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
    for name, what in (("json", "JSON"), ("junit", "JUnit's XML"), ("html", "one HTML page")):
        check.add_argument(f"--{name}", type=Path, metavar="FILE", help=f"report as {what}")
    check.set_defaults(run=_check)


def _check(options: argparse.Namespace) -> int:
    try:
        report = _run(options)
    except (errors.ByoiError, OSError) as error:
        print(terminal.message(f"byoi: error: {error}"), file=sys.stderr)
        return NOT_RUN
    from byoi.conformance import Verdict, reports

    writers: dict[str, Callable[[Report], str]] = {
        "json": reports.to_json,
        "junit": reports.to_junit,
        "html": reports.to_html,
    }
    for name, write in writers.items():
        if file := getattr(options, name):
            file.write_text(write(report), encoding="utf-8")
    print(report.summary)
    if report.failures:
        return BROKEN
    return BROKEN if options.strict and report.count(Verdict.NOT_TESTED) else 0


def _run(options: argparse.Namespace) -> "Report":
    from byoi import conformance
    from byoi.conformance import instance_memory, reports, subjects

    only = [one.strip() for one in options.only.split(",") if one.strip()]
    rules = conformance.selected(conformance.all_rules(), only)
    if not rules:
        raise errors.ConfigurationError(
            f"--only {options.only}: no rule is named so; expected ids or groups, such as RT,ST-01"
        )
    with subjects.unpacked(options.model_data) as model:
        subject, sample = _subject(options, model)
        read = conformance.Payload.read
        given = conformance.Given(
            payload=read(options.payload or sample, options.content_type),
            slow_payload=read(options.slow_payload, options.content_type),
            is_serverless=options.serverless,
            is_multi_model=options.multi_model,
            is_training=options.train or options.training_input is not None,
            training_input=_folder(options.training_input),
            is_full=options.full,
            environment=cli_values.environment(options.env),
            memory_bytes=instance_memory.of(options.instance_type) if options.instance_type else 0,
        )
        case = conformance.Case(subject, given)
        return conformance.check(
            case, rules, lambda result: print(reports.line(result), flush=True)
        )


def _subject(options: argparse.Namespace, model: Path | None) -> tuple["Subject", Path | None]:
    """Return what the user named, and a project's sample request."""
    from byoi import conformance, project
    from byoi.local import Engine

    name = options.subject
    if name.startswith(("http://", "https://")):
        return conformance.UrlSubject(name), None
    if Path(name).is_dir():
        found = project.Project.find(Path(name))
        environ = {}
        if found.module is not None:
            environ["BYOI_INFERENCE_MODULE"] = str(found.module.absolute())
        model_dir = model or found.model_dir or found.folder / project.MODEL_DIR
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
