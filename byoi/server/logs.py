"""Log lines of the server, nginx, the inference module and ONNX Runtime: one JSON object each.

CloudWatch Logs makes an event of each line of stdout and stderr, so a traceback is a field of one
line. On a terminal, lines are readable text instead.

Source: SageMaker Developer Guide, logging-cloudwatch.
"""

import io
import json
import logging
import os
import select
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from byoi import terminal
from byoi.server import tracebacks

# Size of a pipe's buffer on Linux.
_READ_BYTES = 64 * 1024
# ONNX Runtime's severities.
_RUNTIME_LEVELS = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)
_RUNTIME_WARNING, _RUNTIME_FATAL = 2, 4

_runtime_log = logging.getLogger("onnxruntime")


def line(level: str, message: str, **fields: Any) -> str:
    """Return one log line with its newline.

    Args:
        level: Lower-case name of a level.
        message: The message.
        fields: Further fields; a value that JSON cannot express becomes its text.
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
    """Formats records of Python's logging as JSON lines, with their tracebacks."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line without its newline; the stream adds one."""
        fields = {"logger": record.name, "process": record.process}
        if (request_id := getattr(record, "request_id", None)) is not None:
            fields["request_id"] = request_id
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return line(record.levelname.lower(), record.getMessage(), **fields).rstrip("\n")


class TerminalFormatter(logging.Formatter):
    """Formats records for a terminal: time and message; of an error, the user's own frames.

    Args:
        folders: Returns the folders of the user's code, as far as they are known.
    """

    def __init__(self, folders: Callable[[], Sequence[Path]]) -> None:
        super().__init__()
        self._folders = folders

    def format(self, record: logging.LogRecord) -> str:
        """Return the text without its last newline."""
        message = text(record.levelname.lower(), record.getMessage()).rstrip("\n")
        if record.exc_info and record.exc_info[1] is not None:
            return f"{message}\n{tracebacks.readable(record.exc_info[1], self._folders())}"
        return message


def text(level: str, message: str) -> str:
    """Return one log line with its newline, for a terminal.

    Args:
        level: Lower-case name of a level; info and debug are not shown.
        message: The message.
    """
    shown = "" if level in {"info", "debug"} else f"{level}: "
    return f"{time.strftime('%H:%M:%S')} {shown}{terminal.message(message)}\n"


def formatter(
    stream: TextIO, folders: Callable[[], Sequence[Path]] = lambda: ()
) -> logging.Formatter:
    """Return the formatter for a stream: text on a terminal, else JSON lines."""
    return TerminalFormatter(folders) if stream.isatty() else JsonFormatter()


def configure(
    level: str,
    stream: TextIO | None = None,
    folders: Callable[[], Sequence[Path]] = lambda: (),
) -> None:
    """Write Python's logging, also the inference module's, to `stream`.

    Args:
        level: Lowest level that is written, a name of `logging`.
        stream: None for standard error; gets text if it is a terminal, else JSON lines.
        folders: As `TerminalFormatter`.
    """
    stream = stream or sys.stderr
    to_stderr = logging.StreamHandler(stream)
    to_stderr.setFormatter(formatter(stream, folders))
    root = logging.getLogger()
    root.handlers[:] = [to_stderr]
    root.setLevel(level)


def shown(level: str, message: str, **fields: Any) -> str:
    """Return a line of the server for stderr: JSON, or text on a terminal.

    Args:
        level: As `line`.
        message: As `line`.
        fields: As `line`; on a terminal, only `traceback` is shown.
    """
    if not sys.stderr.isatty():
        return line(level, message, **fields)
    return text(level, "\n".join(filter(None, (message, fields.get("traceback")))))


def say(level: str, message: str, **fields: Any) -> None:
    """Write a line of the server to stderr; arguments as `shown`."""
    sys.stderr.write(shown(level, message, **fields))
    sys.stderr.flush()


