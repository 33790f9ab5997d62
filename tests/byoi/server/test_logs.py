"""Log lines are JSON, one object each, also those that nginx wrote."""

import io
import json
import logging
import os
import subprocess
import sys
import time

import pytest

from byoi.server import logs


@pytest.fixture
def root_logger():
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield root
    root.handlers[:], level = before
    root.setLevel(level)


def test_a_line_is_one_object_and_ends():
    line = logs.line("info", 'two\nlines "quoted"', path="/é", odd=object)
    assert line.count("\n") == 1
    assert line.endswith("}\n")
    entry = json.loads(line)
    assert entry["message"] == 'two\nlines "quoted"'
    assert entry["path"] == "/é"
    assert entry["odd"] == str(object)


def test_time_is_utc_to_the_second():
    assert logs.timestamp(0.9) == "1970-01-01T00:00:00+00:00"


def test_logging_goes_out_as_such_lines_from_the_level_on(root_logger):
    stream = io.StringIO()
    logs.configure("WARNING", stream)
    logging.getLogger("some.module").info("not this")
    logging.getLogger("some.module").warning("%s this", "but", extra={"request_id": "r1"})
    entry = json.loads(stream.getvalue())
    assert (entry["level"], entry["message"]) == ("warning", "but this")
    assert (entry["logger"], entry["request_id"]) == ("some.module", "r1")


def test_a_traceback_stays_inside_the_line(root_logger):
    stream = io.StringIO()
    logs.configure("INFO", stream)
    try:
        {}["cause"]
    except KeyError:
        logging.getLogger("x").exception("failed")
    (line,) = stream.getvalue().splitlines()
    assert "KeyError: 'cause'" in json.loads(line)["traceback"]


def test_what_nginx_complains_about_becomes_a_json_line(capsys):
    logs.relay(io.BytesIO(b"2026/11/24 [emerg] 1#1: no memory\n"), logs.write_nginx_error)
    line = json.loads(capsys.readouterr().err)
    assert line["message"] == "nginx: 2026/11/24 [emerg] 1#1: no memory"


def test_a_header_that_is_no_utf_8_does_not_spoil_the_access_log(capfd):
    logs.relay(io.BytesIO(b'{"user_agent":"caf\xe9"}\n'), logs.write_access_lines)
    assert json.loads(capfd.readouterr().out) == {"user_agent": "caf\N{REPLACEMENT CHARACTER}"}


class Arriving(io.RawIOBase):
    """A stream whose reads end where the test says."""

    def __init__(self, *pieces):
        self._pieces = list(pieces)

    def readable(self):
        return True

    def readinto(self, buffer):
        piece = self._pieces.pop(0) if self._pieces else b""
        buffer[: len(piece)] = piece
        return len(piece)


def relayed(relay, *pieces):
    written = []
    relay(io.BufferedReader(Arriving(*pieces)), written.append)
    return written


def test_all_whole_lines_that_are_there_are_written_at_once():
    assert relayed(logs.relay, b"a\nb\nc\n", b"d\n") == [b"a\nb\nc\n", b"d\n"]


@pytest.mark.parametrize("last", [b"end\n", b"end"])
def test_a_line_that_arrives_in_pieces_is_written_whole_the_last_one_too(last):
    pieces = (b"a\nbe", b"g", b"un\nc", b"\n", last)
    assert relayed(logs.relay, *pieces) == [b"a\n", b"begun\n", b"c\n", b"end\n"]
    assert relayed(logs.relay_lines, *pieces) == [b"a\n", b"begun\n", b"c\n", b"end\n"]


def test_one_by_one_lines_are_cut_at_line_feeds_only():
    assert relayed(logs.relay_lines, b"a\rb\x0cc\nd\n") == [b"a\rb\x0cc\n", b"d\n"]


def test_blocks_larger_than_a_read_lose_nothing(capfd):
    lines = [b'{"number":%d,"text":"%s"}\n' % (n, b"x" * (n % 700)) for n in range(3000)]
    logs.relay(io.BytesIO(b"".join(lines)), logs.write_access_lines)
    assert capfd.readouterr().out.encode() == b"".join(lines)


def test_lines_of_two_writers_to_one_pipe_are_not_mixed():
    """A pipe that is full lets another writer in, but never into a write of up to PIPE_BUF."""
    code = (
        "import os, sys\nfrom byoi.server import logs\n"
        "line = sys.argv[1].encode() * 300 + b'\\n'\n"
        "for _ in range(4): logs.write_access_lines(line * 1000)\n"
    )
    reader, writer = os.pipe()
    writers = [
        subprocess.Popen([sys.executable, "-c", code, letter], stdout=writer) for letter in "ab"
    ]
    os.close(writer)
    time.sleep(0.5)  # the pipe is full, and both wait
    with os.fdopen(reader, "rb") as stream:
        lines = stream.read().splitlines()
    assert [one.wait() for one in writers] == [0, 0]
    assert len(lines) == 8000
    assert set(lines) == {b"a" * 300, b"b" * 300}


def test_a_line_longer_than_a_pipe_keeps_together_is_written_whole(capfd):
    received = b"short\n" + b"y" * 20_000 + b"\nshort\n" + b"z" * 9000
    logs.write_access_lines(received)
    assert capfd.readouterr().out.encode() == received


def test_a_line_of_the_server_has_fields_and_a_traceback(capsys):
    logs.say("error", "ended", pid=7, traceback="Fatal Python error\n\nThread")
    entry = json.loads(capsys.readouterr().err)
    assert (entry["message"], entry["pid"]) == ("ended", 7)
    assert entry["traceback"] == "Fatal Python error\n\nThread"
