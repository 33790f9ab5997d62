"""A report as one HTML page without other files: the verdict, the failures, then the rest.

The texts come from an image's log, answers and name. They are escaped, and the page's policy
allows no scripts and loads nothing.

Sources: HTML 5; Content Security Policy level 3; WCAG 2.2 (1.4.1 colour is not all, 1.4.3 contrast,
1.4.10 narrow screens).
"""

import html
import re
from collections.abc import Iterable, Sequence

from byoi import terminal
from byoi.conformance import excerpts
from byoi.conformance.checking import Report, Result
from byoi.conformance.verdict import Verdict

_SLOWEST = 10
# Beginning of a reason that asks to fix another rule first.
_BLOCKED = "fix "
_CODE = re.compile(r"`([^`\n]+)`")
_ID = re.compile(r"\b[A-Z]{2,3}-\d{2}\b")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_STYLE = """
:root { color-scheme: light dark; --ground: #fff; --text: #1b2430; --muted: #56606e;
  --edge: #d5dae1; --code: #f0f2f5; --good: #0a6b3d; --good-ground: #e2f4ea; --bad: #a3211a;
  --bad-ground: #fbe7e5; --link: #0b57b0; --bar: #3b6fb6 }
@media (prefers-color-scheme: dark) {
  :root { --ground: #11151b; --text: #e5e9ef; --muted: #a2adbb; --edge: #313a46; --code: #1f2732;
    --good: #6fdba2; --good-ground: #12301f; --bad: #ff9c94; --bad-ground: #3b1714;
    --link: #7fbaff; --bar: #5f9be0 } }
* { box-sizing: border-box }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 64rem; padding: 1.5rem 1rem;
  color: var(--text); background: var(--ground); overflow-wrap: anywhere }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 1rem }
h2 { font-size: 1.2rem; margin: 2rem 0 .6rem } h3 { font-size: 1rem; margin: 0 0 .5rem }
summary h2 { display: inline } summary { margin: 1.5rem 0 .6rem; cursor: pointer }
a { color: var(--link) }
nav ul { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; list-style: none; padding: 0 }
.verdict { padding: .8rem 1rem; border-left: .4rem solid; border-radius: .3rem; margin: 0 }
.good { color: var(--good); background: var(--good-ground) }
.bad { color: var(--bad); background: var(--bad-ground) }
.muted { color: var(--muted) }
article { border: 1px solid var(--edge); border-left: .4rem solid var(--bad); border-radius: .3rem;
  padding: .8rem 1rem; margin: 0 0 1rem }
dl { margin: 0; display: grid; grid-template-columns: 6rem 1fr; gap: .3rem .8rem }
dt { font-weight: 600 } dd { margin: 0 }
table { border-collapse: collapse; width: 100% }
td, th { text-align: left; vertical-align: top; padding: .4rem .6rem .4rem 0;
  border-top: 1px solid var(--edge) }
th { overflow-wrap: normal }
thead th { border-top: 0; color: var(--muted); font-weight: 600 }
.id { white-space: nowrap }
.rules { columns: 2 22rem; column-gap: 2rem; margin: 0 0 1.2rem; padding-left: 1.2rem }
code, pre { font: .9em/1.45 ui-monospace, Menlo, Consolas, monospace; background: var(--code) }
code { padding: .1em .3em; border-radius: .2rem }
pre { padding: .8rem; border-radius: .3rem; white-space: pre-wrap; margin: 0 }
.plot { width: 40% } svg { display: block; width: 100%; height: .9rem; margin-top: .3rem }
svg .all { fill: var(--code) } svg .taken { fill: var(--bar) }
@media (max-width: 36rem) { dl { grid-template-columns: 1fr; gap: 0 } dd { margin-bottom: .5rem }
  .plot { width: 25% } }
"""


