"""Log lines: one JSON object a line, whoever writes it.

CloudWatch Logs takes every line of stdout and stderr as one event, so a
traceback travels inside one line.

Source: SageMaker Developer Guide, logging-cloudwatch.

Where the lines of the supervisor and of nginx go: all of them JSON, each whole.
"""

import json
import logging
import os
import sys
import time
from collections.abc import Callable
from typing import IO, Any, TextIO


def line(level: str, message: str, **fields: Any) -> str:
    """Return one log line, newline included."""
    entry = {"time": timestamp(time.time()), "level": level, "message": message, **fields}
    return json.dumps(entry, ensure_ascii=False, default=str) + "\n"


def timestamp(seconds: float) -> str:
    """Return ISO 8601 in UTC, as nginx's $time_iso8601 with TZ unset.

    Args:
        seconds: Since the epoch.
    """
    return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(seconds))


class JsonFormatter(logging.Formatter):
    """Formats a record of Python's logging as such a line, its traceback included."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line without its newline; the stream adds one."""
        fields = {"logger": record.name, "process": record.process}
        if (request_id := getattr(record, "request_id", None)) is not None:
            fields["request_id"] = request_id
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return line(record.levelname.lower(), record.getMessage(), **fields).rstrip("\n")


def configure(level: str, stream: TextIO | None = None) -> None:
    """Send Python's logging, and so a user module's, to `stream` as JSON lines.

    Args:
        level: Least level, a name of `logging`.
        stream: Standard error by default.
    """
    to_stderr = logging.StreamHandler(stream or sys.stderr)
    to_stderr.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [to_stderr]
    root.setLevel(level)


def say(level: str, message: str) -> None:
    """Write a line of our own to stderr."""
    sys.stderr.write(line(level, message))
    sys.stderr.flush()


def pass_on(line: bytes) -> None:
    """Write a line of nginx's access log; a header that is not UTF-8 must not spoil it."""
    os.write(1, line.decode(errors="replace").encode())


def say_for_nginx(line: bytes) -> None:
    """Write a line of nginx's stderr as one of ours."""
    say("error", f"nginx: {line.decode(errors='replace').strip()}")


def relay(stream: IO[bytes], write: Callable[[bytes], None]) -> None:
    """Pass on whole lines until the stream ends."""
    with stream:
        for line in stream:
            write(line)
