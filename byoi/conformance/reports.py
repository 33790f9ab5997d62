"""A report as lines of a terminal, as JSON, as JUnit's XML and as one page of HTML.

Sources: the JUnit report that pytest writes (testsuite, testcase, failure, skipped); HTML 5.
"""

import html
import json
from collections.abc import Iterable, Sequence
from xml.etree import ElementTree as ET

from byoi import terminal
from byoi.conformance.checking import Report, Result
from byoi.conformance.rule import Verdict

_ID_WIDTH = 6
_VERDICT_WIDTH = max(len(verdict.value) for verdict in Verdict)
_BAR_PX = 360
# Lines of a log that tell of a failure, and the last ones.
_TELLING = ("error", "traceback", "critical", "exception", "killed", "refused", "read-only")
_LOG_LINES = 40
_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem;
  color: #1b1f24; background: #fff }
h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100% }
td, th { text-align: left; vertical-align: top; padding: .35rem .6rem;
  border-top: 1px solid #d8dee4 }
.id, .verdict { white-space: nowrap } .verdict { font-weight: 600; width: 7.5rem }
.pass { color: #1a7f37 } .fail { color: #b3261e } .none { color: #57606a; font-weight: 400 }
.remedy { margin-top: .2rem } .statement { color: #57606a }
pre { background: #f6f8fa; padding: .8rem; overflow-x: auto }
svg text { font: 12px system-ui, sans-serif }
"""


def line(result: Result) -> str:
    """Return a result as one line; a broken rule has a second one with the remedy."""
    shown = terminal.one_line(result.seen)
    text = f"{result.rule.id:{_ID_WIDTH}} {result.verdict.value:{_VERDICT_WIDTH}} {shown}"
    if result.remedy:
        text += (
            f"\n{'':{_ID_WIDTH}} {'remedy:':{_VERDICT_WIDTH}} {terminal.one_line(result.remedy)}"
        )
    return text


def failures(report: Report) -> str:
    """Return the broken rules once more, as lines; they may be far above."""
    return "\n".join(map(line, report.failures))


def to_json(report: Report) -> str:
    """Return a report as a JSON document."""
    return json.dumps(
        {
            "subject": report.subject,
            "summary": report.summary,
            "problem": report.problem,
            "seconds": round(report.seconds, 2),
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
        name=f"byoi check {report.subject}",
        tests=str(len(report.results)),
        failures=str(report.count(Verdict.FAIL)),
        errors=str(int(bool(report.problem))),
        skipped=str(report.count(Verdict.NOT_TESTED) + report.count(Verdict.NOT_APPLICABLE)),
        time=f"{report.seconds:.3f}",
    )
    if report.problem:
        # CI systems show a suite without cases as one that passed.
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
    """Return a text without the two characters that XML has no way to write."""
    return terminal.escape(text).replace("\ufffe", "?").replace("\uffff", "?")


def to_html(report: Report) -> str:
    """Return a report as a page that needs no other file."""
    name = html.escape(terminal.one_line(report.subject))
    log = html.escape(terminal.escape("\n".join(telling_lines(report.log)))) or "(nothing)"
    groups = dict.fromkeys(result.rule.group for result in report.results)
    tables = "".join(
        f"<h2>{html.escape(group)}</h2>\n<table>{_rows(report, group)}</table>\n"
        for group in groups
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>byoi check {name}</title>
<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>
<h1>SageMaker's container contract: {name}</h1>
<p><strong>{html.escape(terminal.escape(report.summary))}</strong>, in {report.seconds:.0f} s.</p>
{tables}
<h2>Where the time went</h2>
{_bars(report)}
<h2>The log's telling lines</h2>
<pre>{log}</pre>
</body></html>
"""


def telling_lines(log: str) -> list[str]:
    """Return the lines of a log that tell of a failure, and its last ones; at most forty."""
    lines = log.splitlines()
    telling = [one for one in lines if any(word in one.lower() for word in _TELLING)]
    last = [one for one in lines[-_LOG_LINES // 2 :] if one not in telling]
    return [*telling[-_LOG_LINES // 2 :], *last]


def _rows(report: Report, group: str) -> str:
    return "".join(_row(result) for result in report.results if result.rule.group == group)


def _row(result: Result) -> str:
    verdict = result.verdict
    kind = verdict.value if verdict in {Verdict.PASS, Verdict.FAIL} else "none"
    seen = html.escape(terminal.escape(result.seen))
    remedy = html.escape(terminal.escape(result.remedy))
    source = html.escape(result.rule.source)
    return (
        f'<tr><td class="id">{result.rule.id}</td>'
        f'<td class="verdict {kind}">{verdict.value}</td><td>{seen}'
        + (f'<div class="remedy"><strong>Remedy:</strong> {remedy}</div>' if remedy else "")
        + f'<div class="statement">{html.escape(result.rule.statement)} ({source})</div>'
        + "</td></tr>\n"
    )


def _bars(report: Report) -> str:
    """Return a plot of the slowest rules."""
    slowest = sorted(report.results, key=lambda one: -one.seconds)[:10]
    longest_s = max((one.seconds for one in slowest), default=0) or 1
    return _svg((one.rule.id, one.seconds, longest_s) for one in slowest)


def _svg(bars: Iterable[tuple[str, float, float]]) -> str:
    rows: Sequence[tuple[str, float, float]] = list(bars)
    parts = [
        f'<text x="0" y="{18 + 22 * at}">{name}</text>'
        f'<rect x="64" y="{6 + 22 * at}" height="14" rx="2" fill="#3b6fb6" '
        f'width="{max(1, seconds / longest_s * _BAR_PX):.0f}"/>'
        f'<text x="{72 + seconds / longest_s * _BAR_PX:.0f}" y="{18 + 22 * at}">'
        f"{seconds:.2f} s</text>"
        for at, (name, seconds, longest_s) in enumerate(rows)
    ]
    height = 22 * len(rows) + 8
    return f'<svg width="{_BAR_PX + 140}" height="{height}" role="img">{"".join(parts)}</svg>'
