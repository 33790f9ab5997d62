"""The ends of workers as the master tells them, and its pauses, on a clock of the test's."""

import itertools
import re
import signal

import pytest

from byoi.server.lives import Lives
from byoi.server.readiness import Readiness
from byoi.server.settings import Settings


class Clock:
    now_s = 1000.0

    def __call__(self):
        return self.now_s


class Limit:
    """Memory whose kernel kills are the test's."""

    kills = 0

    def oom_kills(self):
        return self.kills

    def described(self):
        return "the memory limit is 512 MB"


class Crew:
    """Lives with what they told."""

    def __init__(self, folder, **settings):
        self.clock, self.memory, self.told = Clock(), Limit(), []
        self.readiness = Readiness(folder)
        self.readiness.prepare()
        self.lives = Lives(
            Settings(workers=2, **settings),
            self.readiness,
            silent_s=65,
            memory=self.memory,
            say=lambda level, message, **fields: self.told.append((level, message, fields)),
            clock=self.clock,
        )

    def begin(self, pid, *, is_loaded=True):
        self.lives.begin(pid)
        if is_loaded:
            self.readiness.beat(pid)
            self.lives.look()

    def pause_s(self):
        """Return the seconds until the next worker may start, to the next half second."""
        before_s = self.clock.now_s
        while not self.lives.may_begin():
            self.clock.now_s += 0.5
        return self.clock.now_s - before_s


@pytest.fixture
def crew(tmp_path):
    crew = Crew(tmp_path)
    crew.readiness.loaded_file.touch()
    return crew


def fail_to_load(crew, times):
    pauses_s = []
    for pid in range(100, 100 + times):
        crew.begin(pid, is_loaded=False)
        assert crew.lives.end(pid, 3)
        pauses_s.append(crew.pause_s())
    return pauses_s


def test_a_load_that_fails_again_and_again_is_tried_ever_more_rarely(crew):
    assert fail_to_load(crew, 9) == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_while_the_code_is_reloaded_the_pauses_stay_short(tmp_path):
    crew = Crew(tmp_path, reload="on")
    crew.readiness.loaded_file.touch()
    assert fail_to_load(crew, 5) == [0.5, 1, 2, 2, 2]


def test_a_loaded_worker_that_crashes_is_replaced_at_once_and_then_soon(crew):
    pauses_s = []
    for pid in range(5):
        crew.begin(pid)
        assert crew.lives.end(pid, 4)
        pauses_s.append(crew.pause_s())
    assert pauses_s == [0, 1, 2, 2, 2]


@pytest.mark.parametrize("how", ["served for long", "withdrew", "silent"])
def test_other_ends_need_no_pause_and_end_one(crew, how):
    crew.begin(1)
    fail_to_load(crew, 5)
    crew.begin(2, is_loaded=False)
    crew.lives.end(2, 3)
    assert not crew.lives.may_begin()
    if how == "withdrew":
        crew.begin(3)
        crew.readiness.forget(3)
        crew.lives.end(3, 0)
    elif how == "silent":
        crew.begin(3)
        crew.lives.give_up(3, is_busy=False)
        crew.lives.ask(3, signal.SIGKILL)
        crew.lives.end(3, -9)
    else:
        crew.lives.end(1, -11)
    assert crew.lives.may_begin()


def test_each_end_is_told_once_with_its_cause(crew):
    crew.begin(1)
    crew.lives.end(1, -11)
    crew.begin(2)
    crew.readiness.forget(2)
    crew.lives.end(2, 0)
    crew.begin(3)
    crew.lives.give_up(3, is_busy=False)
    crew.lives.ask(3, signal.SIGABRT)
    crew.lives.end(3, 1)
    assert [
        (level, re.split(", |: the process was", message)[0]) for level, message, _ in crew.told
    ] == [
        ("error", "worker 1 ended: SIGSEGV"),
        ("warning", "worker 2 ended: it stopped itself"),
        ("error", "worker 3 ended: it sent no heartbeat for 65 s and was killed (status 1)"),
    ]
    assert [fields for _, _, fields in crew.told] == [
        {"pid": 1, "status": -11},
        {"pid": 2, "status": 0},
        {"pid": 3, "status": 1},
    ]


def test_the_traceback_of_a_crash_stands_in_its_line(crew):
    crew.begin(1)
    crew.readiness.fault_file(1).write_text("Fatal Python error: Aborted\n\nThread 1\n")
    crew.lives.end(1, -6)
    ((_, _, fields),) = crew.told
    assert fields["traceback"] == "Fatal Python error: Aborted\n\nThread 1"


def test_memory_is_the_cause_only_if_the_kernel_has_counted_one_more(crew):
    crew.begin(1)
    crew.memory.kills = 1
    crew.lives.end(1, -9)
    crew.begin(2)
    crew.lives.end(2, -9)
    assert "out of memory: the kernel killed it; the memory limit is 512 MB" in crew.told[0][1]
    assert "another process sent the signal" in crew.told[1][1]


