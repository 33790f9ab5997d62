"""A connection that is kept: several requests on it, and the bytes that follow an answer.

`Server.ask` opens a connection for each request. The platform keeps its connections, so a server
must end each answer where its headers say, and read each request to its end.

Source: RFC 9112, sections 6 (length of a body) and 9 (connections); the platform's client is that
of Go, by its User-Agent (RT-30).
"""

import contextlib
import http.client
import io
import select
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from byoi import contract, proxies
from byoi.conformance.case import Payload
from byoi.conformance.server import ANSWER_TIMEOUT_S, Answer, Server, read_body, reason_of

# Longer than bytes that are sent together are apart.
_REST_S = 0.03
_REST_BYTES = 64 * 1024


def invocation(server: Server, payload: Payload) -> bytes:
    """Return the bytes of POST /invocations."""
    head = (
        f"POST {contract.INVOCATIONS_PATH} HTTP/1.1\r\n"
        f"Host: {server.host}:{server.port}\r\n"
        f"Content-Type: {payload.content_type}\r\n"
        f"Content-Length: {len(payload.body)}\r\n\r\n"
    )
    return head.encode("latin-1") + payload.body


def ping(server: Server) -> bytes:
    """Return the bytes of GET /ping."""
    host = f"{server.host}:{server.port}"
    return f"GET {contract.PING_PATH} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode("latin-1")


@dataclass(frozen=True)
class Rest:
    """What follows an answer on its connection.

    Attributes:
        data: Bytes that the server sent after the end of the answer.
        is_closed: Whether the server has closed the connection.
    """

    data: bytes
    is_closed: bool


class _Reader(io.BufferedReader):
    """Stays open when a response is closed, for the next response."""

    def close(self) -> None:
        """Do nothing: the connection closes its socket."""


class Connection:
    """A connection to a server.

    Attributes:
        is_kept: Whether the last answer promised to keep the connection.
        lengths: The headers of the last answer that state the length of its body.
    """

    def __init__(self, connected: socket.socket, timeout_s: float) -> None:
        """Store the socket, which `opened` closes."""
        self.is_kept = True
        self.lengths: list[tuple[str, str]] = []
        self._socket = connected
        self._timeout_s = timeout_s
        self._reader = _Reader(socket.SocketIO(connected, "rb"))

    def makefile(self, _: str) -> io.BufferedReader:
        """Return the reader, as a response asks its socket for."""
        return self._reader

    def send(self, data: bytes) -> None:
        """Send bytes; a server may have closed the connection, which `answer` reports."""
        with contextlib.suppress(OSError):
            self._socket.sendall(data)

    def wait(self, limit_s: float) -> bool:
        """Wait for a byte from the server, or for its end of the connection.

        Args:
            limit_s: Seconds to wait.

        Returns:
            Whether either has come.
        """
        # Unlike `select.select`, for any number of open files.
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(max(0.0, limit_s) * 1000))

    def answer(self) -> Answer:
        """Read the next answer; after an error of the connection, with status 0."""
        started_s = time.monotonic()
        as_socket: Any = self
        response = http.client.HTTPResponse(as_socket)
        try:
            response.begin()
            body = read_body(response, self._timeout_s)
        # ValueError: chunks whose size is not a number.
        except (OSError, http.client.HTTPException, ValueError) as error:
            seconds = time.monotonic() - started_s
            return Answer(0, seconds=seconds, problem=reason_of(error))
        self.is_kept = not response.will_close
        self.lengths = [
            (name, value)
            for name, value in response.getheaders()
            if name.lower() in {"content-length", "transfer-encoding"}
        ]
        headers = proxies.header_names(response)
        return Answer(response.status, headers, body, seconds=time.monotonic() - started_s)

    def rest(self) -> Rest:
        """Return what follows the last answer, after a short time."""
        until_s = time.monotonic() + _REST_S
        found = b""
        self._socket.setblocking(False)
        try:
            found = self._reader.read1(_REST_BYTES)
            while len(found) < _REST_BYTES:
                try:
                    if not self._socket.recv(1, socket.MSG_PEEK):
                        return Rest(found, is_closed=True)
                    found += self._reader.read1(_REST_BYTES)
                except BlockingIOError:
                    if not self.wait(until_s - time.monotonic()):
                        break
        except OSError:
            return Rest(found, is_closed=True)
        finally:
            self._socket.settimeout(self._timeout_s)
        return Rest(found, is_closed=False)


@contextlib.contextmanager
def opened(server: Server, *, timeout_s: float = ANSWER_TIMEOUT_S) -> Iterator[Connection]:
    """Open a connection to a server.

    Args:
        server: The server.
        timeout_s: Seconds for each step of an exchange.

    Raises:
        OSError: Nothing accepts it.
    """
    with socket.create_connection((server.host, server.port), timeout_s) as connected:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield Connection(connected, timeout_s)
