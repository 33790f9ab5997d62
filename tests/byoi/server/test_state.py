"""The folders of servers: whose owner is gone, and who removes them."""

import fcntl
import os
import signal
import subprocess
import time

import pytest
from contract_cases import wait_until
from processes import alive, processes, state_dirs

from byoi.server import state

OLD = f"{time.time_ns() - 10**12:x}"


@pytest.fixture
def gone():
    """The process id of a process that has ended."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    return ended.pid


@pytest.fixture
def left(tmp_path, gone):
    """Make the folder of a server, with something in it."""

    def left(pid=gone, made=OLD):
        folder = tmp_path / f"byoi-{pid}-{made}"
        folder.mkdir()
        (folder / "body").mkdir()
        (folder / "body" / "1").write_text("a large body")
        return folder

    return left


def test_the_folder_of_a_server_that_is_gone_is_removed(tmp_path, left):
    folder = left()
    assert state.remove_abandoned(tmp_path) == [folder]
    assert list(tmp_path.iterdir()) == []


def test_in_a_container_the_one_before_had_the_same_process_id(tmp_path, left):
    folder = left(os.getpid())
    assert state.remove_abandoned(tmp_path) == [folder]


def test_a_folder_whose_lock_is_held_stays_whatever_its_name_says(tmp_path, left):
    folder = left()
    descriptor = os.open(folder, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    assert state.remove_abandoned(tmp_path) == []
    os.close(descriptor)
    assert state.remove_abandoned(tmp_path) == [folder]


def test_so_do_one_that_is_just_being_made_and_one_whose_process_runs(tmp_path, left):
    left(made=f"{time.time_ns():x}")
    left(os.getppid())
    assert state.remove_abandoned(tmp_path) == []


def test_what_is_not_the_folder_of_a_server_stays(tmp_path, gone):
    (tmp_path / "byoi-log-abc").mkdir()
    (tmp_path / f"byoi-{gone}-xyz").mkdir()
    (tmp_path / f"byoi-{gone}-1").write_text("a file")
    target = tmp_path / "elsewhere"
    target.mkdir()
    (tmp_path / f"byoi-{gone}-2").symlink_to(target)
    before = sorted(tmp_path.iterdir())
    assert state.remove_abandoned(tmp_path) == []
    assert sorted(tmp_path.iterdir()) == before


def test_ones_own_folder_is_private_and_locked(tmp_path):
    folder = state.make(tmp_path)
    assert folder.stat().st_mode & 0o777 == 0o700
    descriptor = os.open(folder, os.O_RDONLY)
    with pytest.raises(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(descriptor)
    assert state.remove_abandoned(tmp_path) == []


@pytest.mark.needs("nginx")
def test_the_next_start_removes_the_folder_of_a_killed_server(start, children_of, command_of):
    killed = start()
    pid = killed.pid
    nginx, gunicorn, workers = processes(killed, children_of, command_of)
    everything = [nginx, gunicorn, *workers, *children_of(nginx)]
    assert len(state_dirs(pid)) == 1
    time.sleep(2)  # not one that is just being made
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: alive(everything) == [], 10)
    killed.stop()
    start()
    wait_until(lambda: state_dirs(pid) == [], 5)
