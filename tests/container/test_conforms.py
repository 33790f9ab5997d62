"""The check in a user's own tests."""

import subprocess
import sys

import pytest
from images import current

from byoi import testing
from byoi.conformance import Verdict


def test_an_image_that_keeps_the_contract_returns_the_report(tmp_path):
    payload = tmp_path / "sample_request.json"
    payload.write_text("[1, 2]")
    report = testing.conforms(current("faulty"), payload=payload, only=["RT-22", "RT-31"])
    assert [result.verdict for result in report.results] == [Verdict.PASS, Verdict.PASS]


def test_a_broken_rule_fails_the_test_with_what_was_seen_and_the_remedy():
    with pytest.raises(AssertionError, match=r"413(.|\n)*client_max_body_size"):
        testing.conforms(current("faulty"), environment={"FAULT": "limit 1048576"}, only=["RT-34"])


def test_the_fixture_sends_the_projects_sample_request(tmp_path):
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["byoi.pytest_plugin"]\n')
    (tmp_path / "sample_request.json").write_text("[1, 2]")
    (tmp_path / "test_image.py").write_text(
        "def test_image(byoi_conforms):\n"
        f"    report = byoi_conforms({current('faulty')!r}, only=['RT-31'])\n"
        "    assert report.results[0].seen.startswith('200, application/json')\n"
    )
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *("--rootdir", tmp_path, tmp_path),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
