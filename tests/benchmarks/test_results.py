"""The pages of the results show what the files of results have."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Of each block of the page: its file of results, and the heading above the table in it.
RESULTS = {
    "serving": ("serving.md", "## Ratios"),
    "graphs": ("serving.md", "## The same weights in another graph"),
    "where the time goes": ("where_time_goes.md", "# Where the time of a request goes"),
    "targets": ("targets.md", "# What was promised, and what was measured"),
    "batching": ("batching.md", "# Batching across requests"),
}
# Those that may wait for a machine at rest.
MAY_WAIT = {"graphs", "targets", "batching"}
# Of each block of the other page: its file of results, and how its lines begin.
FIGURES = {"faults": ("faults.md", "|"), "soak": ("soak.md", "*")}


@pytest.mark.parametrize("name", RESULTS)
def test_each_table_of_the_page_is_in_its_result(name):
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    file, heading = RESULTS[name]
    path = ROOT / "benchmarks" / "results" / file
    result = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    (block,) = re.findall(f"<!-- {name}: begin -->(.*?)<!-- {name}: end -->", page, re.DOTALL)
    lines = [line for line in block.splitlines() if line.startswith("|")]
    # What was measured is on the page, and nothing else.
    assert (len(lines) > 2) == (heading in result)
    assert lines or name in MAY_WAIT
    for line in lines:
        assert line in result


@pytest.mark.parametrize("name", FIGURES)
def test_the_figures_of_reliability_are_in_their_results(name):
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    file, begin = FIGURES[name]
    result = (ROOT / "benchmarks" / "results" / file).read_text(encoding="utf-8").splitlines()
    (block,) = re.findall(f"<!-- {name}: begin -->(.*?)<!-- {name}: end -->", page, re.DOTALL)
    lines = [line for line in block.splitlines() if line.startswith(begin)]
    assert len(lines) > 2
    for line in lines:
        assert line in result
