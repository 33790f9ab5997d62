"""Requests beside something else: every one is counted and plotted, also those that fail."""

import itertools
import threading

import pytest

from byoi import traffic
from byoi.traffic import Exchange


def test_each_request_is_kept_with_its_answer_and_its_time():
    numbers = itertools.count()
    enough = threading.Event()

    def ask():
        number = next(numbers)
        if number == 10:
            enough.set()
        return number

    with traffic.going_on(ask, threads=3) as going_on:
        assert enough.wait(10)
    answers = [one.answer for one in going_on.exchanges]
    assert sorted(answers) == list(range(next(numbers)))
    assert going_on.failures == []
    assert all(one.at_s >= 0 and one.took_s >= 0 for one in going_on.exchanges)


def test_a_failure_is_kept_and_stops_nothing():
    calls = itertools.count()
    enough = threading.Event()

    def ask():
        number = next(calls)
        if number == 5:
            enough.set()
        if number % 2:
            raise OSError(number)
        return number

    with traffic.going_on(ask, threads=1) as going_on:
        assert enough.wait(10)
    assert [str(error) for error in going_on.failures][:2] == ["1", "3"]
    assert [one.answer for one in going_on.exchanges if one.error is None][:2] == [0, 2]


def test_an_error_of_the_caller_ends_the_traffic():
    before = threading.active_count()
    with pytest.raises(KeyError), traffic.going_on(lambda: None):
        raise KeyError("mine")
    assert threading.active_count() == before


PNG = b"\x89PNG"


def test_the_histogram_names_the_median_and_the_slowest():
    figure = traffic.latency_histogram([0.001] * 60 + [0.003] * 39 + [0.5])
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "p50 1.0 ms",
        "p99 500.0 ms",
    ]
    assert sum(patch.get_height() for patch in axes.patches) == 100
    assert figure._repr_png_().startswith(PNG)


def test_the_timeline_shows_failures_beside_answers():
    exchanges = [Exchange(0.1, 0.01, 0.9), Exchange(0.2, 0.01, error=OSError("gone"))]
    figure = traffic.timeline(exchanges, label="p(positive)")
    (axes,) = figure.axes
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["1 answered", "1 failed"]
    answered, failed = axes.get_lines()
    assert list(answered.get_ydata()) == [0.9]
    assert list(failed.get_xdata()) == [0.2]
    assert figure._repr_png_().startswith(PNG)
