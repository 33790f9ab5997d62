"""Whether a worker is busy, for its loop, its other threads and the master."""

import mmap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from byoi.server.connections import Connection


class Occupation:
    """The state of one worker; created in gunicorn's master, so that both processes share it."""

    def __init__(self) -> None:
        self._busy = mmap.mmap(-1, 1)
        self._lock = threading.Lock()
        self._connections: list[Connection] = []
        self._since_s: float | None = None

    @property
    def is_busy(self) -> bool:
        """Whether the worker runs a request; also known in the master if its interpreter hangs."""
        return self._busy[0] == 1

    @is_busy.setter
    def is_busy(self, is_busy: bool) -> None:
        self._busy[0] = is_busy

    def enter(self, connections: list[Connection]) -> None:
        """Record that the loop itself runs requests, until `leave`.

        Args:
            connections: The connections of these requests.
        """
        with self._lock:
            self._connections, self._since_s = connections, time.monotonic()
        self.is_busy = True

    def leave(self) -> None:
        """Record that the loop continues."""
        self.is_busy = False
        with self._lock:
            self._connections, self._since_s = [], None

    @contextmanager
    def held(self, longer_than_s: float) -> Iterator[list[Connection] | None]:
        """Keep the loop from continuing until this block ends; for another thread.

        Args:
            longer_than_s: Minimum time that the loop must have been busy; negative for any.

        Yields:
            The connections of the requests that the loop runs; None if the loop is not held.
        """
        with self._lock:
            since_s = self._since_s
            is_held = since_s is not None and time.monotonic() - since_s > longer_than_s
            yield self._connections if is_held else None
