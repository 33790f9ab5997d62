"""A server that fails now and then, or from then on, breaks one rule, and no change is blamed."""

import pytest
from conftest import LocalSubject
from faults_of_serving import LABELS, LIST
from test_rules_of_serving import rules, verdicts

from byoi.conformance import Case, Given, Verdict, check
from byoi.conformance.controls import Cause, cause
from byoi.conformance.subjects import Conditions, UrlSubject
from byoi.contract import CUSTOM_ATTRIBUTES_HEADER

CHANGES = ("RT-40", "RT-41", "RT-42", "RT-43", "RT-46", "RT-47", "RT-50", "RT-54", "RT-55")
RULES = ("RT-31", "RT-37", "RT-38", *CHANGES)


def asked(subject, *only, payload=LIST):
    return check(Case(subject, Given(payload=payload)), rules(*only))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("tires 20", ("the unchanged payload gets no answer", "from request 1", "of 24 on")),
        ("now_and_then 8", ("3 of 24 requests with one payload get 500",)),
        ("now_and_then 5", ("of 24 requests with one payload get 500",)),
        ("too_soon 0.4", ("of 24 requests with one payload get 503", "limit_req")),
        ("at_once", ("of 24 requests with one payload get 500", "one after the other, none does")),
    ],
)
def test_requests_that_fail_whatever_is_changed_break_one_rule(fault, words):
    report = asked(LocalSubject(fault, LABELS), *RULES)
    failed = {one.rule.id: f"{one.seen}; {one.remedy}" for one in report.failures}
    assert set(failed) == {"RT-31"}, failed
    assert [word for word in words if word not in failed["RT-31"]] == [], failed
    untested = verdicts(report, Verdict.NOT_TESTED)
    assert {seen.partition(":")[0] for seen in untested.values()} <= {"fix RT-31 first"}, untested


@pytest.mark.parametrize("fault", ["poison", "poison []"])
def test_a_body_that_breaks_the_model_is_named_where_the_server_cannot_be_started_again(fault):
    with LocalSubject(fault, LABELS).launched(Conditions()) as server:
        while server.ping().status != 200:
            pass
        report = asked(UrlSubject(server.url), *RULES)
    failed = {one.rule.id: one.seen for one in report.failures}
    if fault == "poison":
        assert failed == {
            "RT-37": "after bytes that are not text the payload gets 500 instead of 200"
        }
        untested = verdicts(report, Verdict.NOT_TESTED)
        assert {untested[one].partition(":")[0] for one in CHANGES[1:-1]} == {"fix RT-37 first"}
    else:
        assert failed == {"RT-37": "after an empty list the payload gets 500 instead of 200"}


def test_a_header_after_which_all_requests_fail_is_named_once():
    """The rule that sends it fails; a new server shows that other headers are no fault."""
    report = asked(LocalSubject("breaks_by_header", LABELS), "RT-41", "RT-42", "RT-43", "RT-54")
    failed = {one.rule.id: one.seen for one in report.failures}
    assert set(failed) == {"RT-42"}, failed
    assert f"after a request with {CUSTOM_ATTRIBUTES_HEADER}" in failed["RT-42"]
    assert set(verdicts(report, Verdict.PASS)) == {"RT-41", "RT-43", "RT-54"}


def test_a_ping_that_fails_now_and_then_is_not_blamed_on_hosts_or_bodies():
    report = asked(LocalSubject("flapping_ping 5", LABELS), "RT-25", "RT-30", "RT-37", "RT-38")
    assert {one.rule.id: one.seen for one in report.failures} == {
        "RT-25": "4 of 20 /ping answered 503 after the first 200"
    }
    assert set(verdicts(report, Verdict.NOT_TESTED)) <= {"RT-30", "RT-37", "RT-38"}


def test_a_model_that_is_loaded_after_the_first_ping_breaks_one_rule():
    """All others are judged when it is loaded, on each server."""
    report = asked(LocalSubject("loading 2", LABELS), "RT-23", "RT-31", "RT-41", "BT-01")
    assert {one.rule.id for one in report.failures} == {"RT-23"}, report.failures
    assert set(verdicts(report, Verdict.PASS)) == {"RT-31", "RT-41", "BT-01"}


def answers(text):
    """Return a function that is true for each dot, once; for the last letter for ever."""
    left = list(text)

    def ask():
        return (left.pop(0) if len(left) > 1 else left[0]) == "."

    return ask


@pytest.mark.parametrize(
    ("changed", "unchanged", "expected"),
    [
        ("x", ".", Cause.CHANGE),
        (".", ".", Cause.CHANCE),
        ("x.", ".", Cause.CHANCE),
        ("x", ".x.", Cause.CHANCE),
        # A worker is replaced after the change.
        ("x", "x.", Cause.CHANGE),
        ("x", "x", Cause.LASTING),
    ],
)
def test_the_cause_is_told_by_the_unchanged_request(changed, unchanged, expected):
    assert cause(answers(changed), answers(unchanged), pause=lambda _: None) is expected
