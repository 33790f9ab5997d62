"""`byoi check` on the command line: what it refuses at once, its exit status, its last lines."""

import contextlib
import http.server
import json
import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from byoi import cli


@contextlib.contextmanager
def serving(ping_status):
    """A server whose /ping has a status, and which has nothing else."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.answer(ping_status if self.path == "/ping" else 404)

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"] or 0))
            self.answer(404)

        def answer(self, status):
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def url():
    with serving(200) as address:
        yield address


@pytest.fixture
def check(capsys):
    """Run the verb; return its exit status, and the lines of both streams."""

    def run(*arguments):
        status = cli.main(["check", *map(str, arguments)])
        shown = capsys.readouterr()
        return status, shown.out.splitlines(), shown.err.splitlines()

    return run


@pytest.mark.parametrize(
    ("option", "is_folder", "words"),
    [
        ("--payload", None, "it does not exist; expected a file with the body of a request"),
        ("--payload", True, "it is a folder; expected a file with the body of a request"),
        ("--slow-payload", None, "it does not exist; expected a file with the body of a request"),
        ("--model-data", None, "it does not exist; expected a model.tar.gz, or a model's folder"),
        ("--training-input", False, "it is not a folder; expected a folder with config/"),
        ("--html", True, "is a folder; expected the name of a file to write"),
    ],
)
def test_a_file_that_cannot_be_is_named_with_its_option(check, tmp_path, option, is_folder, words):
    file = tmp_path / "given"
    if is_folder:
        file.mkdir()
    elif is_folder is False:
        file.touch()
    status, out, err = check("any-image", option, file)
    assert (status, out, len(err)) == (2, [], 1)
    assert err[0].startswith(f"byoi: error: {option} {file}")
    assert words in err[0]


def test_a_report_that_cannot_be_written_is_told_before_the_check(check, tmp_path):
    status, out, err = check("any-image", "--json", tmp_path / "absent" / "report.json")
    assert (status, out) == (2, [])
    assert "--json" in err[0]
    assert f"there is no folder {tmp_path / 'absent'}" in err[0]


def test_a_folder_without_a_project_is_refused_at_once(check, tmp_path):
    status, out, err = check(tmp_path)
    assert (status, out, len(err)) == (2, [], 1)
    assert "holds no project: expected inference.py" in err[0]
    assert "byoi init" in err[0]


def test_a_url_where_nothing_listens_could_not_be_checked(check):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    status, out, err = check(f"http://127.0.0.1:{port}")
    assert (status, out, len(err)) == (2, [], 1)
    assert f"nothing answers at http://127.0.0.1:{port}: Connection refused" in err[0]


def test_a_url_of_something_else_could_not_be_checked(check):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                connection.sendall(b"SSH-2.0-\x1b[2J\r\n")
                connection.close()

        threading.Thread(target=greet, daemon=True).start()
        status, out, err = check(f"http://127.0.0.1:{server.getsockname()[1]}")
    assert (status, out) == (2, [])
    assert "nothing that speaks HTTP answers at" in err[0]
    assert "\x1b" not in "".join(err)


@pytest.mark.parametrize(
    "options", [["--env", "A=1"], ["--instance-type", "ml.m5.large"], ["--train"]]
)
def test_an_option_that_does_nothing_for_a_url_is_refused(check, url, options):
    status, out, err = check(url, *options)
    assert (status, out) == (2, [])
    assert f"{options[0]} is of no use for {url}" in err[0]


def test_no_secret_gets_into_a_report(check, tmp_path):
    files = [tmp_path / name for name in ("report.json", "report.xml", "report.html")]
    written = [
        f"--{kind}={file}" for kind, file in zip(("json", "junit", "html"), files, strict=True)
    ]
    for arguments in (
        ["http://me:hunter2@127.0.0.1:1"],
        ["any-image", "--only", "NONE", "--env", "TOKEN=hunter2", "--env", "OTHER=hunter2"],
    ):
        status, _, err = check(*arguments, *written)
        assert status == 2
        texts = [file.read_text() for file in files]
        assert [one for one in [*texts, *err] if "hunter2" in one] == []
    content = json.loads(texts[0])
    assert content["about"]["options"] == {"--only": "NONE", "--env": "TOKEN,OTHER"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", content["about"]["date"])
    assert content["about"]["byoi"]
    assert "No verdict" in texts[2]


def test_the_last_line_counts_and_strict_says_why_it_fails(check, url, tmp_path):
    file = tmp_path / "report.json"
    given = [url, "--only", "RT-22,RT-24,RT-29", "--json", file]
    status, out, err = check(*given)
    assert (status, err) == (0, [])
    assert out[-2:] == [
        "to test more, give --slow-payload (1 rule)",
        "2 of 3 rules tested, 0 failed, 1 not tested",
    ]
    content = json.loads(file.read_text())
    assert content["about"]["options"] == {"--only": "RT-22,RT-24,RT-29"}
    assert (content["about"]["image"], content["about"]["engine"]) == ({}, "")
    assert [one["rule"] for one in content["figures"]] == ["RT-24"]
    status, out, err = check(*given, "--strict")
    assert (status, err) == (1, [])
    assert out[-2] == "--strict: what is not tested counts as failed, exit status 1"


def test_what_failed_is_told_once_more_below_a_long_table(check, url):
    status, out, _ = check(url, "--only", "RT")
    assert status == 1
    again = out[out.index("failed:") :]
    assert again[1].startswith("RT-31  fail")
    assert again[2].split()[0] == "remedy:"
    assert out.count(again[1]) == 2
    assert re.fullmatch(r"\d+ of \d+ rules tested, [1-9]\d* failed, \d+ not tested", out[-1])


def test_of_a_url_no_log_and_no_start_is_told(check):
    with serving(503) as loading:
        status, out, _ = check(loading, "--only", "RT-22,SV-06", "--serverless")
    assert status == 1
    shown = "\n".join(out)
    assert "/ping did not answer 200 within 5 s; last: 503" in shown
    assert "wrote nothing" not in shown
    assert "--model-data" not in shown


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_cancelled_check_leaves_no_server(number, tmp_path):
    (tmp_path / "inference.py").write_text(
        "import os, pathlib, time\n"
        "def model_fn(directory):\n"
        "    pathlib.Path(directory, 'loading').write_text(str(os.getpid()))\n"
        "    time.sleep(600)\n"
    )
    loading = tmp_path / "model" / "loading"
    loading.parent.mkdir()
    command = [sys.executable, "-m", "byoi.cli", "check", str(tmp_path), "--only", "RT-22"]
    # Whoever runs the tests by nohup has SIGHUP ignored, and so would the check.
    was = signal.signal(number, signal.SIG_DFL)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    signal.signal(number, was)
    with process:
        try:
            await_that(lambda: loading.exists() and loading.read_text())
            process.send_signal(number)
            assert process.wait(60) == 128 + number
        finally:
            process.kill()
    worker = pathlib.Path("/proc", loading.read_text())
    await_that(lambda: not worker.exists())


def await_that(holds, limit_s=60):
    deadline_s = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < deadline_s, f"not within {limit_s} s"
        time.sleep(0.1)
