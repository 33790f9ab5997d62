"""Log lines are JSON, one object each, also those that nginx wrote."""

import io
import json
import logging

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
