"""The inference module of `faults.py` and `soak.py`: a body `DO:...` makes it misbehave.

Any other text takes 5 ms and is answered with the process id of the worker; JSON is rows of four
numbers, answered with their sums. It needs nothing but `byoi.formats`: it also runs in the image.
"""

import ctypes
import itertools
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from byoi import formats

WORK_S = 0.005
_PIECE_BYTES = 10_000_000


def model_fn(model_dir: str) -> None:
    """Load nothing."""


def transform_fn(
    model: None,  # noqa: ARG001 - the signature of AWS's toolkit
    body: bytes | str,
    content_type: str,
    accept: str,
) -> tuple[Any, str]:
    """Answer with the worker's process id or sums, or do what the body says."""
    if content_type == "application/json":
        rows = formats.decode_rows(body, content_type, 4)
        return formats.encode_numbers(rows.sum(axis=1).tolist(), accept)
    text = body if isinstance(body, str) else body[:80].decode("utf-8", errors="replace")
    command, _, argument = text[:80].partition(" ")
    if command in _COMMANDS:
        return _COMMANDS[command](argument), "text/plain"
    time.sleep(WORK_S)
    return str(os.getpid()), "text/plain"


def _sleep(seconds: str) -> str:
    time.sleep(float(seconds))
    return str(os.getpid())


def _never(_: str) -> NoReturn:
    while True:
        time.sleep(0.1)


def _hold(_: str) -> str:
    # One call into C that keeps the interpreter for hours.
    return str(re.match(r"(a+)+$", "a" * 60 + "b"))


def _raise(_: str) -> NoReturn:
    raise ValueError("asked for")


def _crash(_: str) -> str:
    return str(ctypes.string_at(0))


def _memory(_: str) -> NoReturn:
    held = [bytes([number % 256]) * _PIECE_BYTES for number in itertools.count(1)]
    raise AssertionError(len(held))


def _large(size: str) -> bytes:
    return b"x" * int(size)


def _stream(pieces: str) -> Iterator[bytes]:
    for _ in range(int(pieces)):
        yield b"x" * 1000
        time.sleep(0.001)


_COMMANDS: dict[str, Callable[[str], Any]] = {
    "DO:sleep": _sleep,
    "DO:never": _never,
    "DO:hold": _hold,
    "DO:raise": _raise,
    "DO:sys.exit": lambda status: sys.exit(int(status)),
    "DO:os._exit": lambda status: os._exit(int(status)),
    "DO:crash": _crash,
    "DO:memory": _memory,
    "DO:large": _large,
    "DO:stream": _stream,
}
