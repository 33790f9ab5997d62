"""Orphans: whose things are removed."""

import os
import secrets
import socket
import subprocess
import sys

import pytest

from byoi.local import orphans
from byoi.local.docker import Engine
from byoi.local.orphans import OWNER_LABEL


def ended_owner() -> str:
    """The label of a process that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return f"{socket.gethostname()}:{ended.pid}"


def test_an_owner_is_gone_when_its_process_has_ended_here():
    assert orphans.is_owner_gone(ended_owner())
    assert not orphans.is_owner_gone(orphans.owner())
    assert not orphans.is_owner_gone(f"elsewhere:{ended_owner().rpartition(':')[2]}")
    assert not orphans.is_owner_gone(f"{socket.gethostname()}:1")


def test_a_zombie_has_ended():
    zombie = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    assert orphans.is_owner_gone(f"{socket.gethostname()}:{zombie.pid}")
    zombie.wait()


@pytest.mark.needs("docker")
def test_networks_of_ended_processes_go_and_those_of_this_one_stay():
    engine = Engine(os.environ)
    mine, left = (f"byoi-test-{secrets.token_hex(4)}" for _ in range(2))
    engine.create_isolated_network(mine, {OWNER_LABEL: orphans.owner()})
    engine.create_isolated_network(left, {OWNER_LABEL: ended_owner()})
    try:
        assert left in orphans.remove_orphaned_networks(engine)
        assert engine.has_network(mine)
        assert not engine.has_network(left)
    finally:
        engine.remove(networks=[mine, left])
