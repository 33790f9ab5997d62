"""docs/contract.md says what the rules of `byoi check` are, and how this project's image stands."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from byoi.conformance import all_rules

SCRIPT = Path(__file__).parents[2] / "docs" / "make_contract.py"


@pytest.fixture(scope="module")
def page():
    return subprocess.check_output([sys.executable, SCRIPT], text=True)


@pytest.fixture(scope="module")
def module():
    spec = importlib.util.spec_from_file_location(SCRIPT.stem, SCRIPT)
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def test_the_page_is_up_to_date(page):
    assert SCRIPT.with_name("contract.md").read_text(encoding="utf-8") == page


def test_every_rule_is_on_it_and_in_the_report_it_is_made_of(page, module):
    rules = [rule.id for rule in all_rules()]
    assert [one for one in rules if f"| {one} |" not in page] == []
    report = json.loads(module.REPORT.read_text(encoding="utf-8"))
    assert [rule["id"] for rule in report["rules"]] == rules


def test_no_rule_is_broken_by_this_projects_image(module):
    report = json.loads(module.REPORT.read_text(encoding="utf-8"))
    assert [rule["id"] for rule in report["rules"] if rule["verdict"] == "fail"] == []


def test_a_bar_in_a_text_does_not_end_its_column(module):
    rule = all_rules()[0]
    page = module.page([rule], {rule.id: "a|b"}, "1 of 1")
    assert "a\\|b" in page
