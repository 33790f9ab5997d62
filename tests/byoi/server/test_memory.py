"""The memory limit in files as the kernel writes them, of both versions of control groups."""

import os
import platform
import subprocess
import sys

import pytest

from byoi.server.memory import Memory

V1_UNLIMITED = 9223372036854771712


@pytest.fixture
def memory(tmp_path):
    """Return the memory of a process with these files, by their paths below the mount."""

    def memory(process, files):
        (tmp_path / "cgroup").write_text(process)
        for name, text in files.items():
            file = tmp_path / "sys" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return Memory(process_file=tmp_path / "cgroup", cgroup_root=tmp_path / "sys")

    return memory


V1 = "9:name=systemd:/\n4:memory:/docker/a1\n3:cpuset:/\n"
V2 = "0::/\n"


@pytest.mark.parametrize(
    ("process", "files", "limit_bytes"),
    [
        (V2, {"memory.max": "536870912\n"}, 536870912),
        (V2, {"memory.max": "max\n"}, None),
        (V2, {"cpu.max": "max 100000\n"}, None),
        # A group has no more than those around it.
        ("0::/a/b\n", {"memory.max": "900", "a/memory.max": "300", "a/b/memory.max": "max"}, 300),
        (V1, {"memory/docker/a1/memory.limit_in_bytes": "1000\n"}, 1000),
        (V1, {"memory/docker/a1/memory.limit_in_bytes": f"{V1_UNLIMITED}\n"}, None),
        # In a container only its own group is mounted, at the root.
        (V1, {"memory/memory.limit_in_bytes": "2000\n"}, 2000),
        ("0::/elsewhere\n", {"memory.max": "77\n"}, 77),
        ("", {"memory.max": "88\n"}, 88),
        ("", {}, None),
    ],
)  # fmt: skip
def test_the_lowest_limit_counts(memory, process, files, limit_bytes):
    assert memory(process, files).limit_bytes() == limit_bytes


@pytest.mark.parametrize(
    ("process", "files", "kills"),
    [
        (V2, {"memory.events": "low 0\nmax 12\noom 4\noom_kill 3\noom_group_kill 0\n"}, 3),
        (V1, {"memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n"}, 5),
        # Older kernels do not count.
        (V1, {"memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\n"}, None),
        (V2, {"memory.max": "1\n"}, None),
    ],
)
def test_the_kernel_counts_what_it_killed(memory, process, files, kills):
    assert memory(process, files).oom_kills() == kills


def test_in_words(memory):
    assert memory(V2, {"memory.max": "536870912\n"}).described() == "the memory limit is 512 MB"
    unlimited = memory(V2, {"memory.max": "max\n"}).described()
    assert unlimited.startswith("there is no memory limit, and the machine has ")


FREED = """
import os, sys
from pathlib import Path
from byoi.server import memory

def resident_mb():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

kept = [bytes(2000) for _ in range(50_000)]
last = bytes(2000)
full = resident_mb()
del kept
freed = resident_mb()
memory.give_back()
print(full, freed, resident_mb())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps what is freed")
def test_memory_that_was_freed_is_given_back():
    done = subprocess.run(
        [sys.executable, "-c", FREED],
        env={**os.environ, "MALLOC_TRIM_THRESHOLD_": str(1 << 30)},
        capture_output=True,
        text=True,
        check=True,
    )
    full, freed, given = map(float, done.stdout.split())
    assert full - freed < 30
    assert freed - given > 60
