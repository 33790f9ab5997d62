"""Does `byoi check` find each fault in an image, and what does it find of this project's image?

    .venv/bin/python benchmarks/check_all.py [--image byoi:latest] [--only FAULT ...] [--keep]

Each fault of `tests/byoi/conformance` becomes an image: the tests' own that keeps the contract,
with the fault in a variable and the labels it needs. The check must fail on the rule that the
fault breaks, and on those named beside it. Then the project's image is checked in whole, with the
model that the repository's fixture has. `--keep` writes `benchmarks/results/check_all.md` and
`check.json`, which docs/contract.md is made from. Needs Docker, and what `tests/run images` builds.
"""

import argparse
import concurrent.futures
import dataclasses
import datetime as dt
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from own_model import ROOT, show

from byoi import conformance, terminal
from byoi.conformance import reports
from byoi.local import Engine, LocalRegistry

sys.path[:0] = [str(ROOT / "tests" / name) for name in ("container", "byoi/conformance")]

import faults_of_life  # noqa: E402 - found by the path above
import faults_of_serving  # noqa: E402 - found by the path above
import images  # noqa: E402 - as above
import jobs  # noqa: E402 - as above

RESULTS = ROOT / "benchmarks" / "results"
MODEL = ROOT / "benchmarks" / "fixtures" / "network_small"
PAYLOAD = conformance.Payload(b'"Not bad at all."\n"Far too long."\n', "application/jsonlines")
SLOW_PAYLOAD = conformance.Payload(b'"Wait for it."', "application/jsonlines")
# Almost as long as a transform job allows.
SLOWEST_PAYLOAD = conformance.Payload(b'"Wait ten minutes."', "application/jsonlines")
# The project's own module, which takes its time for one review.
SLOW_MODULE = """\
import time

from byoi_lib.inference import input_fn as decode
from byoi_lib.inference import model_fn, output_fn, predict_fn


def input_fn(body, content_type):
    for words, seconds in (("Wait for it.", 40), ("Wait ten minutes.", 590)):
        if isinstance(body, str) and words in body:
            time.sleep(seconds)
    return decode(body, content_type)
"""

# One that streams, and has sessions, as AWS's guide opens and closes them.
STREAM_MODULE = """\
import json
import time


def model_fn(model_dir):
    return None


def transform_fn(model, body, content_type, accept, context):
    asked = json.loads(body).get("requestType")
    if asked == "NEW_SESSION":
        context.open_session(600)
    elif asked == "CLOSE":
        context.close_session()
    return "{}" if asked else pieces(), "application/jsonlines"


def pieces():
    for number in range(8):
        time.sleep(0.2)
        yield json.dumps({"piece": number}) + "\\n"
"""
STREAM_PAYLOAD = conformance.Payload(b"{}", "application/json")
STREAM_RULES = ("ST", "RT-51", "RT-52", "RT-53")
TRAINING_RULES = ("RT-02", "TR")


@dataclass(frozen=True)
class Broken:
    """An image with one fault, and what the check must say of it.

    Attributes:
        name: Of the fault.
        lines: Of its Dockerfile.
        rule: Must fail.
        others: Rules that must fail with it.
        words: Stand in what is seen, or in the remedy.
        given: What the user gave for the check.
        is_slow: It waits out a limit of the platform.
    """

    name: str
    lines: list[str]
    rule: str
    others: tuple[str, ...]
    words: tuple[str, ...]
    given: conformance.Given
    is_slow: bool


