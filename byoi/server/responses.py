"""One HTTP response of a WSGI application, written to a socket.

A response whose body is there as a whole is one write. A body of unknown length goes in chunks,
each in one write.

Sources: RFC 9112, 7.1 (chunks), 9.3 (connections); PEP 3333 (start_response).
"""

import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

from byoi.server import statuses
from byoi.server.requests import Request
from byoi.server.settings import Settings

# As long as nginx waits between two pieces that a client takes (its send_timeout).
STALL_S = 60.0
# RFC 9110, 6.4.1: such a response has no body, and says no length (304 may).
_WITHOUT_BODY = ("1", "204", "304")


class Response:
    """The response to one request.

    Args:
        request: What it answers.
        connection: The socket, which blocks.
        keeps: Whether the connection may stay open after a whole body.
        has_date: Whether it has the header Date; nginx sets its own.
        let_go: Called where the client takes a whole body more slowly than it is written: from
            there on the response needs nothing of the application. None where nginx reads it.
        patience_s: Seconds between two pieces that such a client takes.
        stall_s: The same for a body that the application makes piece by piece, which goes on while
            it is written.

    Attributes:
        status: "200 OK", once the application has said it.
        headers: As the application made them.
        sent: Bytes of the body that were sent.
        is_begun: Whether anything was sent.
        is_kept: Whether the connection stays open.
    """

    def __init__(  # noqa: PLR0913 - keywords with a default
        self,
        request: Request,
        connection: socket.socket,
        *,
        keeps: bool = True,
        has_date: bool = False,
        let_go: Callable[[], None] | None = None,
        patience_s: float | None = None,
        stall_s: float = STALL_S,
    ) -> None:
        self._request = request
        self._socket = connection
        self._keeps = keeps
        self._has_date = has_date
        self._let_go = let_go
        self._patience_s = patience_s
        self._stall_s = stall_s
        self.status = ""
        self.headers: list[tuple[str, str]] = []
        self.sent = 0
        self.is_begun = False
        self.is_kept = False

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        """Take status and headers; the `start_response` of PEP 3333.

        Raises:
            TypeError: A second call without an error, or after something was sent.
        """
        if self.status and (exc_info is None or self.is_begun):
            raise TypeError("start_response was called a second time")
        self.status, self.headers = status, headers
        return self._refuse_write

    @staticmethod
    def _refuse_write(_data: bytes) -> None:
        raise TypeError("this server has no write(); return the body")

    def send(self, body: Iterable[bytes]) -> None:
        """Write the whole response, and close `body` if it can be closed.

        Raises:
            OSError: The client has left, or the body broke off.
            ValueError: A header has a line break.
            TypeError: There is no status.
        """
        try:
            if not self.status:
                raise TypeError("the application returned without calling start_response")
            # Whoever says its length has it, or makes it without waiting.
            if isinstance(body, list | tuple) or self._says_length():
                self._send_whole(b"".join(body))
            else:
                self._send_in_pieces(body)
        finally:
            if close := getattr(body, "close", None):
                close()

    def _send_whole(self, data: bytes) -> None:
        self.is_kept = self._request.keep_alive and self._keeps
        has_body = self._has_body()
        length = str(len(data)) if has_body and not self._says_length() else ""
        if not has_body or self._request.environ["REQUEST_METHOD"] == "HEAD":
            data = b""
        head = self._head(length=length)
        self.is_begun = True
        if self._let_go is None:
            self._socket.sendall(head + data)
        else:
            self._write(head + data, self._let_go)
        self.sent = len(data)

    def _write(self, data: bytes, let_go: Callable[[], None]) -> None:
        """Write to a client that may read slowly.

        Raises:
            OSError: The client has left, or takes nothing for too long.
        """
        sent = 0
        with suppress(BlockingIOError):
            sent = self._socket.send(data, socket.MSG_DONTWAIT)
        if sent == len(data):
            return
        let_go()
        self._write_patiently(data[sent:], self._patience_s)

    def _write_patiently(self, data: bytes, patience_s: float | None) -> None:
        """Write, as long as the client takes something each `patience_s` seconds.

        Raises:
            OSError: The client has left, or takes nothing for too long.
        """
        self._socket.settimeout(patience_s)
        rest = memoryview(data)
        while rest:
            rest = rest[self._socket.send(rest) :]
        self._socket.settimeout(None)

    def _send_in_pieces(self, pieces: Iterable[bytes]) -> None:
        """Send what is not there yet; the connection is not used again, it may break off."""
        has_body = self._has_body()
        in_chunks = self._request.takes_chunks and has_body
        has_body = has_body and self._request.environ["REQUEST_METHOD"] != "HEAD"
        head = self._head(in_chunks=in_chunks)
        for piece in pieces:
            if not piece or not has_body:
                continue
            self.is_begun = True
            part = b"%x\r\n%b\r\n" % (len(piece), piece) if in_chunks else piece
            self._write_piece(head + part)
            head = b""
            self.sent += len(piece)
        self.is_begun = True
        self._write_piece(head + (b"0\r\n\r\n" if in_chunks and has_body else b""))

    def _write_piece(self, data: bytes) -> None:
        """Write a piece; a client that takes nothing must not keep the worker, as nginx sees to.

        Raises:
            OSError: The client has left, or takes nothing for too long.
        """
        if self._let_go is None:
            self._socket.sendall(data)
        else:
            self._write_patiently(data, self._stall_s)

    def _says_length(self) -> bool:
        return any(name.lower() == "content-length" for name, _ in self.headers)

    def _has_body(self) -> bool:
        return not self.status.startswith(_WITHOUT_BODY)

    def _head(self, *, length: str = "", in_chunks: bool = False) -> bytes:
        lines = [f"HTTP/1.1 {self.status}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if length:
            lines.append(f"Content-Length: {length}")
        if in_chunks:
            lines.append("Transfer-Encoding: chunked")
        if self._has_date:
            lines.append(f"Date: {formatdate(time.time(), usegmt=True)}")
        lines.append("Connection: keep-alive" if self.is_kept else "Connection: close")
        text = "\r\n".join(lines)
        if text.count("\n") != len(lines) - 1 or text.count("\r") != len(lines) - 1:
            raise ValueError("a header of the response has a line break")
        return (text + "\r\n\r\n").encode("latin-1")


def write_error(
    connection: socket.socket,
    status: int,
    settings: Settings,
    request_id: str,
    error: tuple[str, str] | None = None,
) -> None:
    """Write a complete error response to a connection that is then closed.

    Args:
        connection: Its socket.
        status: HTTP status.
        settings: Whose values stand in the message.
        request_id: Of the response and its body.
        error: Name and message, by default those of the status.
    """
    name, message = error or statuses.ERRORS[status]
    body = statuses.body(name, message.format_map(vars(settings)), request_id)
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"X-Request-Id: {request_id}\r\n\r\n"
    )
    with suppress(OSError):  # the client may have left, or reads nothing
        connection.send(head.encode("ascii") + body, socket.MSG_DONTWAIT)
