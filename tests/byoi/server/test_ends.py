"""The cause of a worker's end in words, and the traceback that a crash leaves."""

import signal
import subprocess
import sys

import pytest

from byoi.server import ends
from byoi.server.ends import End

LIMIT = "the memory limit is 512 MB"


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (End(1, -signal.SIGSEGV, is_loaded=True), "SIGSEGV, native code accessed invalid memory"),
        (End(1, -signal.SIGILL, is_loaded=True), "SIGILL, native code uses an instruction"),
        (End(1, -signal.SIGUSR2, is_loaded=True), "SIGUSR2, a signal that ends a process"),
        (End(1, -signal.SIGRTMIN - 1, is_loaded=True), "signal 35, a signal that ends a process"),
        (End(1, 3, is_loaded=True), "status 3, its code ended the process"),
        (End(1, 3, is_loaded=False), "status 3, the model could not be loaded"),
        (End(1, 255, is_loaded=True), "status 255, an error outside of any request"),
        (End(1, 0, is_loaded=True), "status 0, its code ended the process"),
        (End(1, 0, is_loaded=True, has_withdrawn=True), "a request passed its deadline"),
        (End(1, -9, is_loaded=True, silent_s=65.0), "for 65 s and was killed (SIGKILL)"),
        (End(1, 1, is_loaded=True, silent_s=65.0), "for 65 s and was killed (status 1)"),
        (
            End(1, -9, is_loaded=True, is_out_of_memory=True),
            f"SIGKILL, out of memory: the kernel killed it; {LIMIT}; give",
        ),
        (End(1, -9, is_loaded=True), f"which the kernel sends when memory runs out; {LIMIT}; give"),
        (End(1, -9, is_loaded=True, is_out_of_memory=False), "another process sent the signal"),
    ],
)  # fmt: skip
def test_the_cause_in_words(end, words):
    assert words in end.cause(lambda: LIMIT)


@pytest.mark.parametrize(
    ("status", "is_asked", "is_normal"),
    [(0, True, True), (-15, True, True), (-9, True, True), (0, False, False), (-9, False, False),
     (-11, True, False)],
)  # fmt: skip
def test_what_the_master_wanted_is_normal_and_a_crash_is_not(status, is_asked, is_normal):
    assert End(1, status, is_loaded=True, is_asked=is_asked).is_normal is is_normal


def test_a_crash_leaves_pythons_traceback_which_is_taken_once(tmp_path):
    file = tmp_path / "fault"
    code = f"""
import ctypes, pathlib
from byoi.server import ends
ends.catch_faults(pathlib.Path({str(file)!r}))
def crash(): ctypes.string_at(0)
crash()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == -signal.SIGSEGV
    assert done.stderr == b""
    fault = ends.take_fault(file)
    assert fault is not None
    assert fault.startswith("Fatal Python error: Segmentation fault")
    assert "in crash" in fault
    assert ends.take_fault(file) is None


def test_a_process_that_ends_well_leaves_none(tmp_path):
    file = tmp_path / "fault"
    file.touch()
    assert ends.take_fault(file) is None
    assert not file.exists()