@pytest.mark.parametrize("log_level", ["INFO", "DEBUG"])
def test_what_the_master_asked_for_is_news_for_debugging_only(tmp_path, log_level):
    crew = Crew(tmp_path, log_level=log_level)
    crew.begin(1)
    crew.lives.ask(1, signal.SIGTERM)
    assert crew.lives.end(1, 0)
    assert [level for level, _, _ in crew.told] == ["debug"] * (log_level == "DEBUG")


def test_a_crash_while_the_server_stops_starts_no_other(crew):
    crew.begin(1)
    crew.lives.stop()
    crew.lives.ask(1, signal.SIGTERM)
    assert crew.lives.end(1, -11)
    ((_, message, _),) = crew.told
    assert message.endswith("; the server stops")


def test_a_second_crash_before_the_first_load_adds_nothing_to_the_reason(tmp_path):
    crew = Crew(tmp_path)
    crew.begin(1, is_loaded=False)
    crew.begin(2, is_loaded=False)
    assert not crew.lives.end(1, -11)
    crew.lives.stop()
    assert crew.lives.end(2, -11)
    assert crew.told == []


@pytest.mark.parametrize("status", [-9, -11, 7, 0])
def test_before_the_first_load_any_end_is_the_end_of_the_server(tmp_path, status):
    crew = Crew(tmp_path)
    crew.begin(1, is_loaded=False)
    assert not crew.lives.end(1, status)
    assert crew.told == []
    assert "ended its worker before the server had loaded" in (crew.readiness.failure() or "")


def test_the_reason_of_the_worker_itself_is_kept(tmp_path):
    crew = Crew(tmp_path)
    crew.begin(1, is_loaded=False)
    crew.readiness.fail("its own reason\n")
    assert not crew.lives.end(1, 3)
    assert crew.readiness.failure() == "its own reason\n"


def test_a_load_that_takes_long_says_so_every_30_s(tmp_path):
    crew = Crew(tmp_path)
    crew.begin(1, is_loaded=False)
    crew.begin(2, is_loaded=False)
    for _ in range(100):
        crew.clock.now_s += 1
        crew.lives.look()
        if crew.clock.now_s == 1045:
            crew.readiness.beat(1)
    module, folder = Settings().module(), Settings().model_directory()
    begun = f"still loading: {module} has been loading {folder}"
    assert [(level, message) for level, message, _ in crew.told] == [
        ("info", f"{begun} for {passed_s} s, in {left} of 2 workers")
        for passed_s, left in ((30, 2), (60, 1), (90, 1))
    ]
    crew.readiness.beat(2)
    crew.clock.now_s += 100
    crew.lives.look()
    assert len(crew.told) == 3
    # A worker that replaces another one counts from its own start.
    crew.begin(3, is_loaded=False)
    crew.clock.now_s += 31
    crew.lives.look()
    assert "for 31 s, in 1 of 2 workers" in crew.told[3][1]


def test_before_the_first_worker_nothing_has_been_loading_for_long(tmp_path):
    crew = Crew(tmp_path)
    times_s = itertools.count(100.0, 1e-6)  # as a real clock, later each time
    lives = Lives(
        Settings(workers=2),
        crew.readiness,
        silent_s=65,
        memory=crew.memory,
        say=lambda *told, **_: crew.told.append(told),
        clock=lambda: next(times_s),
    )
    lives.look()
    lives.begin(1)
    lives.look()
    assert crew.told == []


def test_who_wants_errors_only_hears_of_no_load(tmp_path):
    crew = Crew(tmp_path, log_level="ERROR")
    crew.begin(1, is_loaded=False)
    crew.clock.now_s += 31
    crew.lives.look()
    assert crew.told == []


@pytest.mark.parametrize("is_busy", [True, False])
def test_a_worker_that_was_silent_in_a_request_counts_until_another_one_has_loaded(crew, is_busy):
    crew.begin(1)
    crew.lives.look(is_busy=is_busy)
    assert crew.readiness.busy_file.exists() is is_busy
    crew.lives.give_up(1, is_busy=is_busy)
    crew.lives.ask(1, signal.SIGABRT)
    crew.lives.end(1, -9)
    assert crew.readiness.replaced_file.exists() is is_busy
    assert "it sent no heartbeat" in crew.told[-1][1]


def test_a_replacement_that_does_not_load_counts_no_more(crew):
    crew.begin(1)
    crew.readiness.loaded_file.touch()
    crew.readiness.replace(1)
    crew.lives.end(1, 0)
    crew.begin(2, is_loaded=False)
    assert crew.readiness.replaced_file.exists()
    crew.lives.end(2, 3)
    assert not crew.readiness.replaced_file.exists()
