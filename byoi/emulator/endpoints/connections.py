"""Connections to one instance, kept for the requests that follow closely."""

import http.client
import select
import threading
import time

# Below what any server waits for the next request, so that none is sent to one that hangs up.
_IDLE_S = 1.0


class Connections:
    """The connections to one server that nobody uses at the moment."""

    def __init__(self, host: str, port: int) -> None:
        """Connect to nothing yet.

        Args:
            host: Where the server answers.
            port: TCP port there.
        """
        self._address = (host, port)
        self._lock = threading.Lock()
        self._idle: list[tuple[float, http.client.HTTPConnection]] = []
        self._is_closed = False

    def take(self, timeout_s: float) -> http.client.HTTPConnection:
        """Return a connection, kept or new.

        Args:
            timeout_s: Seconds for whatever is waited for on it.
        """
        with self._lock:
            kept, self._idle = self._idle, []
            for since_s, connection in kept:
                if time.monotonic() - since_s < _IDLE_S and not _has_ended(connection):
                    self._idle.append((since_s, connection))
                else:
                    connection.close()
            if self._idle:
                return self._idle.pop()[1]
        return http.client.HTTPConnection(*self._address, timeout=timeout_s)

    def give_back(self, connection: http.client.HTTPConnection) -> None:
        """Keep a connection whose answer was read to its end; it may have been closed by it."""
        with self._lock:
            if connection.sock is not None and not self._is_closed:
                self._idle.append((time.monotonic(), connection))
                return
        connection.close()

    def close(self) -> None:
        """Close those that are kept, and keep no more."""
        with self._lock:
            self._is_closed = True
            kept, self._idle = self._idle, []
        for _, connection in kept:
            connection.close()


def _has_ended(connection: http.client.HTTPConnection) -> bool:
    # Nothing was asked, so what there is to read is the end.
    return bool(select.select([connection.sock], [], [], 0)[0])
