"""Which lines of a log a page shows."""

import json
import time

import pytest

from byoi.conformance import excerpts

TRACE = [
    "Traceback (most recent call last):",
    '  File "/main.py", line 3, in predict',
    '    return x["a"]',
    "           ~^^^^^",
    "KeyError: 'a'",
]


def telling(*lines):
    return excerpts.telling("\n".join(lines))


@pytest.mark.parametrize(
    "line",
    [
        'INFO:     192.168.0.1:3333 - "POST /invocations HTTP/1.1" 500 Internal Server Error',
        '10.0.0.1 - - [29/Nov/2026:01:00:00 +0000] "GET /error HTTP/1.1" 404 0 "-" "-"',
        '\x1b[32mINFO\x1b[0m:  1.2.3.4:1 - "\x1b[1mGET /ping HTTP/1.1\x1b[0m" \x1b[32m200\x1b[0m',
        "INFO:     Application startup complete.",
        json.dumps({"level": "info", "request": "POST /invocations", "status": 500}),
        json.dumps({"level": "info", "message": "started"}),
    ],
)
def test_requests_and_what_goes_well_are_left_out(line):
    assert telling(line, line) == []


def test_a_traceback_is_whole_and_stands_once():
    lines = telling("start", *TRACE, "INFO: on", *TRACE, "INFO: on", "the end")
    assert lines == [*TRACE[:3], "KeyError: 'a' (2 times)"]


def test_what_differs_by_numbers_only_is_the_same():
    lines = telling("error 12 at 0x7fa1", "error 13 at 0x8fa2", "another error")
    assert lines == ["error 12 at 0x7fa1 (2 times)", "another error"]


def test_a_stack_below_its_error_belongs_to_it():
    stack = ["Error: listen EADDRNOTAVAIL", "    at listen (node:net:1)", "    at x (node:net:2)"]
    assert telling("start", *stack, "{", "  code: 'x'", "}") == stack


def test_a_line_of_json_is_its_message_and_its_trace():
    line = json.dumps({"level": "error", "message": "cannot load", "traceback": "\n".join(TRACE)})
    lines = telling(line)
    assert lines[0] == "error: cannot load"
    assert lines[-1] == "  KeyError: 'a'"


def test_of_much_the_beginning_and_the_end_are_shown():
    deep = ["Traceback (most recent call last):", *(f"  File {n}" for n in range(50)), "KeyError"]
    lines = telling(*deep)
    assert (lines[:2], lines[-1]) == ([deep[0], "  ..."], "KeyError")
    assert len(lines) <= 12
    names = [f"error {chr(97 + n % 26) * (n // 26 + 1)}" for n in range(60)]
    many = telling(*names)
    assert (many[0], many[-1], len(many)) == (names[0], names[-1], 25)
    assert "... 36 more errors and warnings ..." in many


@pytest.mark.parametrize(
    "log",
    [
        "error " * 500_000,
        '"GET /' * 300_000,
        "error\n" * 100_000,
        "Traceback (most recent call last)\n" * 50_000,
        '{"a":' * 300_000,
        "Traceback (most recent call last):\n" + "  x\n" * 150_000,
    ],
)
def test_a_hostile_log_takes_no_time(log):
    began_s = time.process_time()
    lines = excerpts.telling(log)
    assert time.process_time() - began_s < 3
    assert max(map(len, lines), default=0) <= 320
