"""Each rule of serving fails for its fault, and none fails without one."""

import dataclasses
import socket
import threading
import time

import faults_of_life
import pytest
from conftest import LocalSubject
from faults_of_serving import FASTER, FAULTS, LABELS, LINES, LIST, SLOW, SLOW_FAULTS, STREAM

from byoi.conformance import Case, Given, Verdict, all_rules, check, selected
from byoi.conformance.rule import Kind
from byoi.conformance.server import Server, Unseen

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


class FastSubject(LocalSubject):
    """Its clock runs faster: what takes a second is told as minutes."""

    def server(self, port, sight):
        return FastServer("127.0.0.1", port, sight)


class FastServer(Server):
    def ask(self, *values, **options):
        answer = super().ask(*values, **options)
        return dataclasses.replace(answer, seconds=answer.seconds * FASTER)


@pytest.mark.parametrize("fault", SLOW_FAULTS)
def test_the_rule_of_a_limit_of_minutes_fails_and_says_what_it_saw(fault):
    row = SLOW_FAULTS[fault]
    name, _, seconds = fault.partition(" ")
    subject = FastSubject(f"{name} {float(seconds) / FASTER}", LABELS)
    case = Case(subject, row.given)
    report = check(case, selected(all_rules(), (row.rule, *row.others)))
    assert {one.rule.id for one in report.failures} == {row.rule, *row.others}, report
    told = {one.rule.id: one.seen for one in report.failures}[row.rule]
    assert row.words[1] in told, told


@pytest.mark.parametrize("fault", ["loads_late 3", "clock", "chatty"])
def test_what_is_no_fault_breaks_no_rule(fault):
    """A socket that listens before the model is loaded, a time in the answer, a long log."""
    subject = LocalSubject(fault, LABELS)
    report = check(Case(subject, Given(payload=LIST)), rules("RT-22", "RT-24", "RT-31"))
    assert set(verdicts(report, Verdict.PASS)) == {"RT-22", "RT-24", "RT-31"}, report


def test_a_connection_that_is_closed_with_its_answer_breaks_no_rule_and_is_told():
    report = check(
        Case(LocalSubject("closes_at_once", LABELS), Given(payload=LIST)), rules("OB-08")
    )
    assert list(verdicts(report, Verdict.PASS)) == ["OB-08"], report
    assert "does not say so" in report.results[0].seen


def test_each_rule_that_an_image_can_break_has_a_row():
    tables = (FAULTS, SLOW_FAULTS, faults_of_life.FAULTS, faults_of_life.IMAGE_FAULTS)
    tables += (faults_of_life.CONTAINER_FAULTS, faults_of_life.SLOW_FAULTS)
    rows = [row for table in tables for row in table.values()]
    found = {name for row in rows for name in (row.rule, *row.others)}
    breakable = {one.id for one in all_rules() if one.kind in {Kind.ANY, Kind.PAYLOAD}}
    rest = {*faults_of_life.OF_THE_NAME, *faults_of_life.CANNOT_FAIL}
    assert breakable - found == rest
    assert not rest & found


def test_a_limit_below_100_mb_is_told_and_no_fault_where_no_job_without_one_is_promised():
    case = Case(LocalSubject("limit 26214400", LABELS), Given(payload=LIST))
    report = check(case, rules("BT-07"))
    assert "100 MB 413" in verdicts(report, Verdict.PASS)["BT-07"]
    assert "MaxPayloadInMB" in verdicts(report, Verdict.PASS)["BT-07"]


def test_a_server_that_reads_a_body_slowly_does_not_hold_up_the_check():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=read_slowly, args=(listener,), daemon=True).start()
        server = Server("127.0.0.1", listener.getsockname()[1], Unseen())
        began_s = time.monotonic()
        answer = server.invoke(b" " * 100_000_000, "application/json", timeout_s=1)
    assert answer.status == 0
    assert "of 100,000,000 B were read within the time limit" in answer.problem
    assert time.monotonic() - began_s < 20


def read_slowly(listener):
    connection, _ = listener.accept()
    with connection:
        while connection.recv(100_000):
            time.sleep(0.05)