def to_html(report: Report) -> str:
    """Return a report as a page."""
    name = _text(report.subject)
    sections = [
        ("failed", "Failed", _count(report, Verdict.FAIL), _failed(report)),
        ("not-tested", "Not tested", _count(report, Verdict.NOT_TESTED), _untested(report)),
        ("passed", "Passed", _count(report, Verdict.PASS), _passed(report)),
        (
            "not-applicable",
            "Not applicable",
            _count(report, Verdict.NOT_APPLICABLE),
            _folded(report, Verdict.NOT_APPLICABLE),
        ),
        ("log", "The log's telling lines", "", _log(report)),
        ("times", "Times of the server", "", _times(report)),
        ("check", "Times of the check itself", "", _check_times(report)),
    ]
    present = [one for one in sections if one[3]]
    links = "".join(f'<li><a href="#{key}">{title}{n}</a></li>' for key, title, n, _ in present)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>byoi check {name}</title>
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>
<body><header><h1>SageMaker's container contract: {name}</h1>
{_verdict(report)}
<nav aria-label="Parts of this page"><ul>{links}</ul></nav></header>
<main>{_about(report)}
{"".join(_section(*one) for one in present)}</main>
</body></html>
"""


def _text(text: str) -> str:
    """Return a text as HTML; only backticks are markup, for code."""
    return _CODE.sub(r"<code>\1</code>", html.escape(terminal.escape(text)))


def _sentence(text: str) -> str:
    return _text(text[:1].upper() + text[1:])


def _count(report: Report, verdict: Verdict) -> str:
    return f" ({report.count(verdict)})"


def _section(key: str, title: str, count: str, content: str) -> str:
    head = f'<h2 id="{key}">{title}{count}</h2>'
    if content.startswith("<details"):
        opening, _, rest = content.partition(">")
        return f"{opening}><summary>{head}</summary>{rest}\n"
    return f"<section>{head}\n{content}</section>\n"


def _verdict(report: Report) -> str:
    tested = report.count(Verdict.PASS) + report.count(Verdict.FAIL)
    word, kind = ("Passed", "good") if tested else ("Nothing tested", "bad")
    if report.failures:
        word, kind = "Failed", "bad"
    if report.problem:
        word, kind = "No verdict", "bad"
    return f'<p class="verdict {kind}"><strong>{word}:</strong> {_text(report.summary)}</p>'


def _about(report: Report) -> str:
    rows = {"subject": report.subject, **(report.about.rows if report.about else {})}
    rows["duration"] = f"{report.seconds:.0f} s"
    shown = "".join(
        f'<tr><th scope="row">{_sentence(name)}</th><td>{_text(value)}</td></tr>'
        for name, value in rows.items()
    )
    return f'<section><h2 id="about">What was checked</h2><table>{shown}</table></section>'


def _failed(report: Report) -> str:
    ids = {result.rule.id for result in report.failures}

    def linked(text: str) -> str:
        return _ID.sub(
            lambda found: f'<a href="#{found[0]}">{found[0]}</a>' if found[0] in ids else found[0],
            _text(text),
        )

    return "".join(
        f'<article id="{result.rule.id}"><h3>{result.rule.id}: {_text(result.rule.statement)}</h3>'
        f"<dl><dt>Seen</dt><dd>{linked(result.seen)}</dd>"
        f"<dt>Remedy</dt><dd>{linked(result.remedy)}</dd>"
        f'<dt>Source</dt><dd class="muted">{_text(result.rule.source)}</dd></dl></article>\n'
        for result in report.failures
    )


def _untested(report: Report) -> str:
    return _by_reason(report, Verdict.NOT_TESTED)


def _folded(report: Report, verdict: Verdict) -> str:
    rows = _by_reason(report, verdict)
    return f"<details>{rows}</details>" if rows else ""


def _by_reason(report: Report, verdict: Verdict) -> str:
    """Return the rules of a verdict, grouped by reason; those that wait for another rule last."""
    reasons: dict[str, list[Result]] = {}
    for result in report.results:
        if result.verdict is verdict:
            reasons.setdefault(result.seen, []).append(result)
    return "".join(
        f'<h3>{_sentence(reason)}</h3>\n<ul class="rules">'
        + "".join(f"<li>{one.rule.id}: {_text(one.rule.statement)}</li>\n" for one in results)
        + "</ul>\n"
        for reason, results in sorted(reasons.items(), key=lambda one: one[0].startswith(_BLOCKED))
    )


def _passed(report: Report) -> str:
    rows = "".join(
        f'<tr><th scope="row" class="id">{result.rule.id}</th><td>{_text(result.seen)}'
        f'<div class="muted">{_text(result.rule.statement)}</div></td></tr>\n'
        for result in report.results
        if result.verdict is Verdict.PASS
    )
    return _table(["Rule", "Seen, and what the rule is"], rows)


def _table(heads: Sequence[str], rows: str) -> str:
    """Return a table of rows, "" without rows."""
    shown = "".join(f'<th scope="col">{head}</th>' for head in heads)
    return f"<table><thead><tr>{shown}</tr></thead><tbody>{rows}</tbody></table>" if rows else ""


def _log(report: Report) -> str:
    if not report.log.strip():
        is_url = report.subject.startswith("http://")
        why = "of a URL it cannot be seen" if is_url else "the server wrote nothing, or did not run"
        return f"<p>There is no log: {why}.</p>"
    written = f"{len(report.log.splitlines()):,} lines"
    lines = excerpts.telling(report.log)
    if not lines:
        return f"<p>None of its {written} tells of an error, a warning or a traceback.</p>"
    return (
        f'<p class="muted">Errors, warnings and tracebacks among its {written}. The check also '
        "sends invalid requests, which may cause some of them.</p>\n"
        f"<pre>{html.escape(terminal.escape(chr(10).join(lines)))}</pre>"
    )


def _times(report: Report) -> str:
    rows = "".join(
        f'<tr><th scope="row">{_sentence(figure.name)} ({figure.rule})</th>'
        f"<td>{_seconds(figure.seconds)} of {figure.limit_s:g} s</td>"
        f'<td class="plot">{_bar(figure.share)}</td></tr>\n'
        for figure in report.figures
    )
    return (
        _table(["What", "Took, of the limit", "Share of the limit"], rows)
        or "<p>None was measured: no rule that measures one was asked, or could be.</p>"
    )


def _check_times(report: Report) -> str:
    slowest = sorted(report.results, key=lambda one: -one.seconds)[:_SLOWEST]
    longest_s = max((one.seconds for one in slowest), default=0)
    rows: Iterable[str] = (
        f'<tr><th scope="row" class="id">{one.rule.id}</th><td>{_seconds(one.seconds)}</td>'
        f'<td class="plot">{_bar(one.seconds / longest_s)}</td></tr>\n'
        for one in slowest
        if one.seconds
    )
    table = _table(["Rule", "The check took", "Compared with the longest"], "".join(rows))
    return f"<details>{table}</details>" if table else ""


def _seconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _bar(share: float) -> str:
    """Return a bar; it is hidden from screen readers, which read the number beside it."""
    return (
        '<svg aria-hidden="true"><rect class="all" width="100%" height="100%" rx="3"/>'
        f'<rect class="taken" width="{max(0.5, 100 * share):.1f}%" height="100%" rx="3"/></svg>'
    )
