"""The projects of `byoi init`, taken from nothing to an emulated endpoint as their README says."""

import subprocess
import sys

import pytest
from containers import ROOT

pytestmark = pytest.mark.needs("docker")


@pytest.mark.parametrize("kind", ["sklearn", "custom"])
def test_a_project_goes_the_whole_way(kind: str, image: str) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "init_all.py", kind, "--base", image],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    header, _, row = done.stdout.splitlines()[-3:]
    assert header.startswith("| kind | init | train | test | serve, invoke | pack | image | deploy")
    assert row.startswith(f"| {kind} | ")
    assert "failed" not in row
