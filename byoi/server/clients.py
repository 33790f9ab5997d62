"""The connections of one worker that wait in its loop: accepted, refused, given away, closed."""

import socket
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from selectors import EVENT_READ, BaseSelector
from typing import Any

from byoi.server.connections import Connection
from byoi.server.gunicorn_log import JsonLogger
from byoi.server.requests import RequestReader
from byoi.server.responses import write_error
from byoi.server.settings import Settings
from byoi.server.sharing import Sharing

# Without nginx: seconds that a connection stays open for another request.
_IDLE_S = 75.0
# After an error of accept(2): too many open files, for example.
_PAUSE_S = 0.05
_SPARE_READERS = 8


class Clients:
    """The connections of a worker.

    Args:
        selector: Of the worker's loop.
        settings: Limits, and the values in error messages.
        sharing: By which connections move between workers; None without nginx.
        log: gunicorn's, which writes the access log without nginx.
        base: What the environments of all requests have in common.
        spool_dir: Where large bodies wait until they are whole.

    Attributes:
        waiting: Those that the loop waits for. Behind nginx those of a busy worker are another
            thread's, too.
    """

    def __init__(  # noqa: PLR0913 - what a connection meets
        self,
        selector: BaseSelector,
        settings: Settings,
        sharing: Sharing | None,
        log: JsonLogger,
        *,
        base: Mapping[str, Any],
        spool_dir: Path,
    ) -> None:
        self.waiting: set[Connection] = set()
        self._selector = selector
        self._settings = settings
        self._behind_nginx = settings.proxy != "off"
        self._sharing = sharing
        self._log = log
        self._base = base
        self._spool_dir = spool_dir
        self._readers: list[RequestReader] = []

    def accept(self, listener: socket.socket) -> Connection | None:
        """Return the connection of a client that waits, None if none does."""
        try:
            accepted, _ = listener.accept()
        except BlockingIOError:
            return None
        except OSError:  # too many open files: it waits until some are closed
            time.sleep(_PAUSE_S)
            return None
        if not self._behind_nginx:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.connection(accepted)

    def connection(self, accepted: socket.socket) -> Connection:
        """Return the connection of a socket that this worker, or another one, has accepted."""
        accepted.setblocking(True)
        reader = self._readers.pop() if self._readers else self._reader()
        return Connection(accepted, reader)

    def _reader(self) -> RequestReader:
        return RequestReader(
            self._base,
            body_limit_bytes=self._settings.body_limit_bytes,
            spool_dir=self._spool_dir,
        )

    def register(self, connection: Connection) -> None:
        """Wait for more of a connection."""
        if connection.is_registered:
            return
        connection.is_registered = True
        self.waiting.add(connection)
        self._selector.register(connection, EVENT_READ, connection)

    def unregister(self, connection: Connection) -> None:
        """Wait for it no more."""
        if connection.is_registered:
            connection.is_registered = False
            self.waiting.discard(connection)
            self._selector.unregister(connection)

    def close(self, connection: Connection) -> None:
        """Close a connection, and keep its reader for another one."""
        self.unregister(connection)
        with suppress(OSError):
            connection.socket.close()
        reader = connection.reader
        reader.forget_body()
        if reader.is_as_new and len(self._readers) < _SPARE_READERS:
            self._readers.append(reader)

    def refuse(
        self, connection: Connection, status: int, error: tuple[str, str] | None = None
    ) -> None:
        """Answer what never reaches the application.

        Args:
            connection: Closed afterwards; without nginx, what its client still sends is read first.
            status: HTTP status.
            error: As `write_error`.
        """
        connection.refusal = None
        request_id = connection.request_id if self._behind_nginx else None
        request_id = request_id or uuid.uuid4().hex
        write_error(connection.socket, status, self._settings, request_id, error)
        self._log.answered(status, request_id, connection)
        if self._behind_nginx:
            self.close(connection)
            return
        try:
            connection.linger()
        except OSError:
            self.close(connection)
        else:
            self.register(connection)

    def end_late(self) -> None:
        """End those from which nothing has come for too long."""
        now_s = time.monotonic()
        for connection in list(self.waiting):
            age_s = now_s - connection.since_s
            is_late = age_s > self._settings.body_timeout_s
            if connection.lingers_until_s is not None:
                if now_s > connection.lingers_until_s:
                    self.close(connection)
            elif connection.is_in_body:
                if is_late or connection.is_slow:
                    self.refuse(connection, 408)
            elif (is_late and connection.has_begun) or (age_s > _IDLE_S and not self._behind_nginx):
                self.close(connection)

    def move(self, connection: Connection) -> None:
        """Give a connection whose request had to wait to a worker that is idle."""
        if (
            self._sharing is not None
            and connection.is_registered
            and self._sharing.is_another_idle()
        ):
            self._give(connection, self._sharing)

    def give_away(self, current: list[Connection], *, everything: bool) -> None:
        """Give those that have something to run to another worker.

        Called by another thread, while the loop is inside a request.

        Args:
            current: The connections of the requests that run.
            everything: Also those that have nothing so far: this worker ends.
        """
        if self._sharing is None:
            return
        readable = {key.data for key, _ in self._selector.select(0)}
        for connection in self.waiting.difference(current):
            if everything or connection.has_begun or connection in readable:
                self._give(connection, self._sharing)

    def _give(self, connection: Connection, sharing: Sharing) -> None:
        self.unregister(connection)
        if not connection.give(sharing):
            self.register(connection)

    def see_out(self) -> None:
        """Keep those alone from which a request is still coming: this worker stops."""
        for connection in list(self.waiting):
            # nginx may have sent a request on it just now, or send the rest of one.
            self.unregister(connection)
            if self._sharing is not None and connection.give(self._sharing):
                continue
            if connection.has_begun or connection.lingers_until_s is not None:
                self.register(connection)
            else:
                self.close(connection)
