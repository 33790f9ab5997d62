"""Write the HTTP response of a WSGI application to a socket.

A response with a complete body is one write. A body of unknown length is sent in chunks, each in
one write.

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

# The same as nginx's send_timeout, its limit between two reads of a client.
STALL_S = 60.0
# RFC 9110, 6.4.1: such a response has no body and no length (304 may have one).
_WITHOUT_BODY = ("1", "204", "304")


class Response:
    """The response to one request.

    Args:
        request: The request.
        connection: The socket, in blocking mode.
        keeps: Whether the connection may stay open after a complete body.
        has_date: Whether to send the header Date; nginx sets its own.
        let_go: Called if a client reads a complete body slowly: from then on, the application has
            nothing more to do. None if nginx reads the response.
        patience_s: Maximum seconds between two reads of such a client.
        stall_s: The same for a body that the application makes in pieces while it is sent.

    Attributes:
        status: For example "200 OK"; "" until the application has set it.
        headers: The headers of the application.
        sent: Number of bytes of the body that were sent.
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
            TypeError: It is a second call without `exc_info`, or after data was sent.
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
            OSError: The client has left, or the body ended with an error.
            ValueError: A header has a line break.
            TypeError: The application did not set a status.
        """
        try:
            if not self.status:
                raise TypeError("the application returned without calling start_response")
            # A body with a known length is complete, or can be made without waiting.
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
            OSError: The client has left, or reads nothing for too long.
        """
        sent = 0
        with suppress(BlockingIOError):
            sent = self._socket.send(data, socket.MSG_DONTWAIT)
        if sent == len(data):
            return
        let_go()
        self._write_patiently(data[sent:], self._patience_s)

    def _write_patiently(self, data: bytes, patience_s: float | None) -> None:
        """Write while the client reads something at least every `patience_s` seconds.

        Raises:
            OSError: The client has left, or reads nothing for too long.
        """
        self._socket.settimeout(patience_s)
        rest = memoryview(data)
        while rest:
            rest = rest[self._socket.send(rest) :]
        self._socket.settimeout(None)

    def _send_in_pieces(self, pieces: Iterable[bytes]) -> None:
        """Send a body while it is made; the connection is closed afterwards."""
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
        """Write a piece; without nginx, a client that reads nothing must not block the worker.

        Raises:
            OSError: The client has left, or reads nothing for too long.
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
        settings: Values for the message.
        request_id: Request id for the header and the body.
        error: Name and message; by default those of the status.
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
