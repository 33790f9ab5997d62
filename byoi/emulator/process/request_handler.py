"""What stands between a socket and `Front`: moto's handler of requests, quick and tidy."""

import io
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler


class RequestHandler(MotoRequestHandler):
    """Answers the request of one connection."""

    # Headers and body are written one after the other: without this the second waits 40 ms
    # for the first one's acknowledgement.
    disable_nagle_algorithm = True
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        """Prepare for one connection."""
        super().setup()
        self.rfile = _Sent(self.rfile.detach())

    def log(self, type: str, message: str, *arguments: Any) -> None:  # noqa: A002
        """Say nothing: `Front` logs each call in words."""


class _Sent(io.BufferedReader):
    """What a client sends; one that broke off has sent all of it.

    After each answer werkzeug reads on for what is left, and an error there, as after a caller
    that closed a response unread, leaves it a descriptor open until Python's garbage is
    collected (2.3 to 3.1, serving.py, `execute`).
    """

    def read(self, size: int | None = -1, /) -> bytes:
        """Return up to `size` bytes."""
        try:
            return super().read(size)
        except ConnectionError:
            return b""
