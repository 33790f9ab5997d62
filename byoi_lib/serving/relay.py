"""Where the lines of the supervisor and of nginx go: all of them JSON, each whole."""

import os
import sys
from collections.abc import Callable
from typing import IO

from byoi_lib.serving import logs


def say(level: str, message: str) -> None:
    """Write a line of our own to stderr."""
    sys.stderr.write(logs.line(level, message))
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
