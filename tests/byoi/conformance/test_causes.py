"""From what an engine and a log say to the cause."""

import platform

import pytest

from byoi.conformance import causes, waiting
from byoi.conformance.server import Listener

HERE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
OTHER = "arm64" if HERE == "amd64" else "amd64"


def described(entrypoint=None, architecture=HERE, env=("PATH=/opt/bin:/bin",)):
    return {
        "Architecture": architecture,
        "Config": {"Entrypoint": entrypoint, "Env": list(env), "WorkingDir": "/srv"},
    }


def refused(files, **image):
    return causes.of_refusal("exec: no such file", described(**image), files.get)


def ended(code, log="", files=None, *, is_out_of_memory=False, **image):
    known = causes.known_of_end(
        code,
        log,
        is_out_of_memory=is_out_of_memory,
        described=described(**image),
        read_file=(files or {}).get,
    )
    return known or causes.of_end(code, log)


def test_windows_line_ends_are_named_where_docker_says_that_there_is_no_file():
    found = refused({"/opt/bin/serve": b"#!/bin/sh\r\nexec python\r\n"})
    assert "CRLF" in found.seen
    assert "/opt/bin/serve" in found.seen
    assert "sed" in found.remedy


def test_a_missing_serve_is_named():
    found = refused({})
    assert "no program 'serve'" in found.seen
    assert "ENTRYPOINT" in found.remedy


@pytest.mark.parametrize(
    ("entrypoint", "path"),
    [(["/app/run"], "/app/run"), (["./run", "x"], "/srv/./run"), (["run"], "/opt/bin/run")],
)
def test_the_first_program_is_that_of_the_entry_point(entrypoint, path):
    found = refused({path: b"#!/bin/sh\r\n"}, entrypoint=entrypoint)
    assert path in found.seen


def test_another_architecture_comes_first():
    found = refused({"/opt/bin/serve": b"#!/bin/sh\r\n"}, architecture=OTHER)
    assert OTHER in found.seen
    assert f"--platform linux/{HERE}" in found.remedy


@pytest.mark.parametrize("content", [b"\xef\xbb\xbf#!/bin/sh\n", b"\n#!/bin/sh\n", b"python x.py"])
def test_a_script_whose_first_line_names_no_interpreter_is_named(content):
    assert "first line" in refused({"/opt/bin/serve": content}).seen


@pytest.mark.parametrize(
    ("first", "there", "missing"),
    [
        ("#!/usr/bin/python3", [], "/usr/bin/python3"),
        ("#!/usr/bin/env python3", ["/bin/python3"], "/usr/bin/env"),
        ("#!/usr/bin/env python3", ["/usr/bin/env"], "python3"),
    ],
)
def test_a_missing_interpreter_is_named(first, there, missing):
    files = {"/opt/bin/serve": f"{first}\nx\n".encode()} | dict.fromkeys(there, b"\x7fELF")
    assert f"there is no {missing} in the image" in refused(files).seen


def test_a_script_with_its_interpreter_is_not_blamed_for_what_the_engine_refused():
    files = {
        "/opt/bin/serve": b"#!/usr/bin/env python3\nx\n",
        "/usr/bin/env": b"\x7fELF",
        "/bin/python3": b"\x7fELF",
    }
    assert "the engine says: exec: no such file" in refused(files).seen


def test_a_program_that_is_right_leaves_the_engines_own_words():
    found = refused({"/opt/bin/serve": b"\x7fELF..."})
    assert "exec: no such file" in found.seen


def test_the_memory_limit_is_named_before_all_else():
    found = ended(137, "loading", is_out_of_memory=True)
    assert "memory limit" in found.seen
    assert "loading" in found.seen


@pytest.mark.parametrize(
    "line",
    [
        "OSError: [Errno 30] Read-only file system: '/opt/ml/model/cache'",
        "mkdir: cannot create directory '/opt/ml/model/x': Read-only file system",
    ],
)
def test_a_write_into_the_model_folder_is_named(line):
    found = ended(1, f"start\n{line}\n")
    assert "read-only" in found.seen
    assert line in found.seen
    assert "/tmp" in found.remedy


def test_a_read_only_place_that_is_not_the_model_folder_is_no_such_write():
    assert causes.problem_in_log("OSError: [Errno 30] Read-only file system: '/etc/x'") is None


def test_a_call_to_another_host_is_named():
    found = ended(1, "socket.gaierror: [Errno -3] Temporary failure in name resolution")
    assert "no network" in found.seen


def test_a_signal_is_named_and_the_last_lines_are_shown():
    found = ended(139, "one\ntwo\nthree\nfour\n")
    assert "SIGSEGV" in found.seen
    assert "two | three | four" in found.seen
    assert "one" not in found.seen.partition("last lines")[2].split(" | ")


def test_a_plain_end_has_its_status():
    assert "status 3; its last lines: it wrote nothing" in ended(3).seen


@pytest.mark.parametrize(
    ("listeners", "words"),
    [
        ([("127.0.0.1", 8080)], ["127.0.0.1:8080", "0.0.0.0:8080"]),
        ([("::1", 8080)], ["[::1]:8080"]),
        ([("0.0.0.0", 5000)], ["nothing listens on port 8080", "0.0.0.0:5000"]),
        ([("127.0.0.1", 8080), ("0.0.0.0", 5000)], ["127.0.0.1:8080"]),
    ],
)
def test_a_server_that_listens_elsewhere_is_named(listeners, words):
    problem = waiting.wrong_listeners([Listener(*one) for one in listeners], 8080)
    assert [word for word in words if word not in problem.seen + problem.remedy] == []


@pytest.mark.parametrize(
    "listeners",
    [[], [("0.0.0.0", 8080)], [("::", 8080)], [("172.18.0.2", 8080)], [("127.0.0.11", 4000)]],
)
def test_a_server_that_listens_where_it_should_or_not_yet_is_not(listeners):
    assert waiting.wrong_listeners([Listener(*one) for one in listeners], 8080) is None
