"""The requests of a worker: who is within its deadline, and what the thread beside them does."""

import threading
import time
from types import SimpleNamespace

import pytest
from contract_cases import wait_until

from byoi.server.in_flight import InFlight, Watch
from byoi.server.readiness import Readiness
from byoi.server.requests import Request
from byoi.server.settings import Settings


class Clock:
    now_s = 100.0

    def __call__(self):
        return self.now_s


def request(**environ):
    return Request(environ, keep_alive=True, takes_chunks=True)


def test_a_request_is_in_flight_until_it_is_answered():
    in_flight = InFlight(5, clock=Clock())
    asked = request()
    entry = in_flight.begin(asked, "socket")
    assert len(in_flight) == 1
    assert in_flight.split() == ({entry}, set())
    assert (entry.request, entry.socket, entry.since_s) == (asked, "socket", 100.0)
    assert (entry.stream, entry.is_begun, entry.is_marked) == (None, False, False)
    in_flight.end(entry)
    assert in_flight.split() == (set(), set())
    in_flight.end(entry)  # also when it has ended before
    assert len(in_flight) == 0


def test_two_alike_are_two():
    in_flight = InFlight(5, clock=Clock())
    asked = request()
    first, second = (in_flight.begin(asked, None) for _ in range(2))
    in_flight.end(first)
    assert in_flight.split() == ({second}, set())


def test_past_its_deadline_it_is_overdue_and_younger_ones_are_not():
    clock = Clock()
    in_flight = InFlight(5, clock=clock)
    old = in_flight.begin(request(), None)
    clock.now_s += 3
    young = in_flight.begin(request(), None)
    clock.now_s += 1.9
    assert in_flight.split() == ({old, young}, set())
    clock.now_s += 0.1
    assert in_flight.split() == ({young}, {old})


def test_a_stream_has_its_own_deadline_and_a_little_more_to_end_itself():
    clock = Clock()
    in_flight = InFlight(5, slack_s=1, clock=clock)
    entry = in_flight.begin(request(), None)
    clock.now_s += 4
    entry.stream = SimpleNamespace(since_s=104.0, timeout_s=10)
    clock.now_s = 114.9
    assert in_flight.split() == ({entry}, set())
    clock.now_s = 115.0
    assert in_flight.split() == (set(), {entry})


def test_what_nginx_says_of_a_request_is_in_its_headers():
    in_flight = InFlight(5)
    known = in_flight.begin(request(HTTP_X_BYOI_SENT="12.500", HTTP_X_REQUEST_ID="id-1"), None)
    assert (known.sent_s, known.request_id) == (12.5, "id-1")
    unknown = in_flight.begin(request(), None)
    assert (unknown.sent_s, unknown.request_id) == (None, None)


class Worker:
    """What the thread sees of a worker."""

    pid = 7
    alive = True

    def __init__(self):
        self.notified = 0
        self.given = []
        self.is_over = False

    def notify(self):
        self.notified += 1

    def refuse(self, entry, status, request_id):
        raise AssertionError("nothing here is past its deadline")

    def has_waiting(self):
        raise AssertionError("this worker is not ended")

    def give_away(self, *, everything):
        if self.is_over:
            threading.Event().wait()  # the thread ends with the process only
        self.given.append(everything)

    def wake_up(self):
        raise AssertionError("this worker is not ended")


@pytest.fixture
def readiness(tmp_path):
    made = Readiness(tmp_path)
    made.prepare()
    return made


@pytest.fixture
def watch(readiness):
    workers = []

    def watch(in_flight, *, behind_nginx=True):
        workers.append(Worker())
        settings = Settings(invocation_timeout_s=30.0)
        Watch(
            workers[-1],
            in_flight,
            readiness,
            settings,
            refuse=workers[-1].refuse,
            silent_s=35.0,
            behind_nginx=behind_nginx,
        ).start()
        return workers[-1]

    yield watch
    for worker in workers:
        worker.is_over = True
    time.sleep(0.1)  # the looks that have begun


def test_a_watched_worker_counts_as_ready_at_once_and_gives_signs_of_life(readiness, watch):
    worker = watch(InFlight(30))
    assert readiness.fresh_workers() == 1
    assert worker.notified == 1
    wait_until(lambda: worker.notified >= 3, 5)
    assert len(worker.given) > worker.notified
    assert set(worker.given) == {False}


def test_a_worker_that_ends_tells_gunicorn_that_it_lives_but_is_ready_no_more(readiness, watch):
    worker = watch(InFlight(30))
    worker.alive = False
    notified = worker.notified
    time.sleep(0.1)  # the look that has begun
    readiness.forget(worker.pid)
    wait_until(lambda: worker.notified >= notified + 2, 5)
    assert readiness.fresh_workers() == 0


def test_shortly_before_its_deadline_nginx_learns_that_a_request_runs(readiness, watch):
    in_flight = InFlight(30)
    sent = f"{time.time() - 29.5:.3f}"
    late = in_flight.begin(request(HTTP_X_BYOI_SENT=sent, HTTP_X_REQUEST_ID="late"), None)
    early = in_flight.begin(
        request(HTTP_X_BYOI_SENT=f"{time.time():.3f}", HTTP_X_REQUEST_ID="early"), None
    )
    unknown = in_flight.begin(request(), None)
    watch(in_flight)
    wait_until(lambda: any(readiness.running_dir.iterdir()), 5)
    assert [file.name for file in readiness.running_dir.iterdir()] == ["late"]
    assert late.is_marked
    assert not early.is_marked
    assert not unknown.is_marked


def test_without_nginx_nobody_needs_to_know(readiness, watch):
    in_flight = InFlight(30)
    sent = f"{time.time() - 29.5:.3f}"
    late = in_flight.begin(request(HTTP_X_BYOI_SENT=sent, HTTP_X_REQUEST_ID="late"), None)
    worker = watch(in_flight, behind_nginx=False)
    wait_until(lambda: len(worker.given) > 3, 5)
    assert not late.is_marked


def test_a_stream_behind_nginx_is_kept_alive_at_a_third_of_the_deadline(readiness, watch):
    in_flight = InFlight(30)
    entry = in_flight.begin(request(), "socket")
    asked = []
    entry.stream = SimpleNamespace(
        since_s=time.monotonic(), timeout_s=10, keep_alive=lambda *given: asked.append(given)
    )
    watch(in_flight)
    wait_until(lambda: asked, 5)
    assert asked[0] == ("socket", 10.0)
