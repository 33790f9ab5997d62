import os
import subprocess
import sys

import process_tree
import pytest


def test_a_name_may_have_blanks_and_parentheses():
    line = "42 (a (b) c) S 7 42 42 0 -1 4194560 1 2 3 4 100 50 25 25 20 0 1 0 5 6 7\n"
    process = process_tree.parse_stat(line)
    ticks_s = 200 / os.sysconf("SC_CLK_TCK")
    assert process == process_tree.Process(42, 7, "a (b) c", ticks_s)


def test_descendants_are_found_in_any_order_and_others_are_not():
    processes = [
        process_tree.Process(pid, parent, "", 0.0)
        for pid, parent in ((5, 3), (3, 2), (1, 0), (2, 1), (4, 1), (0, 0))
    ]
    found = process_tree.descendants(2, processes)
    assert [one.pid for one in found] == [2, 3, 5]
    assert process_tree.descendants(9, processes) == []


def test_only_the_line_of_pss_counts():
    rollup = "00-ff ---p 00 00:00 0 [rollup]\nRss: 900 kB\nPss: 120 kB\nPss_Anon: 60 kB\n"
    assert process_tree.parse_pss_kb(rollup) == 120


def test_what_a_child_computes_and_holds_is_counted():
    code = "import sys; held = bytearray(b'x') * 30_000_000; sum(range(3_000_000)); print()"
    with subprocess.Popen(
        [sys.executable, "-c", f"{code}; sys.stdin.read()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert process_tree.cpu_s(child.pid) > 0
        assert process_tree.pss_mb(child.pid) > 30
        assert child.pid in {one.pid for one in process_tree.tree(os.getpid())}
        child.communicate()


def test_the_cpu_of_children_that_ended_is_the_parents():
    code = (
        "import subprocess, sys; "
        "subprocess.run([sys.executable, '-c', 'sum(range(6_000_000))']); "
        "print(); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        assert process_tree.cpu_s(parent.pid) > 0.05
        parent.communicate()


def test_a_process_that_is_gone_has_no_tree():
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    assert process_tree.tree(child.pid) == []
    assert process_tree.cpu_s(child.pid) == pytest.approx(0)
