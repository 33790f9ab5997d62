"""From what an engine and a log say to the cause."""

import platform
import re
import struct
import time

import pytest

from byoi.conformance import causes, error_bodies, instance_memory, log_lines, slow, waiting
from byoi.conformance.server import Answer, Listener

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


def binary(machine, loader=b""):
    """Return an ELF file of 64 bits: its head, and one program header that names a loader."""
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQ", 2, machine, 1, 0, 64, 0)
    head += struct.pack("<IHHHHHH", 0, 64, 56, 1, 0, 0, 0)
    entry = struct.pack("<IIQQQQQQ", 3 if loader else 1, 4, 120, 0, 0, len(loader), 0, 1)
    return head + entry + loader


MACHINE = {"amd64": 62, "arm64": 183}


def test_a_binary_for_other_processors_is_named():
    found = refused({"/opt/bin/serve": binary(MACHINE[OTHER])})
    assert f"/opt/bin/serve is a program for {OTHER}" in found.seen
    assert "architecture" in found.seen


@pytest.mark.parametrize("is_there", [False, True])
def test_a_loader_that_is_not_in_the_image_is_named(is_there):
    loader = "/lib64/ld-linux-x86-64.so.2"
    files = {"/opt/bin/serve": binary(MACHINE[HERE], loader.encode() + b"\0")}
    if is_there:
        files[loader] = binary(MACHINE[HERE])
    assert (f"needs {loader}" in refused(files).seen) is not is_there


def test_a_program_that_may_not_be_executed_is_named():
    files = {"/opt/bin/serve": b"#!/bin/sh\n", "/bin/sh": b"\x7fELF"}
    found = causes.of_refusal('exec: "serve": permission denied', described(), files.get)
    assert "cannot be executed" in found.seen
    assert "chmod +x /opt/bin/serve" in found.remedy


def test_a_script_for_a_shell_with_windows_line_ends_is_named():
    files = {"/bin/sh": b"\x7fELF", "/start.sh": b"set -e\r\npython3 app.py\r\n"}
    found = ended(2, "/start.sh: set: illegal option", files, entrypoint=["sh", "/start.sh"])
    assert "/start.sh has Windows line ends (CRLF)" in found.seen


def test_a_cmd_that_is_replaced_is_named():
    image = described()
    image["Config"]["Cmd"] = ["python3", "app.py"]
    found = causes.of_refusal("no such file", image, {}.get)
    assert "CMD ['python3', 'app.py'] is replaced by `serve`" in found.seen


def test_an_end_with_status_0_is_told_as_a_server_in_the_background():
    assert "in the foreground" in ended(0).remedy


@pytest.mark.parametrize(
    ("log", "names"),
    [
        ("KeyError: 'MODEL_NAME'", ["MODEL_NAME"]),
        ("serve: 3: MODEL_NAME: parameter not set", ["MODEL_NAME"]),
        ("Error: missing environment variable TOKEN", ["TOKEN"]),
        ("ValueError: MODEL_NAME is not set", ["MODEL_NAME"]),
        ("ERROR model is not set", []),
        ("KeyError: 'weights'", []),
    ],
)
def test_a_variable_that_is_missing_is_found(log, names):
    assert causes.missing_variables(log) == names


@pytest.mark.parametrize(
    "line",
    [
        "java.net.UnknownHostException: models.example.com",
        "dial tcp: lookup models.example.com: no such host",
        "Error: getaddrinfo EAI_AGAIN models.example.com",
        "botocore.exceptions.NoCredentialsError: Unable to locate credentials",
    ],
)
def test_a_call_to_another_host_is_named_whatever_the_language(line):
    found = ended(1, line)
    assert found.seen.startswith(causes.NO_NETWORK)
    assert line in found.seen


def test_a_long_log_is_searched_in_no_time():
    """Of 20,000 lines, and of one line of 25 MB, as of a body that is logged."""
    began_s = time.process_time()
    for log in (f"{'x' * 150}\n" * 20_000, " " * 25_000_000):
        assert causes.problem_in_log(log) is None
        assert len(log_lines.last(log)) < 1000
    assert time.process_time() - began_s < 20  # a pattern that backtracks takes hours


