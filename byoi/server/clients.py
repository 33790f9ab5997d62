"""The open connections of one worker: accept, refuse, hand over to another worker, close."""

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
# Seconds to wait after accept(2) failed, for example with too many open files.
_PAUSE_S = 0.05
_SPARE_READERS = 8


class Clients:
    """The connections of a worker.

    Args:
        selector: The selector of the worker's loop.
        settings: Limits, and the values in error messages.
        sharing: Moves connections between workers; None without nginx.
        log: gunicorn's logger, which writes the access log without nginx.
        base: The part of the WSGI environment that all requests share.
        spool_dir: Directory for large bodies that are not complete.

    Attributes:
        waiting: Connections that the loop waits for. Behind nginx, the watching thread uses them
            too while the loop is busy.
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
        """Accept one waiting connection; return None if no client is waiting."""
        try:
            accepted, _ = listener.accept()
        except BlockingIOError:
            return None
        except OSError:  # too many open files: the client waits until some are closed
            time.sleep(_PAUSE_S)
            return None
        if not self._behind_nginx:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.connection(accepted)

    def connection(self, accepted: socket.socket) -> Connection:
        """Return a connection for a socket that this or another worker has accepted."""
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
        """Wait for more data of a connection."""
        if connection.is_registered:
            return
        connection.is_registered = True
        self.waiting.add(connection)
        self._selector.register(connection, EVENT_READ, connection)

    def unregister(self, connection: Connection) -> None:
        """Stop waiting for data of a connection."""
        if connection.is_registered:
            connection.is_registered = False
            self.waiting.discard(connection)
            self._selector.unregister(connection)

    def close(self, connection: Connection) -> None:
        """Close a connection, and keep its reader for reuse."""
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
        """Answer an error to a request that never reaches the application.

        Args:
            connection: Closed afterwards; without nginx, after reading what its client still sends.
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
        """Close or refuse connections from which nothing has come for too long."""
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
        """Give a connection, whose request had to wait here, to an idle worker if there is one."""
        if (
            self._sharing is not None
            and connection.is_registered
            and self._sharing.is_another_idle()
        ):
            self._give(connection, self._sharing)

    def give_away(self, current: list[Connection], *, everything: bool) -> None:
        """Give connections with a request, whole or in part, to another worker.

        Called by another thread, while the loop is inside a request.

        Args:
            current: The connections of the requests that run.
            everything: Also those without data, because this worker ends.
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
        """Keep only connections with an incomplete request: this worker stops."""
        for connection in list(self.waiting):
            # nginx may just have sent a request on it, or the rest of one: another worker reads it.
            self.unregister(connection)
            if self._sharing is not None and connection.give(self._sharing):
                continue
            if connection.has_begun or connection.lingers_until_s is not None:
                self.register(connection)
            else:
                self.close(connection)
