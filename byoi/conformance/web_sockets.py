"""A minimal WebSocket client for the check, at the level of frames.

Source: RFC 6455, sections 4 (handshake) and 5 (frames).
"""

import base64
import contextlib
import hashlib
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
CONTINUATION = 0x0

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_HEAD_BYTES = 64 * 1024


class RefusedError(OSError):
    """The server refused the WebSocket; the text is the first line of its answer."""


@dataclass(frozen=True)
class Frame:
    """One frame.

    Attributes:
        opcode: Its type.
        data: Its payload.
    """

    opcode: int
    data: bytes

    @property
    def close_code(self) -> int:
        """The code of a Close frame, 1005 without one."""
        return int(struct.unpack("!H", self.data[:2])[0]) if len(self.data) >= 2 else 1005


class WebSocket:
    """An open connection."""

    def __init__(self, connection: socket.socket) -> None:
        """Store a connection after its handshake."""
        self._connection = connection
        self._file = connection.makefile("rb")

    def send(self, opcode: int, data: bytes, *, is_last: bool = True) -> None:
        """Send one frame, masked as required of a client."""
        head = bytes([(0x80 if is_last else 0) | opcode])
        if len(data) < 126:
            head += bytes([0x80 | len(data)])
        elif len(data) < 1 << 16:
            head += bytes([0x80 | 126]) + struct.pack("!H", len(data))
        else:
            head += bytes([0x80 | 127]) + struct.pack("!Q", len(data))
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))
        self._connection.sendall(head + mask + masked)

    def receive(self) -> Frame:
        """Return the next frame.

        Raises:
            OSError: No frame arrives in time, or the connection ends.
        """
        first, second = self._read(2)
        length = second & 0x7F
        if length == 126:
            length = struct.unpack("!H", self._read(2))[0]
        elif length == 127:
            length = struct.unpack("!Q", self._read(8))[0]
        return Frame(first & 0x0F, self._read(length))

    def _read(self, size: int) -> bytes:
        data = self._file.read(size)
        if len(data) < size:
            raise ConnectionResetError("the connection ended without a Close frame")
        return data


@contextlib.contextmanager
def opened(host: str, port: int, path: str, *, timeout_s: float) -> Iterator[WebSocket]:
    """Connect, and yield the open WebSocket.

    Raises:
        OSError: Nothing answers.
        RefusedError: The server refused the WebSocket.
    """
    key = base64.b64encode(os.urandom(16)).decode()
    with socket.create_connection((host, port), timeout=timeout_s) as connection:
        connection.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        head = b""
        while b"\r\n\r\n" not in head and len(head) < _HEAD_BYTES:
            # One byte at a time, so that the frames after the head are not read.
            if not (byte := connection.recv(1)):
                break
            head += byte
        lines = head.decode("latin-1").split("\r\n")
        if " 101 " not in f"{lines[0]} ":
            raise RefusedError(lines[0] or "the connection was closed")
        wanted = base64.b64encode(hashlib.sha1((key + _GUID).encode()).digest()).decode()  # noqa: S324 - the RFC's
        if not any(
            line.lower().startswith("sec-websocket-accept:") and line.endswith(wanted)
            for line in lines
        ):
            raise RefusedError("101 without the Sec-WebSocket-Accept of the key")
        yield WebSocket(connection)
