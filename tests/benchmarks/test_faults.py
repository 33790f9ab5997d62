"""Faults: what is counted, and a few of them for real."""

import collections
import http.client
import socket
import time

import contract_cases
import faults
import pytest
import steady_load
from faults import FAULTS, Fault, Row
from hostile_archives import ARCHIVES, refusals, table
from steady_load import Event, Seen, seen_since

SEEN = Seen(collections.Counter({"200": 1_234, "502": 2, "connection refused": 7}), 1.5, 0.1, 2, 3)


def event(began_s, ended_s, outcome="200", worker="1"):
    return Event(began_s, ended_s, outcome, worker if outcome == "200" else "")


def test_refused_connections_are_no_lost_requests():
    assert SEEN.lost == 2
    assert SEEN.text() == "200: 1,234, 502: 2, connection refused: 7"


def test_what_ended_before_the_fault_does_not_count():
    events = [event(0, 1, "500"), event(1, 3), event(2, 4, "502"), event(4, 5)]
    seen = seen_since(events, [event(3, 3.5)], 2.0, {"1"})
    assert seen.outcomes == {"200": 2, "502": 1}
    assert (seen.slowest_s, seen.slowest_ping_s, seen.healthy_s) == (2, 0.5, 2.0)


def test_healthy_waits_for_the_first_answer_of_a_worker_that_is_new():
    events = [event(2, 3, worker="1"), event(3, 7, worker="9"), event(7, 9, worker="9")]
    assert seen_since(events, [], 2.0, {"1", "2"}).healthy_s == 5.0
    assert seen_since(events, [], 2.0, {"1", "9"}).healthy_s == 0.0


def test_ping_is_down_from_the_first_to_the_last_that_was_not_200():
    pings = [event(2, 3), event(3, 4, "503"), event(4, 5), event(5, 6, "503"), event(6, 7)]
    seen = seen_since([event(2, 3)], pings, 2.0, {"1"})
    assert (seen.ping_down_s, seen.healthy_s) == (2, 4)


def test_a_kept_connection_that_was_closed_is_told_from_one_that_is_open():
    with socket.create_server(("127.0.0.1", 0)) as server:
        connection = http.client.HTTPConnection(*server.getsockname())
        assert not steady_load.was_closed(connection)
        connection.connect()
        accepted, _ = server.accept()
        assert not steady_load.was_closed(connection)
        accepted.close()
        contract_cases.wait_until(lambda: steady_load.was_closed(connection), 5)
        connection.close()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(), "connection refused"),
        (http.client.RemoteDisconnected(), "closed without an answer"),
        (http.client.IncompleteRead(b""), "closed in the middle of an answer"),
        (BrokenPipeError(), "connection reset"),
        (TimeoutError(), "no answer in the client's time"),
        (http.client.BadStatusLine("x"), "BadStatusLine"),
    ],
)
def test_what_became_of_a_connection_has_a_name(error, words):
    assert steady_load.outcome_of(error) == words


def test_a_line_says_what_was_seen_or_why_nothing_was():
    line = Row("kill", "502", SEEN).line()
    cells = "200: 1,234, 502: 2, connection refused: 7 | 2 | 1.50 | 2.0 | 3.00 | -"
    assert line == f"| kill | 502 | {cells} |"
    absent = Row("full", note="there is no docker here").line()
    assert "not tried: there is no docker here" in absent
    head, rule, *_ = faults.table([])
    assert {text.count(" |") for text in (head, line, absent)} == {8}
    assert rule.count("|") == head.count("|")


def test_a_fault_that_needs_a_container_is_not_tried_without_the_image():
    fault = Fault("full", lambda _: "", options=("--memory=300m",))
    assert "image byoi:none" in faults.row_of(fault, "byoi:none").note or "docker" in (
        faults.row_of(fault, "byoi:none").note
    )


def fault_named(name):
    return next(one for one in FAULTS if one.name == name)


@pytest.mark.needs("nginx")
def test_a_killed_worker_loses_its_request_at_most_and_is_replaced():
    row = faults.row_of(fault_named("kill -9 of a worker"), "")
    assert row.seen.outcomes.keys() <= {"200", "502"}
    assert row.seen.lost <= 2
    assert row.seen.ping_down_s == 0
    assert 0 < row.seen.healthy_s < 20


@pytest.mark.needs("nginx")
def test_a_model_that_raises_disturbs_nobody_else():
    row = faults.row_of(fault_named("a model that raises"), "")
    assert row.own == "500"
    assert (row.seen.lost, row.seen.healthy_s) == (0, 0.0)


@pytest.mark.needs("nginx")
def test_a_server_that_ends_is_started_again_and_says_how_it_ended():
    row = faults.row_of(fault_named("kill -9 of gunicorn's master"), "")
    assert row.note.startswith("ended with status 1 after ")
    assert row.seen.healthy_s > 0
    # Nobody asks a server that is starting.
    assert row.seen.outcomes["503"] <= 20


def test_every_hostile_archive_is_refused_and_leaves_nothing(tmp_path):
    began_s = time.monotonic()
    found = list(refusals(tmp_path))
    assert [one.name for one in found] == list(ARCHIVES)
    assert [one.name for one in found if not one.message or one.left] == []
    assert "**" not in "\n".join(table(found))
    assert time.monotonic() - began_s < 30
