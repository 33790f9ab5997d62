"""Clients of `faults.py` that stop reading, send slowly, or only wait."""

import contextlib
import socket
import time
from collections.abc import Callable, Iterator

from fault_servers import Server
from steady_load import HOST

READERS, LARGE_BYTES, UNREAD_S = 8, 20_000_000, 5.0
STREAM_PIECES = 20_000
SLOW_CLIENTS, SLOW_EVERY_S, SLOW_S = 200, 1.0, 18.0
IDLE_CONNECTIONS, IDLE_S = 2_000, 5.0
_PATIENCE_S = 30.0
_REQUEST = (
    "POST /invocations HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n"
    "Content-Length: {length}\r\n"
)


@contextlib.contextmanager
def connections(port: int, count: int) -> Iterator[list[socket.socket]]:
    """Open some connections, and close them at the end."""
    with contextlib.ExitStack() as stack:
        found = []
        for _ in range(count):
            one = stack.enter_context(socket.create_connection((HOST, port), timeout=_PATIENCE_S))
            found.append(one)
        yield found


def post(body: bytes) -> bytes:
    """Return one request, which closes its connection."""
    head = _REQUEST.format(length=len(body)) + "Connection: close\r\n\r\n"
    return head.encode() + body


def read_all(connection: socket.socket) -> bytes:
    """Read until the server closes the connection, or breaks it."""
    pieces = []
    with contextlib.suppress(OSError):
        while piece := connection.recv(1 << 20):
            pieces.append(piece)
    return b"".join(pieces)


def status_of(answer: bytes) -> str:
    """Return the status of an answer, or that there was none."""
    return answer[9:12].decode() if answer.startswith(b"HTTP/1.1 ") else "closed without an answer"


def stop_reading(server: Server) -> str:
    """Ask for large answers, and read them only after some seconds."""
    with connections(server.port, READERS) as clients:
        for one in clients:
            one.sendall(post(f"DO:large {LARGE_BYTES}".encode()))
        time.sleep(UNREAD_S)
        whole = sum(len(read_all(one)) > LARGE_BYTES for one in clients)
    return f"read after {UNREAD_S:.0f} s: {whole} of {READERS} answers whole"


def stop_reading_a_stream(server: Server) -> str:
    """Ask for a stream, never read it, and leave after some seconds."""
    with connections(server.port, 1) as (client,):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(post(f"DO:stream {STREAM_PIECES}".encode()))
        time.sleep(UNREAD_S)
    return f"left after {UNREAD_S:.0f} s"


def slow_headers(server: Server) -> str:
    """Send the headers of a request, a byte at a time."""
    head = _REQUEST.format(length=4).encode()
    return _slowly(server, b"", lambda number: head[number : number + 1])


def slow_bodies(server: Server) -> str:
    """Send the body of a request, a byte at a time."""
    head = _REQUEST.format(length=1000).encode() + b"\r\n"
    return _slowly(server, head, lambda _: b"x")


def idle(server: Server) -> str:
    """Open connections, send nothing, and ask on the last of them."""
    with connections(server.port, IDLE_CONNECTIONS) as clients:
        time.sleep(IDLE_S)
        clients[-1].sendall(post(b"work"))
        answer = status_of(read_all(clients[-1]))
    return f"the last of them, after {IDLE_S:.0f} s: {answer}"


def _slowly(server: Server, start: bytes, byte: Callable[[int], bytes]) -> str:
    """Send bytes one at a time over many connections; return how many were cut off."""
    with connections(server.port, SLOW_CLIENTS) as clients:
        for one in clients:
            one.sendall(start)
        for number in range(int(SLOW_S / SLOW_EVERY_S)):
            for one in clients:
                # Those that the server has closed are counted below.
                with contextlib.suppress(OSError):
                    one.sendall(byte(number))
            time.sleep(SLOW_EVERY_S)
        for one in clients:
            one.setblocking(False)
        closed = sum(map(_is_closed, clients))
    return f"{closed} of {SLOW_CLIENTS} cut off within {SLOW_S:.0f} s"


def _is_closed(connection: socket.socket) -> bool:
    try:
        return not connection.recv(4096) or not connection.recv(4096)
    except BlockingIOError:
        return False
    except OSError:
        return True