def test_of_a_long_line_the_beginning_and_the_match_are_shown():
    line = f"WARNING: {'a' * 5000} Network is unreachable {'b' * 5000}"
    shown = log_lines.first(re.compile("Network is unreachable"), f"one\n{line}\ntwo")
    assert shown.startswith("WARNING: aaa")
    assert "Network is unreachable" in shown
    assert len(shown) <= log_lines.LINE_CHARACTERS


def test_the_error_before_a_trace_is_shown_and_answered_requests_are_not():
    trace = ["Error: listen EADDRINUSE", *(f"    at frame{number}" for number in range(9))]
    trace += ["Emitted 'error' event on Server instance at:", "  port: 8080", "}"]
    access = '127.0.0.1 - "POST /invocations HTTP/1.1" 200 OK'
    shown = log_lines.last("\n".join([*trace, access]))
    assert shown.startswith("Error: listen EADDRINUSE | ")
    assert "POST" not in shown
    assert log_lines.last('{"level": "error", "message": "no model"}') == "no model"


def test_a_socket_of_ipv6_that_is_bound_to_127_0_0_1_is_not_reached():
    mapped = Listener("::ffff:127.0.0.1", 8080)
    assert (mapped.is_loopback, str(mapped)) == (True, "127.0.0.1:8080")
    assert not Listener("::ffff:172.18.0.2", 8080).is_loopback


def test_of_a_page_the_text_is_shown():
    page = b"<html>\r\n<head><title>404 Not Found</title></head><body><h1>nginx</h1></body></html>"
    assert Answer(404, body=page).text == "404 Not Found nginx"
    assert Answer(400, body=b'{"error": "a < b > c"}').text == '{"error": "a < b > c"}'


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"error": "no model"}', "error: no model"),
        (b'{"errorMessage": "no model"}', "errorMessage: no model"),
        (b'{"success": false}', "success: False"),
        (b"Traceback (most recent call last):\n", "Traceback (most recent call last):"),
        (b'{"error": 0.25}', ""),
        (b'{"errors": []}', ""),
        (b'{"status": "failed"}', ""),
        (b"[1, 2]", ""),
    ],
)
def test_a_body_that_tells_of_an_error_is_known(body, error):
    assert error_bodies.error_in(body) == error


@pytest.mark.parametrize(
    ("instance_type", "architecture"),
    [("ml.m5.large", "amd64"), ("ml.c7g.xlarge", "arm64"), ("ml.g5.xlarge", "amd64")],
)
def test_the_processors_of_an_instance_type(instance_type, architecture):
    assert instance_memory.architecture_of(instance_type) == architecture


def test_a_line_of_json_that_is_too_deep_is_shown_as_it_is():
    line = '{"message": ' + "[" * 50_000
    assert log_lines.last(f"before\n{line}").startswith('before | {"message": [')


@pytest.mark.parametrize(
    ("status", "line", "said"),
    [
        (504, "upstream timed out (110: Connection timed out) while reading", "from nginx"),
        (502, "upstream prematurely closed connection while reading", "killed by its own server"),
        (502, "[CRITICAL] WORKER TIMEOUT (pid:7)", "killed by its own server"),
        (504, "[CRITICAL] WORKER TIMEOUT (pid:7)", "killed by its own server"),
    ],
)
def test_a_proxy_that_waits_no_longer_and_a_worker_that_is_killed_are_told_apart(
    status, line, said
):
    problem = slow.killed(slow.SlowRun(Answer(status, seconds=5.0), f"begin\n{line}\n"))
    assert said in problem.seen
    assert "the limit is 60 s" in problem.seen
    assert line[:20] in problem.seen
    assert ("proxy_read_timeout" in problem.remedy) is True
    assert ("--timeout" in problem.remedy) is (said != "from nginx")