def broken_images(folder: Path, life: str) -> Iterator[Broken]:
    """Yield the images with a fault.

    Args:
        folder: Where the input of a training job is written.
        life: The image whose faults are in how it starts, ends, trains and writes.
    """
    serving = {**faults_of_serving.FAULTS, **faults_of_serving.SLOW_FAULTS}
    for name, fault in serving.items():
        lines = [f"FROM {images.IMAGES['faulty'].tag}", f"ENV FAULT='{name}'"]
        # The tests' image has all labels.
        absent = set(faults_of_serving.LABELS) - set(fault.labels)
        lines += [f"LABEL {label}=" for label in sorted(absent)]
        is_slow = name in faults_of_serving.SLOW_FAULTS
        yield Broken(name, lines, fault.rule, fault.others, fault.words, fault.given, is_slow)
    training = folder / "input"
    (training / "data" / "train").mkdir(parents=True)
    (training / "data" / "train" / "rows").write_text("1,2\n")
    (training / "config").mkdir()
    (training / "config" / "hyperparameters.json").write_text('{"epochs": 4}')
    rows = {
        **faults_of_life.FAULTS,
        **faults_of_life.IMAGE_FAULTS,
        **faults_of_life.CONTAINER_FAULTS,
        **faults_of_life.SLOW_FAULTS,
    }
    for name, row in rows.items():
        if name in faults_of_life.IMAGE_FAULTS:
            if not row.lines:  # of what an engine tells: a size, another processor
                continue
            lines = [f"FROM {life}", row.lines]
        else:
            lines = [f"FROM {life}", f"ENV FAULT='{name}'"]
        is_slow = name in faults_of_life.SLOW_FAULTS
        given = row.given(training)
        yield Broken(name, lines, row.rule, row.others, row.words, given, is_slow)


def build(tag: str, lines: list[str], context: Path | None = None) -> None:
    """Build an image.

    Args:
        tag: Its tag.
        lines: Its Dockerfile.
        context: The folder that it copies from.
    """
    subprocess.run(
        ["docker", "build", "--quiet", "--tag", tag, *(["-f", "-", context] if context else ["-"])],
        input="\n".join(lines) + "\n",
        text=True,
        check=True,
        capture_output=True,
    )


def try_fault(fault: Broken, model: Path) -> tuple[str, str]:
    """Return what came of a fault, `found` if all is as it must be, and what was seen."""
    tag = f"{images.REPOSITORY}-check-all{'-slow' if fault.is_slow else ''}:latest"
    build(tag, fault.lines)
    try:
        case = conformance.Case(
            conformance.ImageSubject(Engine(os.environ), tag, model), fault.given
        )
        wanted = {fault.rule, *fault.others}
        report = conformance.check(case, conformance.selected(conformance.all_rules(), wanted))
    finally:
        subprocess.run(["docker", "rmi", "--force", tag], capture_output=True, check=False)
    seen = {result.rule.id: result for result in report.results}
    missed = wanted - {result.rule.id for result in report.failures}
    told = f"{seen[fault.rule].seen}; {seen[fault.rule].remedy}"
    absent = [word for word in fault.words if word not in told]
    outcome = "found"
    if missed:
        outcome = f"MISSED: {', '.join(sorted(missed))}"
    elif absent:
        outcome = f"not said: {', '.join(absent)}"
    return outcome, seen[fault.rule].seen


