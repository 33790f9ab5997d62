"""Log lines: one JSON object per line, of the server, of nginx and of the inference module.

CloudWatch Logs takes every line of stdout and stderr as one event, so a traceback is part of
one line.

Source: SageMaker Developer Guide, logging-cloudwatch.
"""

import json
import logging
import os
import sys
import time
from collections.abc import Callable
from typing import IO, Any, TextIO


def line(level: str, message: str, **fields: Any) -> str:
    """Return one log line with its newline.

    Args:
        level: Lower-case name of a level.
        message: What happened.
        fields: Further fields; a value that JSON lacks becomes its text.
    """
    entry = {"time": timestamp(time.time()), "level": level, "message": message, **fields}
    return json.dumps(entry, ensure_ascii=False, default=str) + "\n"


def timestamp(seconds: float) -> str:
    """Return ISO 8601 in UTC, like nginx's $time_iso8601 with TZ unset.

    Args:
        seconds: Time since the epoch.
    """
    return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(seconds))


class JsonFormatter(logging.Formatter):
    """Formats records of Python's logging as such lines, with their tracebacks."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line without its newline; the stream adds one."""
        fields = {"logger": record.name, "process": record.process}
        if (request_id := getattr(record, "request_id", None)) is not None:
            fields["request_id"] = request_id
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return line(record.levelname.lower(), record.getMessage(), **fields).rstrip("\n")


def configure(level: str, stream: TextIO | None = None) -> None:
    """Send Python's logging, and so the inference module's, to `stream` as JSON lines.

    Args:
        level: Lowest level that is written, a name of `logging`.
        stream: None for standard error.
    """
    to_stderr = logging.StreamHandler(stream or sys.stderr)
    to_stderr.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [to_stderr]
    root.setLevel(level)


def say(level: str, message: str) -> None:
    """Write a line of the server to stderr."""
    sys.stderr.write(line(level, message))
    sys.stderr.flush()


def write_access_line(received: bytes) -> None:
    """Write a line of nginx's access log; header bytes that are not UTF-8 are replaced."""
    os.write(1, received.decode(errors="replace").encode())


def write_nginx_error(received: bytes) -> None:
    """Write a line of nginx's stderr as a JSON line."""
    say("error", f"nginx: {received.decode(errors='replace').strip()}")


def relay(stream: IO[bytes], write: Callable[[bytes], None]) -> None:
    """Read whole lines until the stream ends, and give each to `write`."""
    with stream:
        for received in stream:
            write(received)
