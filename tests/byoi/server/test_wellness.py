"""What is made of the answers of a `ping_fn`, on a clock of the test's."""

import logging
import os

import numpy as np
import pytest

from byoi.server.readiness import Readiness
from byoi.server.wellness import ASK_S, Wellness


class Asked:
    """A ping_fn, with the clock that it moves."""

    now_s = 100.0

    def __init__(self):
        self.says, self.took_s = True, 0.0

    def __call__(self):
        self.now_s += self.took_s
        if isinstance(self.says, BaseException):
            raise self.says
        return self.says


@pytest.fixture
def readiness(tmp_path):
    made = Readiness(tmp_path)
    made.prepare()
    return made


@pytest.fixture
def asked():
    return Asked()


@pytest.fixture
def wellness(readiness, asked, caplog):
    caplog.set_level(logging.INFO)
    made = Wellness(asked, "a_module", 7, readiness, clock=lambda: asked.now_s)
    made.begin()
    return made


def test_before_it_was_asked_a_worker_is_not_well(wellness, readiness):
    assert readiness.unwell() == [7]
    assert wellness.is_due()


def test_one_that_takes_the_place_of_another_turns_nothing_before_it_was_asked(readiness, asked):
    readiness.loaded_file.touch()
    replacement = Wellness(asked, "a_module", 8, readiness, clock=lambda: asked.now_s)
    replacement.begin()
    assert readiness.unwell() == []
    asked.says = False
    replacement.ask()
    assert readiness.unwell() == [8]


def test_a_yes_is_no_news_and_holds_for_a_while(wellness, readiness, asked, caplog):
    wellness.ask()
    assert readiness.unwell() == []
    assert caplog.records == []
    asked.now_s += ASK_S - 0.1
    assert not wellness.is_due()
    asked.now_s += 0.1
    assert wellness.is_due()


def test_a_no_holds_until_a_yes(wellness, readiness, asked):
    wellness.ask()
    asked.says = False
    wellness.ask()
    wellness.ask()
    assert readiness.unwell() == [7]
    asked.says = True
    wellness.ask()
    assert readiness.unwell() == []


@pytest.mark.parametrize(
    ("says", "words"),
    [
        (False, "returned False"),
        (0, "returned 0"),
        (None, "raised TypeError: ping_fn returned None, expected True or False"),
        ("no", "raised TypeError: ping_fn returned 'no', expected True or False"),
        (
            (False, "why"),
            "raised TypeError: ping_fn returned (False, 'why'), expected True or False",
        ),
        (np.float64(0), "returned np.float64(0.0)"),
        (np.zeros(2), "raised TypeError: ping_fn returned array([0., 0.]), expected True or False"),
        (ValueError("no GPU"), "raised ValueError: no GPU"),
        (SystemExit(3), "raised SystemExit: 3"),
    ],
)
def test_a_no_is_told_once_and_so_is_its_end(wellness, asked, caplog, says, words):
    wellness.ask()
    asked.says = says
    wellness.ask()
    wellness.ask()
    asked.says = True
    wellness.ask()
    wellness.ask()
    no, yes = caplog.records
    assert (no.levelname, yes.levelname) == ("ERROR", "INFO")
    expected = f"ping_fn of a_module {words} in worker 7; /ping answers 503 until it returns true"
    assert no.getMessage() == expected
    assert bool(no.exc_info) is ("raised" in words)
    assert yes.getMessage() == "ping_fn of a_module returns true again in worker 7"


@pytest.mark.parametrize("says", [1, np.True_, np.array(1)])
def test_a_number_and_numpys_truth_are_a_yes(wellness, readiness, asked, says):
    asked.says = says
    wellness.ask()
    assert readiness.unwell() == []


def test_a_coroutine_is_no_answer_and_is_closed(wellness, readiness, asked):
    async def ping():
        return True

    asked.says = ping()
    wellness.ask()
    assert readiness.unwell() == [7]
    assert asked.says.cr_frame is None


def test_a_copy_of_the_process_that_ping_fn_makes_does_not_serve(readiness):
    ours, theirs = os.pipe()

    def fork():
        if os.fork() == 0:
            os.write(theirs, b"copied")
        return True

    asking = os.getpid()
    Wellness(fork, "a_module", 7, readiness).ask()
    assert os.getpid() == asking
    assert os.wait()[1] == 0
    assert os.read(ours, 100) == b"copied"
    os.close(ours)
    os.close(theirs)


def test_one_that_takes_long_is_told_of_once(wellness, asked, caplog):
    asked.took_s = 1.5
    wellness.ask()
    wellness.ask()
    (line,) = caplog.records
    assert line.levelname == "WARNING"
    assert line.getMessage().startswith("ping_fn of a_module took 1.5 s, and is asked every 5 s: ")
    assert not wellness.is_due()


def test_where_the_state_directory_is_gone_nothing_is_raised(tmp_path, asked):
    lost = Wellness(asked, "a_module", 7, Readiness(tmp_path / "gone"))
    lost.begin()
    lost.ask()
