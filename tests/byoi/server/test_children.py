"""Real child processes: environment, group, reaping."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from contract_cases import wait_until

from byoi.server.children import Children


@pytest.fixture
def children():
    children = Children()
    yield children
    children.kill_groups()
    wait_until(lambda: children.reap() is not None and not children.any_runs(), 5)


def python(code):
    return [sys.executable, "-c", code]


def reap_one(children):
    ended = {}
    wait_until(lambda: ended.update(children.reap()) or ended, 10)
    return ended


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("raise SystemExit(7)", 7),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -9),
    ],
)
def test_the_status_of_a_child_is_told_once(children, code, status):
    children.start("one", python(code), environ={})
    assert children.runs("one")
    assert reap_one(children) == {"one": status}
    assert not children.runs("one")
    assert children.reap() == {}


def test_processes_that_are_nobodys_are_reaped_too(children):
    orphan = os.posix_spawn(sys.executable, python("pass"), {})
    wait_until(lambda: children.reap() == {} and not Path(f"/proc/{orphan}").exists(), 5)
    with pytest.raises(ChildProcessError):
        os.waitpid(orphan, os.WNOHANG)


def test_a_child_has_a_group_and_an_environment_of_its_own(children):
    code = "import os; print(os.getpgid(0) == os.getpid(), sorted(os.environ))"
    child = children.start("one", python(code), environ={"LC_ALL": "C"}, piped=True)
    with child.stdout, child.stderr:
        first, rest = child.stdout.read().decode().split(" ", 1)
    assert first == "True"
    assert "LC_ALL" in rest
    assert "HOME" not in rest
    reap_one(children)


def test_a_signal_reaches_the_child_and_nobody_once_it_is_gone(children):
    children.start("one", python("import time; time.sleep(60)"), environ={})
    children.send("one", signal.SIGTERM)
    assert reap_one(children) == {"one": -signal.SIGTERM}
    children.send("one", signal.SIGTERM)


def test_what_a_dead_child_left_behind_is_killed(children):
    code = (
        "import subprocess, sys; "
        "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid)"
    )
    child = children.start("one", python(code), environ={}, piped=True)
    grandchild = int(child.stdout.readline())
    assert reap_one(children) == {"one": 0}
    os.kill(grandchild, 0)  # still there
    children.kill_groups()
    child.stdout.close()
    child.stderr.close()
    wait_until(lambda: gone(grandchild), 5)


def gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def forking(in_child, in_parent):
    """Return a program that forks a child, with what each of the two does."""
    return python(
        "import os, sys, time, atexit; from byoi.server.children import Children\n"
        "children = Children(); print('before', end=' ')\n"
        "if children.fork('one', environ={'ONLY': 'this'}):\n"
        f"    {in_child}\n"
        "else:\n"
        f"    {in_parent}\n"
    )


def test_a_forked_child_goes_on_from_there_with_an_environment_of_its_own():
    in_child = (
        "atexit.register(print, 'left', end=''); "
        "print(dict(os.environ), os.getpgid(0) == os.getpid(), sys.stdin.read(), end=' '); "
        "sys.exit(7)"
    )
    in_parent = (
        "ended = {}\n"
        "    while not ended: ended = children.reap()\n"
        "    print('', ended, children.any_runs(), end='')"
    )
    done = subprocess.run(
        forking(in_child, in_parent), input="not for it", capture_output=True, text=True, check=True
    )
    assert done.stdout == "before {'ONLY': 'this'} True  left {'one': 7} False"


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_a_forked_child_ends_when_its_parent_is_killed():
    in_parent = "print(children._running['one'], flush=True); time.sleep(60)"
    with subprocess.Popen(
        forking("time.sleep(60)", in_parent), stdout=subprocess.PIPE, text=True
    ) as parent:
        child = int(parent.stdout.readline().split()[1])
        time.sleep(0.2)
        parent.kill()
    wait_until(lambda: gone(child), 5)


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_a_child_ends_when_its_parent_is_killed():
    code = (
        "import sys, time; from byoi.server.children import Children; "
        "child = Children().start('x', [sys.executable, '-c', 'import time; time.sleep(60)'],"
        " environ={}); print(child.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(python(code), stdout=subprocess.PIPE) as parent:
        child = int(parent.stdout.readline())
        time.sleep(0.2)
        parent.kill()
    wait_until(lambda: gone(child), 5)
