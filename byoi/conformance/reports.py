"""A report as terminal lines, as JSON and as JUnit XML; `page` makes the HTML page.

Source: the JUnit report that pytest writes (testsuite, properties, testcase, failure, skipped).
"""

import json
import re
import textwrap
from collections import Counter
from xml.etree import ElementTree as ET

from byoi import terminal
from byoi.conformance.checking import Report, Result
from byoi.conformance.verdict import Verdict

_ID_WIDTH = 6
_VERDICT_WIDTH = max(len(verdict.value) for verdict in Verdict)
_INDENT = " " * (_ID_WIDTH + _VERDICT_WIDTH + 2)
# A narrower column would not be readable.
_LEAST_WIDTH = 60
# Options with which more rules are tested.
_OPTION = re.compile(
    r"--(?:model-data|payload|slow-payload|training-input|instance-type|serverless|multi-model|"
    r"train|full)\b"
)


def line(result: Result, width: int = 0) -> str:
    """Return a result as one line; a broken rule has a second one with the remedy.

    Args:
        result: The result.
        width: Columns of the terminal: longer lines are wrapped and indented. 0 does not wrap.
    """
    shown = _row(result.rule.id, result.verdict.value, result.seen, width)
    if result.remedy:
        shown += "\n" + _row("", "remedy:", result.remedy, width)
    return shown


def _row(identifier: str, word: str, text: str, width: int) -> str:
    head = f"{identifier:{_ID_WIDTH}} {word:{_VERDICT_WIDTH}} "
    row = head + terminal.one_line(text)
    if not width or len(row) < width:
        return row
    return textwrap.fill(
        terminal.one_line(text),
        max(width, _LEAST_WIDTH) - 1,
        initial_indent=head,
        subsequent_indent=_INDENT,
        break_on_hyphens=False,
    )


def failures(report: Report, width: int = 0) -> str:
    """Return the lines of the broken rules, to repeat them at the end."""
    return "\n".join(line(result, width) for result in report.failures)


def to_give(report: Report) -> str:
    """Return the options with which more rules are tested, and how many; "" if none helps.

    Options that the user gave are left out: a rule may need another file for one of them.
    """
    given = report.about.options if report.about else {}
    options = Counter(
        found[0]
        for result in report.results
        if result.verdict is Verdict.NOT_TESTED and (found := _OPTION.search(result.seen))
        if found[0] not in given
    )
    return ", ".join(
        f"{option} ({count} rule{'s' if count > 1 else ''})"
        for option, count in options.most_common()
    )


def to_json(report: Report) -> str:
    """Return a report as a JSON document."""
    return json.dumps(
        {
            "subject": report.subject,
            "summary": report.summary,
            "problem": report.problem,
            "about": report.about.content if report.about else None,
            "seconds": round(report.seconds, 2),
            "figures": [
                {
                    "name": figure.name,
                    "rule": figure.rule,
                    "seconds": round(figure.seconds, 4),
                    "limit_s": figure.limit_s,
                }
                for figure in report.figures
            ],
            "rules": [
                {
                    "id": result.rule.id,
                    "group": result.rule.group,
                    "kind": result.rule.kind.value,
                    "statement": result.rule.statement,
                    "source": result.rule.source,
                    "verdict": result.verdict.value,
                    "seen": result.seen,
                    "remedy": result.remedy,
                    "seconds": round(result.seconds, 3),
                }
                for result in report.results
            ],
        },
        indent=2,
    )


def to_junit(report: Report) -> str:
    """Return a report as the XML that CI systems read."""
    suite = ET.Element(
        "testsuite",
        name=_xml(f"byoi check {report.subject}"),
        tests=str(len(report.results)),
        failures=str(report.count(Verdict.FAIL)),
        errors=str(int(bool(report.problem))),
        skipped=str(report.count(Verdict.NOT_TESTED) + report.count(Verdict.NOT_APPLICABLE)),
        time=f"{report.seconds:.3f}",
    )
    if report.about:
        suite.set("timestamp", report.about.content["date"])
        properties = ET.SubElement(suite, "properties")
        for name, value in report.about.rows.items():
            ET.SubElement(properties, "property", name=name, value=_xml(value))
        for figure in report.figures:
            ET.SubElement(
                properties, "property", name=f"{figure.name}, s", value=f"{figure.seconds:.4f}"
            )
    if report.problem:
        # CI systems show a suite without test cases as passed.
        suite.set("tests", str(len(report.results) + 1))
        case = ET.SubElement(suite, "testcase", classname="byoi check", name="the check runs")
        ET.SubElement(case, "error", message=_xml(report.problem))
    for result in report.results:
        case = ET.SubElement(
            suite,
            "testcase",
            classname=result.rule.group,
            name=f"{result.rule.id} {result.rule.statement}",
            time=f"{result.seconds:.3f}",
        )
        seen = _xml(result.seen)
        if result.verdict is Verdict.FAIL:
            failure = ET.SubElement(case, "failure", message=seen)
            failure.text = _xml(result.remedy)
        elif result.verdict is not Verdict.PASS:
            ET.SubElement(case, "skipped", message=f"{result.verdict.value}: {seen}")
    return ET.tostring(suite, encoding="unicode", xml_declaration=True)


def _xml(text: str) -> str:
    """Return a text with control characters escaped, and without other characters XML forbids."""
    return terminal.escape(text).replace("\ufffe", "?").replace("\uffff", "?")
