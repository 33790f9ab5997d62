"""How many workers: of CPUs, memory limits of both versions, and the model's size; and the line."""

import os

import pytest
from contract_cases import wait_until
from processes import FUNCTIONS

from byoi.server import cgroups, sizing
from byoi.server.memory import Memory
from byoi.server.settings import Settings

MB = 2**20
V1 = "4:memory:/docker/a1\n"
V2 = "0::/\n"
LOADS = "def model_fn(model_dir): return 1\n" + FUNCTIONS


@pytest.fixture(params=["v1", "v2"])
def limited(request, tmp_path):
    """Return the memory of a container with a limit in MB, None for none."""

    def limited(limit_mb):
        process, root = tmp_path / "cgroup", tmp_path / "sys"
        if request.param == "v2":
            process.write_text(V2)
            file, nothing = root / "memory.max", "max"
        else:
            process.write_text(V1)
            file, nothing = root / "memory/memory.limit_in_bytes", "9223372036854771712"
        file.parent.mkdir(parents=True)
        file.write_text(f"{nothing if limit_mb is None else limit_mb * MB}\n")
        return Memory(process_file=process, cgroup_root=root)

    return limited


# 110 MB, and 2.1 times 100 MB.
HELD = "limited by memory: each is estimated at 320 MB while it loads 100 MB of model data; with "


@pytest.mark.parametrize(
    ("count", "limit_mb", "model_mb", "expected"),
    [
        (4, 1100, 1, (4, 1, "one for each of 4 CPUs")),
        (2, 1100, 1, (2, 1, "one for each of 2 CPUs")),
        (1, 1100, 1, (2, 1, "on 1 CPU, so that one serves while the other is replaced")),
        (8, 1100, 100, (3, 2, f"{HELD}8 CPUs there would be 8")),
        # Less than one: it is tried all the same.
        (1, 64, 100, (1, 1, f"{HELD}1 CPU there would be 2")),
    ],
)
def test_as_many_as_cpus_and_memory_allow(limited, count, limit_mb, model_mb, expected):
    chosen = sizing.choose(
        Settings(), cpus=count, memory=limited(limit_mb), model_bytes=model_mb * MB
    )
    assert (chosen.workers, chosen.threads, chosen.reason) == expected
    assert chosen.memory == f"the memory limit is {limit_mb} MB"


def test_without_a_limit_the_machines_memory_counts(limited):
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    chosen = sizing.choose(Settings(), cpus=2, memory=limited(None), model_bytes=machine)
    assert (chosen.workers, chosen.memory_bytes) == (1, machine)
    assert chosen.memory.startswith("there is no memory limit, and the machine has ")


def test_a_limit_above_the_machines_memory_is_the_machines():
    class Boundless(Memory):
        def limit_bytes(self):
            return 2**50

    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert Boundless().total_bytes() == machine


def test_a_number_that_was_set_is_kept_and_a_doubt_is_told(limited):
    memory = limited(400)
    chosen = sizing.choose(Settings(workers=5), cpus=2, memory=memory, model_bytes=0)
    assert chosen.workers == 5
    assert chosen.reason == (
        "as SAGEMAKER_MODEL_SERVER_WORKERS says, although there is memory for 3: each is "
        "estimated at 110 MB while it loads 0 MB of model data"
    )
    chosen = sizing.choose(Settings(workers=3), cpus=9, memory=memory, model_bytes=0)
    assert (chosen.workers, chosen.threads) == (3, 3)
    assert chosen.reason == "as SAGEMAKER_MODEL_SERVER_WORKERS says"


def test_a_folders_size_is_that_of_all_its_files(tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "a").write_bytes(b"a" * 10)
    (tmp_path / "deep" / "er" / "b").write_bytes(b"b" * 5)
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    assert sizing.size_of(tmp_path) == 15
    assert sizing.size_of(tmp_path / "gone") == 0


def test_what_processes_take_is_read_from_proc(tmp_path):
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "smaps_rollup").write_text(
        "55d-7ff ---p 00000000 00:00 0 [rollup]\nRss: 3000 kB\nPss: 2048 kB\nPss_Anon: 9 kB\n"
    )
    assert sizing.taken_bytes([7, 8], proc=tmp_path) == [2 * MB]


def told(limited, limit_mb, taken_mb, workers=2):
    chosen = sizing.choose(
        Settings(workers=workers), cpus=2, memory=limited(limit_mb), model_bytes=0
    )
    return sizing.told(chosen, [one * MB for one in taken_mb])


def test_the_line_has_what_was_chosen_why_and_what_was_measured(limited):
    level, text = told(limited, 512, [90, 100])
    assert level == "info"
    assert text == (
        "2 workers, 1 CPU for each: as SAGEMAKER_MODEL_SERVER_WORKERS says; each takes 100 MB, "
        "and the memory limit is 512 MB"
    )


def test_workers_that_do_not_fit_are_a_warning(limited):
    level, text = told(limited, 512, [240, 240])
    assert level == "warning"
    assert text.endswith(
        "requests may run out of memory; set fewer workers, or give the container more memory"
    )


def test_where_nothing_can_be_measured_nothing_is_said_of_it(limited):
    level, text = told(limited, 512, [], workers=1)
    assert (level, text) == (
        "info",
        "1 worker, 2 CPUs for each: as SAGEMAKER_MODEL_SERVER_WORKERS says",
    )


def lines_of(target):
    """Return the lines about workers; they are written just after /ping turned 200."""
    wait_until(lambda: "ready: " in target.read_log(), 5)
    return [one["message"] for one in target.entries() if " for each: " in one["message"]]


@pytest.mark.parametrize("proxy", [pytest.param("auto", marks=pytest.mark.needs("nginx")), "off"])
def test_it_is_one_line_at_start(start, proxy):
    (line,) = lines_of(start(LOADS, BYOI_NGINX=proxy).target)
    assert line.startswith(f"{max(2, cgroups.available_cpus())} workers, ")
    assert "; each takes " in line


def test_a_number_that_was_set_is_as_many_processes(start, children_of):
    stack = start(LOADS, BYOI_NGINX="off", SAGEMAKER_MODEL_SERVER_WORKERS="3")
    (line,) = lines_of(stack.target)
    assert line.startswith("3 workers, ")
    (master,) = children_of(stack.pid)
    assert len(children_of(master)) == 3


def test_model_data_that_fit_once_have_one_worker(start, tmp_path, children_of):
    folder = tmp_path / "a model"
    folder.mkdir()
    with (folder / "weights").open("wb") as file:  # takes no room on the disk
        file.truncate(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 3)
    stack = start(LOADS, BYOI_NGINX="off")
    (line,) = lines_of(stack.target)
    assert line.startswith("1 worker, ")
    assert "limited by memory" in line
    (master,) = children_of(stack.pid)
    assert len(children_of(master)) == 1


def test_the_log_level_holds_it_back(start):
    stack = start(LOADS, BYOI_NGINX="off", SAGEMAKER_CONTAINER_LOG_LEVEL="30")
    stack.stop()
    assert " for each: " not in stack.target.read_log()