def main() -> None:
    """Try the faults and check the image; exit with 1 where a fault was missed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--image", default=images.OWN_IMAGE)
    parser.add_argument("--only", nargs="*", help="some of the faults, or none")
    parser.add_argument("--no-own", action="store_true", help="do not check the own image")
    parser.add_argument("--keep", action="store_true", help="write the results")
    options = parser.parse_args()
    began_s = time.monotonic()
    rows, missed = [], 0
    life = f"{images.REPOSITORY}-faulty-life:latest"
    build(
        life,
        [
            f"FROM {images.IMAGES['serve'].tag}",
            "COPY faulty.py faulty_life.py /",
            'ENTRYPOINT ["python3", "/faulty_life.py"]',
        ],
        images.FAULTY,
    )
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        model.mkdir()
        (model / "weights").write_text("1")
        faults = [
            fault
            for fault in broken_images(Path(folder), life)
            if options.only is None or fault.name in options.only
        ]
        # What waits for minutes does so beside the others.
        with concurrent.futures.ThreadPoolExecutor(1) as waiting:
            slow = {
                fault.name: waiting.submit(try_fault, fault, model)
                for fault in faults
                if fault.is_slow
            }
            # Those are awaited last.
            for fault in sorted(faults, key=lambda one: one.is_slow):
                found = slow.get(fault.name)
                outcome, seen = found.result() if found else try_fault(fault, model)
                missed += outcome != "found"
                show(f"{fault.name}: {fault.rule} {outcome}")
                others = ", ".join(fault.others)
                rows.append(f"| `{fault.name}` | {fault.rule} | {others} | {outcome} | {seen} |")
    took_s = time.monotonic() - began_s
    report = None if options.no_own else check_own(options.image)
    if report is not None:
        show(report.summary)
        if options.keep:
            (RESULTS / "check.json").write_text(reports.to_json(report) + "\n", encoding="utf-8")
    if options.keep and rows:
        keep(rows, missed, took_s)
    sys.exit(1 if missed or (report is not None and report.failures) else 0)


def check_own(image: str) -> conformance.Report:
    """Check the project's image, as it is in a registry, with all that can be given.

    A rule that does not apply to its own model is asked of it with a module that streams, and of
    the image that trains.
    """
    with tempfile.TemporaryDirectory() as folder, LocalRegistry() as registry:
        model, streaming = Path(folder) / "model", Path(folder) / "streaming"
        shutil.copytree(MODEL, model)
        for data, module in ((model, SLOW_MODULE), (streaming, STREAM_MODULE)):
            (data / "code").mkdir(parents=True)
            (data / "code" / "inference.py").write_text(module)
        job = Path(folder) / "input"
        jobs.write_reviews(job / "data" / "train")
        (job / "config").mkdir()
        (job / "config" / "hyperparameters.json").write_text(
            json.dumps(jobs.HYPERPARAMETERS | {"epochs": "40"})
        )
        pushed = f"{registry.address}/{image}"
        for command in (["tag", image, pushed], ["push", "--quiet", pushed]):
            subprocess.run(["docker", *command], check=True, capture_output=True)
        try:
            given = conformance.Given(
                payload=PAYLOAD, slow_payload=SLOW_PAYLOAD, is_serverless=True
            )
            report = _checked(pushed, model, given, ())
        finally:
            subprocess.run(["docker", "rmi", pushed], capture_output=True, check=False)
        given = conformance.Given(slow_payload=SLOWEST_PAYLOAD, is_full=True)
        waited = _checked(image, model, given, ("BT-08",))
        given = conformance.Given(payload=STREAM_PAYLOAD)
        streamed = _checked(image, streaming, given, STREAM_RULES)
        given = conformance.Given(is_training=True, training_input=job)
        trained = _checked(images.IMAGES["tensorflow"].tag, None, given, TRAINING_RULES)
    results = {result.rule.id: result for result in (*report.results, *waited.results)}
    for other, what in ((streamed, "a module that streams"), (trained, "the image that trains")):
        for result in other.results:
            if results[result.rule.id].verdict is conformance.Verdict.NOT_APPLICABLE:
                seen = f"{what}: {result.seen}" if result.seen else ""
                results[result.rule.id] = dataclasses.replace(result, seen=seen)
    seconds = report.seconds + waited.seconds + streamed.seconds + trained.seconds
    return dataclasses.replace(
        report, subject=image, results=tuple(results.values()), seconds=seconds
    )


def _checked(
    image: str, model: Path | None, given: conformance.Given, only: tuple[str, ...]
) -> conformance.Report:
    subject = conformance.ImageSubject(Engine(os.environ), image, model)
    rules = conformance.selected(conformance.all_rules(), only)
    return conformance.check(
        conformance.Case(subject, given), rules, lambda result: show(reports.line(result))
    )


def keep(rows: list[str], missed: int, seconds: float) -> None:
    """Write what came of the faults, and the last report of the own image.

    Args:
        rows: Of the table.
        missed: How many are not as they should be.
        seconds: How long the faults took.
    """
    git = ["git", "describe", "--always", "--dirty"]
    commit = subprocess.check_output(git, cwd=ROOT, text=True).strip()
    own = json.loads((RESULTS / "check.json").read_text(encoding="utf-8"))
    text = "\n".join(
        [
            "# Faulty images, and what `byoi check` says of them",
            "",
            f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC, commit {commit}, by",
            "",
            f"    .venv/bin/python benchmarks/check_all.py {' '.join(sys.argv[1:])}",
            "",
            f"{len(rows)} faults in {seconds:.0f} s, {missed} not found as they should be.",
            "",
            f"The project's own image, in {own['seconds']:.0f} s: {own['summary']}.",
            "",
            "| fault | rule that must fail | with it | outcome | seen |",
            "|---|---|---|---|---|",
            *(terminal.one_line(row) for row in rows),
            "",
        ]
    )
    (RESULTS / "check_all.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
