"""From what an engine and a log say to the cause."""

import contextlib
import platform
import re
import struct
import time

import pytest

from byoi.conformance import (
    Case,
    Given,
    causes,
    error_bodies,
    instance_memory,
    log_lines,
    missing,
    slow,
    waiting,
)
from byoi.conformance.server import Answer, Listener, Server, Unseen
from byoi.conformance.verdict import NotTested
from byoi.local.docker import FileStatus

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


NOT_FOUND = 'exec: "serve": executable file not found in $PATH: unknown'
SCRIPT = b"#!/bin/sh\n"
FILES = {
    "/opt/bin/serve": SCRIPT,
    "/bin/sh": b"\x7fELF",
    "/etc/passwd": b"root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n",
    "/etc/group": b"staff:x:50:app\n",
}


def denied(statuses, user="", files=FILES, refusal=NOT_FOUND):
    image = described()
    image["Config"]["User"] = user
    there = {"/bin/sh": FileStatus(0o755), **statuses}
    return causes.of_refusal(refusal, image, files.get, there.get)


def test_a_program_on_the_path_without_the_execute_bit_is_named_where_docker_finds_none():
    for found in (
        denied({"/opt/bin/serve": FileStatus(0o644)}),
        causes.of_refusal(NOT_FOUND, described(), FILES.get),
    ):
        assert "/opt/bin/serve cannot be executed" in found.seen
        assert "chmod +x /opt/bin/serve" in found.remedy
        assert "--chmod=755" in found.remedy
        assert not found.is_missing


def test_a_folder_that_the_user_may_not_enter_is_named():
    statuses = {
        "/opt/bin": FileStatus(0o700, is_directory=True),
        "/opt/bin/serve": FileStatus(0o755),
    }
    found = denied(statuses, "app")
    assert "the folder /opt/bin has mode 0700" in found.seen
    assert "by USER app" in found.seen
    assert "chmod a+rx /opt/bin" in found.remedy
    assert "the engine says" in denied(statuses, refusal="no").seen


@pytest.mark.parametrize(
    ("user", "status", "is_named"),
    [
        ("app", FileStatus(0o744), True),
        ("app", FileStatus(0o744, uid=1000), False),
        ("1000", FileStatus(0o754, gid=50), False),
        ("1001", FileStatus(0o754, gid=50), True),
        ("1001:50", FileStatus(0o754, gid=50), False),
        ("root", FileStatus(0o744, uid=7), False),
    ],
)
def test_the_execute_bit_counts_for_the_images_user(user, status, is_named):
    found = denied({"/opt/bin/serve": status}, user, refusal="no")
    assert ("cannot be executed" in found.seen) is is_named


def test_a_directory_in_the_place_of_the_program_is_named():
    files = {path: content for path, content in FILES.items() if path != "/opt/bin/serve"}
    found = denied({"/opt/bin/serve": FileStatus(0o755, is_directory=True)}, files=files)
    assert "/opt/bin/serve is a directory" in found.seen


def test_an_interpreter_that_may_not_be_executed_is_named():
    found = denied({"/opt/bin/serve": FileStatus(0o755), "/bin/sh": FileStatus(0o644)})
    assert "/bin/sh cannot be executed" in found.seen


@pytest.mark.parametrize(
    ("log", "code"),
    [
        ("/start.sh: 2: exec: serve: Permission denied", 126),
        ("PermissionError: [Errno 13] Permission denied: '/opt/bin/serve'", 1),
        ("Error: spawn /opt/bin/serve EACCES", 1),
    ],
)
def test_a_program_that_a_script_may_not_execute_is_named(log, code):
    known = causes.known_of_end(
        code,
        log,
        is_out_of_memory=False,
        described=described(entrypoint=["/start.sh"]),
        read_file={**FILES, "/start.sh": SCRIPT}.get,
        read_status={"/opt/bin/serve": FileStatus(0o644), "/start.sh": FileStatus(0o755)}.get,
    )
    assert "/opt/bin/serve cannot be executed" in known.seen


def test_a_file_of_data_that_may_not_be_read_is_no_program():
    known = causes.known_of_end(
        1,
        "PermissionError: [Errno 13] Permission denied: '/data/weights'",
        is_out_of_memory=False,
        described=described(),
        read_file={**FILES, "/data/weights": b"123"}.get,
        read_status={"/data/weights": FileStatus(0o600, uid=3)}.get,
    )
    assert known is None


@pytest.mark.parametrize(
    "line",
    [
        "OSError: libcuda.so.1: cannot open shared object file: No such file or directory",
        "ImportError: libnvidia-ml.so.1: cannot open shared object file: No such file",
        "RuntimeError: Found no NVIDIA driver on your system. Please check that you have",
        "RuntimeError: No CUDA GPUs are available",
        "CUDA driver version is insufficient for CUDA runtime version",
        "pynvml.NVMLError_LibraryNotFound: NVML Shared Library Not Found",
        "RuntimeError: Failed to infer device type",
        "FileNotFoundError: [Errno 2] No such file or directory: 'nvidia-smi'",
    ],
)
def test_the_driver_of_a_gpu_is_not_the_images_fault(line):
    found = ended(1, f"loading\n{line}")
    assert isinstance(found, missing.NeedsDriver)
    assert line[:30] in found.seen
    assert "GPU instance" in found.remedy


