"""Whether a worker runs something: known to its loop, to its other threads and to the master."""

import mmap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from byoi.server.connections import Connection


class Occupation:
    """Of one worker; made in gunicorn's master before the fork, which shares it."""

    def __init__(self) -> None:
        self._busy = mmap.mmap(-1, 1)
        self._lock = threading.Lock()
        self._connections: list[Connection] = []
        self._since_s: float | None = None

    @property
    def is_busy(self) -> bool:
        """Whether it runs a request, also in the master and while its interpreter is blocked."""
        return self._busy[0] == 1

    @is_busy.setter
    def is_busy(self, is_busy: bool) -> None:
        self._busy[0] = is_busy

    def enter(self, connections: list[Connection]) -> None:
        """Say that the loop itself runs something, until `leave`.

        Args:
            connections: Of the requests that it runs.
        """
        with self._lock:
            self._connections, self._since_s = connections, time.monotonic()
        self.is_busy = True

    def leave(self) -> None:
        """Say that the loop goes on."""
        self.is_busy = False
        with self._lock:
            self._connections, self._since_s = [], None

    @contextmanager
    def held(self, longer_than_s: float) -> Iterator[list[Connection] | None]:
        """Keep the loop, for another thread, from going on before this block ends.

        Args:
            longer_than_s: How long the loop must have run something; negative: any time.

        Yields:
            The connections of the requests that it runs; None if the loop is not held.
        """
        with self._lock:
            since_s = self._since_s
            is_held = since_s is not None and time.monotonic() - since_s > longer_than_s
            yield self._connections if is_held else None
