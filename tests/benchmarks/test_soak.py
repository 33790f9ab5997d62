"""The soak: what counts as growth, and a short one for real."""

import collections

import pytest
import soak
from soak import KINDS, Soak


def run_of(memory_mb, descriptors=(10,) * 8, answers=None, replaced=0):
    return Soak(
        list(range(len(memory_mb))),
        list(memory_mb),
        list(descriptors),
        collections.Counter(answers or {("a text", "200"): 5}),
        replaced,
    )


def test_growth_is_from_the_second_quarter_to_the_last():
    assert soak.quarters([1, 1, 10, 12, 50, 50, 20, 30]) == (11, 25)
    assert soak.quarters([3.0]) == (3.0, 3.0)


@pytest.mark.parametrize(
    ("run", "is_good"),
    [
        (run_of([1, 9, 10, 10, 10, 10, 10, 10]), [True, True, True, True]),
        (run_of([1, 9, 10, 10, 15, 15, 30, 30]), [True, False, True, True]),
        (run_of([10] * 8, [5, 5, 5, 5, 50, 50, 90, 90]), [True, True, False, True]),
        (run_of([10] * 8, answers={("broken JSON", "500"): 1}), [False, True, True, True]),
        (run_of([10] * 8, replaced=1), [True, True, True, False]),
    ],
)
def test_each_figure_has_its_verdict(run, is_good):
    assert [good for _, good in run.verdicts()] == is_good
    assert ("**" in soak.page(run, "note", "command")) == (not all(is_good))


def test_an_answer_that_may_not_be_is_marked_in_the_table():
    run = run_of([1] * 8, answers={("broken JSON", "500"): 1, ("a row", "200"): 2})
    page = soak.page(run, "note", "command")
    assert "| broken JSON | 500 | 1 | **wrong**" in page
    assert "| a row | 200 | 2 |\n" in page
    assert "3 requests, 1 of them with an answer that may not be: **no**" in page


def test_the_plot_has_both_curves(tmp_path):
    soak.plot(run_of([1.0] * 8), tmp_path / "soak.png", "note")
    assert (tmp_path / "soak.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.needs("nginx")
def test_every_kind_of_request_gets_what_it_must(monkeypatch):
    monkeypatch.setattr(soak, "LOOKS", 8)
    found = soak.soak(4.0, 1)
    assert {name for name, _ in found.answers} == set(KINDS)
    assert [one for one in found.answers if one[1] != KINDS[one[0]].expected] == []
    assert found.wrong == 0
    assert found.replaced == 0
    assert len(found.memory_mb) == len(found.descriptors) == len(found.at_s) == 8
    assert min(found.memory_mb) > 10
