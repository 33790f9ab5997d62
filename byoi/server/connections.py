"""One connection of a worker: the data received so far, and its timing."""

import socket
import time

from byoi.server.application import SENT
from byoi.server.requests import Request, RequestReader
from byoi.server.sharing import MOVABLE_BYTES, Sharing

_RECEIVE_BYTES = 65_536
# Seconds for which the rest of a refused request is read before its connection is closed.
_LINGER_S = 10.0
# Limit of the time that the loop waits for a whole body: 60 s and 1 s more for each 500 bytes, as
# in Apache's mod_reqtimeout.
_BODY_S = 60.0
_BODY_BYTES_EACH_S = 500


class Connection:
    """One connection, from nginx or from a client.

    Args:
        sock: A blocking socket; only reads do not block.
        reader: Parses the requests of this connection.

    Attributes:
        socket: As above.
        reader: As above.
        is_registered: Whether the worker's loop waits for data of it.
        since_s: When data of a body last came, or the request began; monotonic seconds.
        is_ended: Whether the client has closed its sending side.
        refusal: Error status of the latest request if it cannot be served, else None.
        lingers_until_s: Until when the rest of a refused request is read and dropped, else None.
        was_given: Whether it came from another worker, and its request is not answered yet.
    """

    def __init__(self, sock: socket.socket, reader: RequestReader) -> None:
        self.socket = sock
        self.is_registered = False
        self.since_s = time.monotonic()
        self.lingers_until_s: float | None = None
        self.is_ended = False
        self.was_given = False
        self.refusal: int | None = None
        self.reader = reader
        # How long the loop has waited for the rest of the request.
        self._waited_s = 0.0
        # When the request was last seen incomplete, seconds since the epoch; None before that.
        self._seen_s: float | None = None
        # Raw bytes of the request, to pass to another worker; None if they are too many.
        self._received: bytes | None = b""

    def fileno(self) -> int:
        """Return the descriptor of the socket."""
        return self.socket.fileno()

    @property
    def has_begun(self) -> bool:
        """Whether an incomplete request has been received."""
        return self.reader.has_begun

    @property
    def is_in_body(self) -> bool:
        """Whether the body of a request is being received."""
        return self.reader.is_in_body

    @property
    def is_slow(self) -> bool:
        """Whether a body comes too slowly, even without a long pause."""
        return self._waited_s > _BODY_S + self.reader.body_bytes / _BODY_BYTES_EACH_S

    @property
    def method(self) -> str:
        """The method of the latest request, "" if it is not known."""
        return self.reader.method

    @property
    def request_id(self) -> str | None:
        """The id that nginx gave to the latest request."""
        return self.reader.request_id

    @property
    def path(self) -> str:
        """The path of the latest request, "" if it is not known."""
        return self.reader.path

    def receive(self, idle_s: float = 0.0) -> None:
        """Read the available data without blocking; set `is_ended` at the end of the stream.

        Args:
            idle_s: When the worker last had no data to read, in seconds since the epoch.

        Raises:
            RefusedError: As `RequestReader.feed`.
            OSError: The connection is broken.
        """
        try:
            data = self.socket.recv(_RECEIVE_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            data = None
        if data is not None and not data:
            self.is_ended = True
        elif self.lingers_until_s is None:
            if self._seen_s is not None and idle_s > self._seen_s:
                self._waited_s += idle_s - self._seen_s
                self._seen_s = idle_s
            if data:
                self.take(data)
            if self.reader.has_begun:
                self._seen_s = time.time()

    def take(self, data: bytes) -> None:
        """Parse data that was received here, or by the worker that had the connection before.

        Raises:
            RefusedError: As `RequestReader.feed`.
        """
        was_whole = not self.reader.has_begun
        if was_whole:
            self._received, self._waited_s = data, 0.0
        elif self._received is not None:
            whole = len(self._received) + len(data) <= MOVABLE_BYTES
            self._received = self._received + data if whole else None
        if was_whole or self.reader.is_in_body:
            self.since_s = time.monotonic()
        self.reader.feed(data)
        if self._seen_s is not None and self.reader.ready:
            # nginx set the time before a slow body: count only the time since it was complete.
            environ = self.reader.ready[0].environ
            if SENT in environ:
                environ[SENT] = f"{self._seen_s:.3f}"
            self._seen_s = None
        if self.reader.wants_continue and self.reader.is_in_body and not self.reader.ready:
            self.reader.wants_continue = False
            self.socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    def next_request(self) -> Request | None:
        """Return the oldest complete request, None without one."""
        return self.reader.ready.popleft() if self.reader.ready else None

    def answered(self) -> None:
        """Forget the request that was answered."""
        # If the next request has begun, its bytes cannot be separated from the answered one's.
        is_all = not self.reader.has_begun and not self.reader.ready
        self._received = b"" if is_all else None
        self.was_given = False
        self.since_s = time.monotonic()

    def linger(self) -> None:
        """Start to read and drop what the client still sends.

        A client reads the answer after it has sent the whole body, even if it is refused; closing
        the connection earlier would be a network error for it.
        """
        self.lingers_until_s = time.monotonic() + _LINGER_S
        self.socket.shutdown(socket.SHUT_WR)

    def give(self, sharing: Sharing, to: int = 0) -> bool:
        """Give the connection, with the data received so far, to another worker.

        Args:
            sharing: Moves connections between workers.
            to: As `Sharing.give`.

        Returns:
            False if it stays here: too much data was received, or the queue is full.
        """
        if self._received is None or self.lingers_until_s is not None:
            return False
        return sharing.give(self.socket, self._received, to)
