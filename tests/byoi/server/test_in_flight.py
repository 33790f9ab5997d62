"""Requests in flight and their deadline, on a clock of the test's."""

import pytest

from byoi.server.worker import InFlight


class Clock:
    now_s = 100.0

    def __call__(self):
        return self.now_s


def test_a_request_is_in_flight_until_it_is_answered():
    in_flight = InFlight(5, clock=Clock())
    with in_flight.track("request", "socket"):
        (entry,), overdue = in_flight.split()
        assert (entry.request, entry.socket, overdue) == ("request", "socket", set())
    assert in_flight.split() == (set(), set())


def test_it_leaves_also_when_it_fails():
    in_flight = InFlight(5, clock=Clock())
    with pytest.raises(ZeroDivisionError), in_flight.track("request", "socket"):
        1 / 0  # noqa: B018 - what fails does not matter
    assert in_flight.split() == (set(), set())


def test_past_its_deadline_it_is_overdue_and_younger_ones_are_not():
    clock = Clock()
    in_flight = InFlight(5, clock=clock)
    with in_flight.track("old", None):
        clock.now_s += 3
        with in_flight.track("young", None):
            clock.now_s += 2
            on_time, overdue = in_flight.split()
    assert [entry.request for entry in on_time] == ["young"]
    assert [entry.request for entry in overdue] == ["old"]
