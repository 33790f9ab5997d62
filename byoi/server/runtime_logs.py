"""What ONNX Runtime writes to stderr by itself, as lines of the log.

Its own lines are coloured texts, which no log of JSON lines can be read with. From version 1.32 on
it hands them to a function; an earlier one is told to write none, because its errors are raised
as well. What its own threads write stays a text: they cannot wait for Python.

Source: ONNX Runtime 1.32, set_default_logger_callback.
"""

import logging
import sys

_LEVELS = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)
_WARNING, _FATAL = 2, 4

_log = logging.getLogger("onnxruntime")


def take_over_lines() -> None:
    """Take over the lines of ONNX Runtime, if it is imported."""
    runtime = sys.modules.get("onnxruntime")
    if (set_callback := getattr(runtime, "set_default_logger_callback", None)) is not None:
        set_callback(_write, _WARNING)
    elif (set_severity := getattr(runtime, "set_default_logger_severity", None)) is not None:
        set_severity(_FATAL)


def _write(severity: int, _category: str, _logid: str, location: str, message: str) -> None:
    _log.log(_LEVELS[severity], "%s (%s)", message, location)
