"""The files by which workers and supervisor agree, on a clock of the test's."""

import socket

import pytest

from byoi.server.readiness import BUSY_S, FRESH_S, SILENT_S, Readiness


class Clock:
    now_ns = 10**12

    def __call__(self):
        return self.now_ns

    def pass_s(self, seconds):
        self.now_ns += int(seconds * 1e9)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def readiness(tmp_path, clock):
    readiness = Readiness(tmp_path, clock_ns=clock)
    readiness.prepare()
    return readiness


def test_nobody_is_ready_at_the_start(readiness):
    assert readiness.update(1) is False
    assert not readiness.ready_file.exists()
    assert not readiness.loaded_file.exists()


def test_the_first_time_all_workers_are_needed(readiness):
    readiness.beat(1)
    assert readiness.update(2) is False
    readiness.beat(2)
    assert readiness.update(2) is True
    assert readiness.ready_file.exists()
    assert readiness.loaded_file.exists()


def test_afterwards_one_is_enough(readiness, clock):
    readiness.beat(1)
    readiness.beat(2)
    readiness.update(2)
    clock.pass_s(FRESH_S + 0.1)
    readiness.beat(2)
    assert readiness.fresh_workers() == 1
    assert readiness.update(2) is True


def test_without_a_fresh_one_ready_goes_and_loaded_stays(readiness, clock):
    readiness.beat(1)
    readiness.update(1)
    clock.pass_s(FRESH_S - 0.1)
    assert readiness.update(1) is True
    clock.pass_s(0.2)
    assert readiness.update(1) is False
    assert not readiness.ready_file.exists()
    assert readiness.loaded_file.exists()
    readiness.beat(1)
    assert readiness.update(1) is True


def test_a_worker_is_silent_before_it_is_no_longer_fresh(readiness, clock):
    readiness.beat(1)
    readiness.beat(2)
    readiness.update(2)
    assert not readiness.silent_file.exists()
    clock.pass_s(SILENT_S + 0.1)
    readiness.beat(2)
    assert readiness.update(2) is True
    assert readiness.silent_file.exists()
    readiness.forget(1)
    readiness.update(2)
    assert not readiness.silent_file.exists()


def test_a_request_that_runs_has_a_file_until_it_ends(readiness):
    readiness.mark_running("a1")
    assert [file.name for file in readiness.running_dir.iterdir()] == ["a1"]
    readiness.unmark_running("a1")
    readiness.unmark_running("a1")
    assert list(readiness.running_dir.iterdir()) == []


def test_a_silent_worker_that_runs_a_request_counts_while_the_master_says_so(readiness, clock):
    readiness.beat(1)
    readiness.update(1)
    for _ in range(20):
        clock.pass_s(1)
        if readiness.fresh_workers() == 0:
            readiness.be_busy()
        assert readiness.update(1) is True
    clock.pass_s(BUSY_S + 0.1)
    assert readiness.update(1) is False


def test_a_worker_that_ends_at_a_deadline_counts_until_another_one_has_loaded(readiness, clock):
    readiness.beat(1)
    readiness.update(1, replacement_s=60)
    readiness.replace(1)
    assert not readiness.has_beaten(1)
    assert readiness.fresh_workers() == 0
    clock.pass_s(59)
    assert readiness.update(1, replacement_s=60) is True
    clock.pass_s(1.1)
    assert readiness.update(1, replacement_s=60) is False
    readiness.beat(2)
    readiness.end_replacement()
    assert readiness.update(1, replacement_s=60) is True
    readiness.forget(2)  # it crashes
    assert readiness.update(1, replacement_s=60) is False
    readiness.end_replacement()


def test_the_no_of_any_worker_is_enough_until_it_says_yes_or_ends(readiness):
    for pid in (1, 2, 3):
        readiness.beat(pid)
        readiness.tell(pid, is_well=True)
    assert readiness.update(3) is True
    readiness.tell(2, is_well=False)
    readiness.tell(3, is_well=False)
    assert readiness.unwell() == [2, 3]
    assert readiness.update(3) is False
    readiness.tell(2, is_well=True)
    assert readiness.update(3) is False
    readiness.forget(3)
    assert readiness.update(3) is True
    readiness.tell(1, is_well=False)
    readiness.replace(1)
    assert readiness.update(3) is True


def test_a_forgotten_worker_counts_no_more(readiness):
    readiness.beat(1)
    readiness.forget(1)
    readiness.forget(1)
    assert readiness.fresh_workers() == 0


def test_detection_fits_into_the_ten_seconds(readiness):
    beat_s, look_s = 1.5, 0.5
    assert beat_s + FRESH_S + look_s < 10


def test_who_cannot_be_reached_is_not_ready(readiness):
    readiness.beat(1)
    assert readiness.update(1, is_reachable=True) is True
    assert readiness.update(1, is_reachable=False) is False
    assert not readiness.ready_file.exists()
    assert readiness.loaded_file.exists()
    assert readiness.update(1) is True


def test_a_socket_that_nobody_listens_on_cannot_be_reached(readiness):
    assert readiness.unreachable() == "No such file or directory"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(readiness.socket))
        assert readiness.unreachable() == "Connection refused"
        listener.listen(0)
        assert readiness.unreachable() is None
        # The queue is full now, and those in it are answered.
        assert readiness.unreachable() is None
    assert readiness.unreachable() == "Connection refused"


def test_a_heartbeat_is_seen_until_it_is_withdrawn(readiness):
    assert not readiness.has_beaten(1)
    readiness.beat(1)
    assert readiness.has_beaten(1)
    readiness.forget(1)
    assert not readiness.has_beaten(1)


def test_after_the_first_load_a_failure_is_a_line_of_the_log(readiness, capsys):
    readiness.loaded_file.touch()
    readiness.fail("the reason\n")
    assert readiness.failure() is None
    assert capsys.readouterr().err == "the reason\n"


def test_the_first_failure_stays(readiness):
    assert readiness.failure() is None
    readiness.fail("first\n")
    readiness.fail("second\n")
    assert readiness.failure() == "first\n"


def test_a_failure_that_is_just_being_written_is_not_read_yet(readiness):
    readiness.failure_file.touch()
    assert readiness.failure() is None
