"""The CPUs of affinity and of control groups, in files as the kernel writes them."""

import os

import pytest

from byoi.server import cgroups

V1 = "7:memory:/docker/a1\n4:cpu,cpuacct:/docker/a1\n"
V2 = "0::/\n"


@pytest.fixture
def many(monkeypatch):
    """As on a large host; no test machine is sure to have several CPUs."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)), raising=False)


@pytest.fixture
def count(tmp_path, many):
    """Return the CPUs of a process with these files, by their paths below the mount."""

    def count(process, files):
        (tmp_path / "cgroup").write_text(process)
        for name, text in files.items():
            file = tmp_path / "sys" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return cgroups.available_cpus(process_file=tmp_path / "cgroup", root=tmp_path / "sys")

    return count


@pytest.mark.parametrize(
    ("process", "files", "expected"),
    [
        (V2, {"cpu.max": "200000 100000\n"}, 2),
        (V2, {"cpu.max": "250000 100000\n"}, 2),
        (V2, {"cpu.max": "50000 100000\n"}, 1),
        (V2, {"cpu.max": "max 100000\n"}, 8),
        (V2, {"cpu.max": "9900000 100000\n"}, 8),
        # A group has no more than those around it.
        ("0::/a/b\n", {"a/cpu.max": "300000 100000", "a/b/cpu.max": "max 100000"}, 3),
        ("0::/elsewhere\n", {"cpu.max": "400000 100000"}, 4),
        ("", {"cpu.max": "400000 100000"}, 4),
        ("", {}, 8),
    ],
)
def test_the_quota_of_version_2_counts(count, process, files, expected):
    assert count(process, files) == expected


@pytest.mark.parametrize("mount", ["cpu", "cpu,cpuacct"])
@pytest.mark.parametrize("group", ["", "docker/a1/"])
@pytest.mark.parametrize(("quota", "expected"), [("300000", 3), ("-1", 8), ("50000", 1)])
def test_the_quota_of_version_1_counts(count, mount, group, quota, expected):
    files = {
        f"{mount}/{group}cpu.cfs_quota_us": f"{quota}\n",
        f"{mount}/{group}cpu.cfs_period_us": "100000\n",
    }
    assert count(V1, files) == expected


def test_without_affinity_every_cpu_counts(monkeypatch, tmp_path):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    nothing = {"process_file": tmp_path / "none", "root": tmp_path}
    assert cgroups.available_cpus(**nothing) == os.cpu_count()
