"""A connection of a worker: what was received of a request, and how long ago."""

import socket
import time

from byoi.server.application import SENT
from byoi.server.requests import Request, RequestReader
from byoi.server.sharing import MOVABLE_BYTES, Sharing

_RECEIVE_BYTES = 65_536
# Of an answered connection: what the client still sends is read, for so long and so much.
_LINGER_S = 10.0
# A whole body has so long, and a second more for each so many bytes, of the time in which the loop
# waited for its client; as Apache's mod_reqtimeout has them.
_BODY_S = 60.0
_BODY_BYTES_EACH_S = 500


class Connection:
    """One connection, from nginx or from a client.

    Args:
        sock: It blocks; only reading never waits.
        reader: Of its requests.

    Attributes:
        socket: As above.
        reader: As above.
        is_registered: Whether the worker's loop waits for it.
        since_s: When something was received last, or the request began; monotonic seconds.
        is_ended: Whether the client sends no more.
        refusal: The status of what came last, if it cannot be served.
        lingers_until_s: While the rest of a refused request is read and dropped, else None.
        was_given: Whether another worker gave it, until its request is answered.
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
        # When the request was not whole yet, seconds since the epoch; None at its first piece.
        self._seen_s: float | None = None
        # As received, for another worker; None where it became too much.
        self._received: bytes | None = b""

    def fileno(self) -> int:
        """Return the descriptor of the socket."""
        return self.socket.fileno()

    @property
    def has_begun(self) -> bool:
        """Whether a request has begun that is not whole."""
        return self.reader.has_begun

    @property
    def is_in_body(self) -> bool:
        """Whether the body of a request is being received."""
        return self.reader.is_in_body

    @property
    def is_slow(self) -> bool:
        """Whether a body comes too slowly, though never with a long pause."""
        return self._waited_s > _BODY_S + self.reader.body_bytes / _BODY_BYTES_EACH_S

    @property
    def method(self) -> str:
        """Of the latest request, "" if it is not known."""
        return self.reader.method

    @property
    def request_id(self) -> str | None:
        """The id that nginx gave the latest request."""
        return self.reader.request_id

    @property
    def path(self) -> str:
        """As above."""
        return self.reader.path

    def receive(self, idle_s: float = 0.0) -> None:
        """Take what there is, without waiting; `is_ended` says whether more can come.

        Args:
            idle_s: When the worker knew that nothing had come, in seconds since the epoch.

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
        """Take what was received here, or by the worker that had the connection before.

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
            # The body took its time. What counts is how long the whole request has waited.
            environ = self.reader.ready[0].environ
            if SENT in environ:
                environ[SENT] = f"{self._seen_s:.3f}"
            self._seen_s = None
        if self.reader.wants_continue and self.reader.is_in_body and not self.reader.ready:
            self.reader.wants_continue = False
            self.socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    def next_request(self) -> Request | None:
        """Return the oldest whole request, None if there is none."""
        return self.reader.ready.popleft() if self.reader.ready else None

    def answered(self) -> None:
        """Forget the request that was answered."""
        # With it, the next one may have begun: what came of that cannot be told apart.
        is_all = not self.reader.has_begun and not self.reader.ready
        self._received = b"" if is_all else None
        self.was_given = False
        self.since_s = time.monotonic()

    def linger(self) -> None:
        """Read what the client still sends, and drop it.

        A client reads the answer after it has sent the whole body, also a refused one; closing the
        connection before would be a network error to it.
        """
        self.lingers_until_s = time.monotonic() + _LINGER_S
        self.socket.shutdown(socket.SHUT_WR)

    def give(self, sharing: Sharing, to: int = 0) -> bool:
        """Give the connection, with what was received, to another worker.

        Args:
            sharing: By which it moves.
            to: As `Sharing.give`.

        Returns:
            False if it stays here: too much was received, or too many were given.
        """
        if self._received is None or self.lingers_until_s is not None:
            return False
        return sharing.give(self.socket, self._received, to)
