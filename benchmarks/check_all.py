"""Does `byoi check` find each fault in an image, and what does it find of this project's image?

    .venv/bin/python benchmarks/check_all.py [--image byoi:latest] [--only FAULT ...] [--keep]

Each fault of `tests/byoi/conformance` becomes an image: the tests' own that keeps the contract,
with the fault in a variable and the labels it needs. The check must fail on the rule that the
fault breaks, and on those named beside it. Then the project's image is checked in whole, with the
model that the repository's fixture has. `--keep` writes `benchmarks/results/check_all.md` and
`check.json`, which docs/contract.md is made from. Needs Docker, and what `tests/run images` builds.
"""

import argparse
import datetime as dt
import os
import subprocess
import sys
import time

from own_model import ROOT, show

from byoi import conformance
from byoi.conformance import reports
from byoi.local import Engine

sys.path[:0] = [str(ROOT / "tests" / name) for name in ("container", "byoi/conformance")]

import faults_of_serving  # noqa: E402 - found by the path above
import images  # noqa: E402 - as above

RESULTS = ROOT / "benchmarks" / "results"
MODEL = ROOT / "benchmarks" / "fixtures" / "network_small"
PAYLOAD = conformance.Payload(b'{"instances": ["Not bad at all."]}', "application/json")


def build(tag: str, fault: str, labels: tuple[str, ...]) -> None:
    """Build the image of a fault."""
    lines = [f"FROM {images.IMAGES['faulty'].tag}", f"ENV FAULT='{fault}'"]
    lines += [
        f"LABEL {name}={value}"
        for name, value in faults_of_serving.LABELS.items()
        if name in labels
    ]
    subprocess.run(
        ["docker", "build", "--quiet", "--tag", tag, "-"],
        input="\n".join(lines) + "\n",
        text=True,
        check=True,
        capture_output=True,
    )


def try_fault(name: str, fault: faults_of_serving.Fault) -> tuple[str, str]:
    """Return what came of a fault, `found` if all is as it must be, and what was seen."""
    tag = f"{images.REPOSITORY}-check-all:latest"
    build(tag, name, fault.labels)
    try:
        case = conformance.Case(
            conformance.ImageSubject(Engine(os.environ), tag, None), fault.given
        )
        wanted = {fault.rule, *fault.others}
        rules = conformance.selected(conformance.all_rules(), wanted)
        report = conformance.check(case, rules)
    finally:
        subprocess.run(["docker", "rmi", "--force", tag], capture_output=True, check=False)
    seen = {result.rule.id: result for result in report.results}
    missed = wanted - {result.rule.id for result in report.failures}
    told = f"{seen[fault.rule].seen} {seen[fault.rule].remedy}"
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
    parser.add_argument("--only", nargs="+", help="some of the faults")
    parser.add_argument("--keep", action="store_true", help="write the results")
    options = parser.parse_args()
    began_s = time.monotonic()
    rows, missed = [], 0
    for name, fault in faults_of_serving.FAULTS.items():
        if options.only and name not in options.only:
            continue
        outcome, seen = try_fault(name, fault)
        missed += outcome != "found"
        show(f"{name}: {fault.rule} {outcome}")
        rows.append(f"| `{name}` | {fault.rule} | {', '.join(fault.others)} | {outcome} | {seen} |")
    given = conformance.Given(payload=PAYLOAD, is_serverless=True)
    case = conformance.Case(
        conformance.ImageSubject(Engine(os.environ), options.image, MODEL), given
    )
    report = conformance.check(
        case, conformance.all_rules(), lambda result: show(reports.line(result))
    )
    show(report.summary)
    if options.keep:
        keep(rows, missed, report, time.monotonic() - began_s)
    sys.exit(1 if missed or report.failures else 0)


def keep(rows: list[str], missed: int, report: conformance.Report, seconds: float) -> None:
    """Write the results."""
    git = ["git", "describe", "--always", "--dirty"]
    commit = subprocess.check_output(git, cwd=ROOT, text=True).strip()
    (RESULTS / "check.json").write_text(reports.to_json(report) + "\n", encoding="utf-8")
    text = "\n".join(
        [
            "# Faulty images, and what `byoi check` says of them",
            "",
            f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC, commit {commit}, {seconds:.0f} s, by",
            "",
            "    .venv/bin/python benchmarks/check_all.py --keep",
            "",
            f"{len(rows)} faults, {missed} not found as they should be.",
            "",
            f"The project's own image, in {report.seconds:.0f} s: {report.summary}.",
            "",
            "| fault | rule that must fail | with it | outcome | seen |",
            "|---|---|---|---|---|",
            *(row.replace("\n", " ") for row in rows),
            "",
        ]
    )
    (RESULTS / "check_all.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
