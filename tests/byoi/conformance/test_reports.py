"""A report in each of its forms."""

import json
from xml.etree import ElementTree as ET

import pytest

from byoi.conformance import reports
from byoi.conformance.checking import Report, Result, all_rules
from byoi.conformance.rule import Kind, Rule, Verdict

EVIL = "</td><script>alert(1)</script>\x1b[2J"


def made(verdict, seen="200", remedy="", identifier="RT-22", seconds=0.5):
    rule = Rule(identifier, "Health", Kind.ANY, "A rule.", "DG x", False, False, lambda _: "")
    return Result(rule, verdict, seen, remedy, seconds)


@pytest.fixture
def report():
    results = (
        made(Verdict.PASS),
        made(Verdict.FAIL, EVIL, "mend it", "RT-31"),
        made(Verdict.NOT_TESTED, "give a --payload", identifier="RT-37"),
        made(Verdict.NOT_APPLICABLE, "the platform does it", identifier="RT-39"),
    )
    return Report("image:tag", results, f"start\nERROR {EVIL}\nend\n", 12.3)


def test_the_summary_counts_what_was_and_what_could_have_been_tested(report):
    assert report.summary == "2 of 3 rules tested, 1 failed, 1 not tested"


def test_a_line_has_no_control_characters_and_the_remedy_below(report):
    line = reports.line(report.results[1])
    assert line.startswith("RT-31  fail")
    assert "\x1b" not in line
    assert line.splitlines()[1].split() == ["remedy:", "mend", "it"]


def test_json_has_every_rule(report):
    content = json.loads(reports.to_json(report))
    assert content["summary"] == report.summary
    assert [rule["verdict"] for rule in content["rules"]] == [
        *("pass", "fail", "not tested", "not applicable")
    ]
    assert content["rules"][1]["remedy"] == "mend it"


def test_junit_counts_and_names_the_failure(report):
    suite = ET.fromstring(reports.to_junit(report))
    assert suite.attrib["tests"] == "4"
    assert (suite.attrib["failures"], suite.attrib["skipped"]) == ("1", "2")
    [failure] = suite.iter("failure")
    assert failure.text == "mend it"
    assert len(list(suite.iter("skipped"))) == 2


def test_the_page_needs_nothing_else_and_shows_markup_as_text(report):
    page = reports.to_html(report)
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "\x1b" not in page
    assert "http://" not in page
    assert "https://" not in page
    assert report.summary in page
    assert "<svg" in page


def test_telling_lines_come_first_and_are_not_repeated():
    log = "\n".join(["Traceback (most recent call last):", *map(str, range(100)), "an error"])
    lines = reports.telling_lines(log)
    assert lines[0].startswith("Traceback")
    assert lines.count("an error") == 1
    assert lines[-1] == "99"
    assert len(lines) <= 40


def test_every_rule_has_a_statement_a_source_and_an_id_of_its_own():
    rules = all_rules()
    assert len({rule.id for rule in rules}) == len(rules)
    assert [rule.id for rule in rules if not rule.statement.endswith(".")] == []
    assert [rule.id for rule in rules if not rule.source] == []
