"""The page of the results shows what the files of results have."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RESULTS = {"serving": "serving.md", "where the time goes": "where_time_goes.md"}


@pytest.mark.parametrize("name", RESULTS)
def test_each_table_of_the_page_is_in_its_result(name):
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    result = (ROOT / "benchmarks" / "results" / RESULTS[name]).read_text(encoding="utf-8")
    (block,) = re.findall(f"<!-- {name}: begin -->(.*?)<!-- {name}: end -->", page, re.DOTALL)
    lines = [line for line in block.splitlines() if line.startswith("|")]
    assert len(lines) > 2
    for line in lines:
        assert line in result.splitlines()