def write_access_lines(received: bytes) -> None:
    """Write lines of nginx's access log; header bytes that are not UTF-8 are replaced.

    The workers write to the same stdout, and a write to a pipe is atomic only up to `PIPE_BUF`
    bytes. So each write has as many whole lines as fit into that.
    """
    lines = received if received.isascii() else received.decode(errors="replace").encode()
    start = 0
    while len(lines) - start > select.PIPE_BUF:
        end = lines.rfind(b"\n", start, start + select.PIPE_BUF) + 1
        # A longer line is one write.
        end = end or lines.find(b"\n", start) + 1 or len(lines)
        _write_all(lines[start:end])
        start = end
    _write_all(lines[start:])


def _write_all(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


def show_access_line(received: bytes) -> Mapping[str, Any]:
    """Write a line of nginx's access log, as text on a terminal.

    Returns:
        The fields of the line; empty if it is incomplete.
    """
    try:
        fields: Mapping[str, Any] = json.loads(received.decode(errors="replace"))
    except ValueError:
        fields = {}
    if fields and os.isatty(1):
        os.write(1, access_text(fields).encode())
    else:
        write_access_lines(received)
    return fields


def access_text(fields: Mapping[str, Any]) -> str:
    """Return one line of an access log with its newline, for a terminal.

    Args:
        fields: The fields of the JSON line.
    """
    duration_s = fields.get("duration_s")
    took = "" if duration_s is None else f" in {1000 * duration_s:.0f} ms"
    return text("info", f"{fields['method']} {fields['path']} {fields['status']}{took}")


def write_nginx_error(received: bytes) -> None:
    """Write a line of nginx's stderr as a JSON line."""
    say("error", f"nginx: {received.decode(errors='replace').strip()}")


def relay(stream: io.BufferedIOBase, write: Callable[[bytes], object]) -> None:
    """Read a stream until its end, and pass all whole lines of each read to one call of `write`.

    A last line without a line break gets one.
    """
    with stream:
        begun: list[bytes] = []
        # One buffer for all reads: making one takes longer than reading a single line.
        buffer = memoryview(bytearray(_READ_BYTES))
        while count := stream.readinto1(buffer):
            received = bytes(buffer[:count])
            if not begun and received.endswith(b"\n"):
                write(received)
                continue
            lines, line_break, rest = received.rpartition(b"\n")
            if line_break:
                write(b"".join((*begun, lines, line_break)))
                begun.clear()
            if rest:
                begun.append(rest)
        if begun:
            write(b"".join((*begun, b"\n")))


def relay_lines(stream: io.BufferedIOBase, write: Callable[[bytes], object]) -> None:
    """Read whole lines until the stream ends, and pass each to `write`."""

    def write_each(received: bytes) -> None:
        for one in io.BytesIO(received):
            write(one)

    relay(stream, write_each)


def take_over_runtime_lines() -> None:
    """Route the log lines of ONNX Runtime, if it is imported, through Python's logging.

    Its own lines are coloured text, which would break a log of JSON lines. From version 1.32 on it
    passes them to a callback. Earlier versions are set to log only fatal errors: other errors are
    also raised as exceptions. Lines from its own threads stay text, because those cannot wait for
    Python.

    Source: ONNX Runtime 1.32, set_default_logger_callback.
    """
    runtime = sys.modules.get("onnxruntime")
    if (set_callback := getattr(runtime, "set_default_logger_callback", None)) is not None:
        set_callback(write_runtime_line, _RUNTIME_WARNING)
    elif (set_severity := getattr(runtime, "set_default_logger_severity", None)) is not None:
        set_severity(_RUNTIME_FATAL)


def write_runtime_line(
    severity: int, _category: str, _logid: str, location: str, message: str
) -> None:
    """Write one line of ONNX Runtime; the callback for its logger."""
    _runtime_log.log(_RUNTIME_LEVELS[severity], "%s (%s)", message, location)
