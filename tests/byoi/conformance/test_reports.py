"""A report as lines, as JSON and as JUnit's XML; test_report_page.py has the page."""

import dataclasses
import datetime as dt
import json
from xml.etree import ElementTree as ET

import pytest

from byoi.conformance import about, reports
from byoi.conformance.about import About
from byoi.conformance.checking import Report, Result, all_rules
from byoi.conformance.rule import Kind, Rule
from byoi.conformance.verdict import Figure, Verdict

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
    return Report(
        "image:tag",
        results,
        f"start\nERROR {EVIL}\nend\n",
        12.3,
        figures=(Figure("slowest /ping", "RT-24", 0.5, 2),),
        about=About(
            dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC),
            "1.2.3",
            {"--payload": "request.json", "--strict": ""},
            "Docker Engine 27.1.1",
            {"id": "sha256:12", "platform": "linux/amd64"},
        ),
    )


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


def test_reports_say_what_was_checked_and_what_was_measured(report):
    content = json.loads(reports.to_json(report))
    assert content["about"] == {
        "date": "2026-01-02T03:04:05+00:00",
        "byoi": "1.2.3",
        "engine": "Docker Engine 27.1.1",
        "image": {"id": "sha256:12", "platform": "linux/amd64"},
        "options": {"--payload": "request.json", "--strict": ""},
    }
    assert content["figures"] == [
        {"name": "slowest /ping", "rule": "RT-24", "seconds": 0.5, "limit_s": 2}
    ]
    suite = ET.fromstring(reports.to_junit(report))
    assert suite.attrib["timestamp"] == "2026-01-02T03:04:05+00:00"
    properties = {one.attrib["name"]: one.attrib["value"] for one in suite.iter("property")}
    assert properties["image id"] == "sha256:12"
    assert properties["options"] == "--payload request.json --strict"
    assert properties["slowest /ping, s"] == "0.5000"


def test_a_report_without_what_was_checked_has_the_rules_all_the_same(report):
    plain = dataclasses.replace(report, about=None, figures=())
    content = json.loads(reports.to_json(plain))
    assert (content["about"], content["figures"]) == (None, [])
    assert "timestamp" not in ET.fromstring(reports.to_junit(plain)).attrib
    assert reports.to_give(plain) == "--payload (1 rule)"


def test_an_image_is_told_by_what_tells_it_from_others_of_its_name():
    described = {
        "Id": "sha256:12",
        "RepoDigests": ["host/name@sha256:34"],
        "Os": "linux",
        "Architecture": "arm64",
        "Variant": "v8",
        "Size": 1_234_000_000,
        "Created": "2026-01-02T03:04:05Z",
    }
    assert about.of_image(described) == {
        "id": "sha256:12",
        "digest": "host/name@sha256:34",
        "platform": "linux/arm64/v8",
        "size": "1,234 MB",
        "made": "2026-01-02T03:04:05Z",
    }
    assert about.of_image({"Id": "x"})["digest"] == "none: it was not pushed, nor pulled"


@pytest.mark.parametrize("width", [80, 140])
def test_a_terminal_has_lines_of_its_width_and_a_file_has_long_ones(report, width):
    long = made(Verdict.FAIL, "seen " * 50, "do this " * 50)
    lines = reports.line(long, width).splitlines()
    assert max(map(len, lines)) < width
    assert {one[: len("RT-22  not applicable ")].strip() for one in lines} == {
        *("RT-22  fail", "", "remedy:")
    }
    assert len(reports.line(long).splitlines()) == 2


def test_what_would_let_more_be_tested_is_counted(report):
    asked_again = made(Verdict.NOT_TESTED, "give several records: --payload FILE of text/csv")
    slow = made(Verdict.NOT_TESTED, "give one that takes 5 s: --slow-payload FILE")
    waiting = made(Verdict.NOT_TESTED, "fix RT-22 first")
    given = dataclasses.replace(report, results=(asked_again, slow, slow, waiting))
    assert reports.to_give(given) == "--slow-payload (2 rules)"


def test_every_rule_has_a_statement_a_source_and_an_id_of_its_own():
    rules = all_rules()
    assert len({rule.id for rule in rules}) == len(rules)
    assert [rule.id for rule in rules if not rule.statement.endswith(".")] == []
    assert [rule.id for rule in rules if not rule.source] == []
