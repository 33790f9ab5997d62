"""CPUs by affinity and by either version of cgroup."""

import os

import pytest

from byoi.server import settings


@pytest.fixture
def many_cpus(monkeypatch):
    """As on a large host; no test machine is sure to have several CPUs."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)), raising=False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("200000 100000", 2), ("250000 100000", 2), ("50000 100000", 1), ("max 100000", 8),
     ("9900000 100000", 8)],
)  # fmt: skip
def test_the_quota_of_cgroup_2_counts(many_cpus, tmp_path, text, expected):
    (tmp_path / "cpu.max").write_text(text + "\n")
    assert settings.available_cpus(tmp_path) == expected


@pytest.mark.parametrize(("quota", "expected"), [("300000", 3), ("-1", 8)])
def test_the_quota_of_cgroup_1_counts(many_cpus, tmp_path, quota, expected):
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(quota)
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000")
    assert settings.available_cpus(tmp_path) == expected


def test_without_cgroups_the_affinity_counts(many_cpus, tmp_path):
    assert settings.available_cpus(tmp_path) == 8


def test_without_affinity_every_cpu_counts(monkeypatch, tmp_path):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert settings.available_cpus(tmp_path) == os.cpu_count()
