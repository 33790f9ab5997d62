"""Each rule of serving fails for its fault, and none fails without one."""

import pytest
from conftest import LocalSubject
from faults_of_serving import FAULTS, LABELS, LINES, LIST, SLOW, STREAM

from byoi.conformance import Case, Given, Verdict, all_rules, check, selected
from byoi.conformance.rule import Kind

GROUPS = ("RT", "ST", "BD", "MM", "AS", "BT", "DC")
# Their rules need an image: tests/container/test_check.py.
ELSEWHERE = (*("Image and launch", "Ports and network", "Model artifacts and files", "Shutdown"),)


def rules(*only):
    return [one for one in selected(all_rules(), only) if one.group not in ELSEWHERE]


def verdicts(report, verdict):
    return {one.rule.id: one.seen for one in report.results if one.verdict is verdict}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_rule_of_a_fault_fails_and_says_what_it_saw(fault):
    row = FAULTS[fault]
    subject = LocalSubject(fault, {name: LABELS[name] for name in row.labels})
    report = check(Case(subject, row.given), rules(row.rule, *row.others))
    failed = {one.rule.id: one for one in report.failures}
    assert set(failed) == {row.rule, *row.others}, [(r.rule.id, r.seen) for r in report.results]
    told = failed[row.rule].seen + failed[row.rule].remedy
    assert [word for word in row.words if word not in told] == [], told


@pytest.mark.parametrize(
    "payload", [None, LIST, LINES, STREAM], ids=["none", "list", "lines", "stream"]
)
def test_without_a_fault_no_rule_fails(payload):
    report = check(Case(LocalSubject("", LABELS), Given(payload=payload)), rules(*GROUPS))
    assert [(one.rule.id, one.seen) for one in report.failures] == []
    if payload is LIST:
        assert set(verdicts(report, Verdict.NOT_TESTED)) == {
            *("RT-29", "RT-33", "AS-07", "BT-08", "BT-10", "BT-11")
        }


def test_without_a_fault_the_rules_of_a_slow_payload_hold():
    given = Given(payload=LIST, slow_payload=SLOW)
    report = check(Case(LocalSubject("", LABELS), given), rules("RT-29", "RT-32", "RT-33", "AS-07"))
    assert set(verdicts(report, Verdict.PASS)) == {"RT-29", "RT-32", "AS-07"}
    # It takes less than the time-outs that the rule is about.
    assert "31 to 59 s" in verdicts(report, Verdict.NOT_TESTED)["RT-33"]


def test_without_a_fault_the_rules_of_multi_model_endpoints_hold():
    given = Given(payload=LIST, is_multi_model=True)
    report = check(Case(LocalSubject("", LABELS), given), rules("MM"))
    assert [(one.rule.id, one.seen) for one in report.failures] == []
    assert len(verdicts(report, Verdict.PASS)) == 12


def test_a_model_that_does_not_fit_may_be_refused_with_507():
    given = Given(payload=LIST, is_multi_model=True)
    report = check(Case(LocalSubject("memory_full", LABELS), given), rules("MM-06"))
    assert verdicts(report, Verdict.PASS) == {"MM-06": "507 after 3 models"}


def test_each_rule_that_an_image_can_break_has_a_fault():
    found = {row.rule for row in FAULTS.values()} | {
        other for row in FAULTS.values() for other in row.others
    }
    breakable = {one.id for one in rules(*GROUPS) if one.kind in {Kind.ANY, Kind.PAYLOAD}}
    # Nobody waits 8 or 10 minutes in a test; a broken WebSocket's neighbours have one fault.
    assert breakable - found == {"BD-03", "BD-04", "BT-08", "MM-12"}
