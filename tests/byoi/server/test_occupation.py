"""Whether a worker runs something, as its threads and another process see it."""

import multiprocessing
import threading
import time

import pytest

from byoi.server.occupation import Occupation

ANY_TIME = -1.0


def test_another_process_sees_it():
    occupation = Occupation()
    seen, told = multiprocessing.get_context("fork").Pipe(duplex=False)

    def work():
        occupation.enter([])
        told.send("inside")

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    assert seen.recv() == "inside"
    process.join()
    assert occupation.is_busy, "also after its end: the master asks what the worker died of"


def test_only_a_loop_that_runs_something_is_held():
    occupation, connections = Occupation(), [object()]
    with occupation.held(ANY_TIME) as current:
        assert current is None
    occupation.enter(connections)
    with occupation.held(ANY_TIME) as current:
        assert current is connections
    occupation.leave()
    assert not occupation.is_busy
    with occupation.held(ANY_TIME) as current:
        assert current is None


def test_what_threads_run_does_not_hold_the_loop():
    occupation = Occupation()
    occupation.is_busy = True
    with occupation.held(ANY_TIME) as current:
        assert current is None


def test_one_that_has_run_for_a_shorter_time_is_not_held():
    occupation = Occupation()
    occupation.enter([])
    with occupation.held(60) as current:
        assert current is None
    time.sleep(0.02)
    with occupation.held(0.01) as current:
        assert current == []


@pytest.mark.parametrize("longer_than_s", [ANY_TIME, 0.0])
def test_a_held_loop_does_not_go_on(longer_than_s):
    occupation = Occupation()
    occupation.enter([])
    time.sleep(0.001)
    loop = threading.Thread(target=occupation.leave)
    with occupation.held(longer_than_s) as current:
        assert current == []
        loop.start()
        loop.join(0.2)
        assert loop.is_alive()
    loop.join(10)
    assert not loop.is_alive()
