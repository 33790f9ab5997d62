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

    def handle_expect_100(self) -> bool:
        """Leave the client waiting for its turn to send; `make_environ` lets it."""
        return True

    def run_wsgi(self) -> None:
        """Answer one request."""
        self._waits = self.headers.get("Expect", "").strip().lower() == "100-continue"
        # Else werkzeug asks for the body of a request that may be refused.
        del self.headers["Expect"]
        super().run_wsgi()

    def make_environ(self) -> dict[str, Any]:
        """Return the environment, whose body is asked for when it is read first."""
        environ: dict[str, Any] = super().make_environ()
        if self._waits:
            environ["wsgi.input"] = _Awaited(environ["wsgi.input"], self.wfile)
        return environ

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


class _Awaited(io.RawIOBase):
    """A body that the client sends when it is told to go on (RFC 9110, 10.1.1)."""

    def __init__(self, body: Any, answers: Any) -> None:
        self._body = body
        self._answers: Any = answers

    def readable(self) -> bool:
        """Whether it can be read."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Read into a buffer and return how many bytes."""
        if self._answers is not None:
            self._answers.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._answers = None
        return int(self._body.readinto(buffer))