@pytest.mark.parametrize(
    "log",
    [
        "Could not load dynamic library 'libcuda.so.1'; no such file\na\nb\nc\nValueError: no rows",
        "ImportError: libcudart.so.12: cannot open shared object file: No such file or directory",
        "AssertionError: Torch not compiled with CUDA enabled",
    ],
)
def test_another_cause_is_not_taken_for_a_missing_driver(log):
    assert not isinstance(ended(1, log), missing.NeedsDriver)


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("ModuleNotFoundError: No module named 'torch'", "the package torch is not in the image"),
        ("Error: Cannot find module 'express'", "the package express is not in the image"),
        ("ImportError: libGL.so.1: cannot open shared object file: No", "the library libGL.so.1"),
        ("ModuleNotFoundError: No module named 'encodings'", "does not find encodings of its own"),
    ],
)
def test_what_is_not_in_the_image_is_named(line, seen):
    found = ended(1, line)
    assert seen in found.seen
    assert line in found.seen
    assert not isinstance(found, causes.Ended)


def test_the_errors_of_health_checks_are_shown_once_though_there_are_thousands():
    error = (
        "2026/11/29 06:14:{:02} [error] 9#9: *{} connect() failed (111: Connection refused) while "
        'connecting to upstream, request: "GET /ping HTTP/1.1", upstream: "http://127.0.0.1:8000"'
    )
    access = '172.17.0.1 - - [29/Nov/2026:06:14:29 +0000] "GET /ping HTTP/1.1" 502 157 "-" "-"'
    lines = [f"{error.format(number % 60, number)}\n{access}" for number in range(900)]
    shown = log_lines.last("\n".join(["one", "started", *lines]))
    assert shown.count("Connection refused") == 1
    access_only = "\n".join(["started", *[access] * 900])
    assert log_lines.last(access_only) == "started"


@pytest.mark.parametrize(
    ("log", "seen", "begins"),
    [
        ("FileNotFoundError: '/opt/ml/model/weights'", True, True),
        ("loading", True, False),
        ("OSError: the model weights.bin does not exist", True, False),
        ("usage: x\nx: error: unrecognized arguments: serve", False, False),
        ("ValueError: bad port", False, False),
        ("", True, False),
    ],
)
def test_model_data_are_asked_for_where_the_log_speaks_of_them(log, seen, begins):
    case = Case(WithoutModel(log))
    problem = case.problem
    assert ("without model data" in problem.seen) is seen
    assert ("--model-data" in problem.remedy) is seen
    assert problem.remedy.startswith("give the model data") is begins


def test_an_image_that_needs_a_gpu_is_not_tested_unless_its_instance_type_has_none():
    log = "RuntimeError: Found no NVIDIA driver on your system"
    with pytest.raises(NotTested, match="GPU instance"):
        _ = Case(WithoutModel(log)).problem
    with pytest.raises(NotTested, match="needs a GPU"):
        Case(WithoutModel(log)).server()
    small = Case(WithoutModel(log), Given(memory_bytes=1 << 30))
    assert isinstance(small.problem, missing.NeedsDriver)


def test_a_file_that_the_model_data_hide_is_named(tmp_path):
    subject = WithoutModel("FileNotFoundError: '/opt/ml/model/base.bin'")
    subject.model = tmp_path
    subject.files = {"/opt/ml/model/base.bin": b"1"}
    problem = Case(subject).problem
    assert "the image has /opt/ml/model/base.bin" in problem.seen
    assert "/opt/model" in problem.remedy


def test_a_start_without_a_network_says_where_that_is_so():
    problem = Case(WithoutModel("gaierror: Temporary failure in name resolution")).problem
    assert causes.NO_NETWORK in problem.seen
    assert "network isolation" in problem.seen
    assert "RT-21" in problem.seen


class WithoutModel:
    """An image whose server has ended with status 1 and a log."""

    name = "image"
    start_limit_s = 1.0
    model = None

    def __init__(self, log):
        self.log = log
        self.files = {}

    @contextlib.contextmanager
    def launched(self, _):
        yield Server("127.0.0.1", 1, EndedSight(self.log))

    def explain_end(self, server):
        log = server.sight.log()
        return causes.problem_in_log(log) or causes.of_end(1, log)

    def read_file(self, path):
        return self.files.get(path)

    def has_files(self, folder):
        return any(path.startswith(folder) for path in self.files)


class EndedSight(Unseen):
    sees_start = True

    def __init__(self, log):
        self._log = log

    def log(self):
        return self._log

    def exit_code(self):
        return 1
