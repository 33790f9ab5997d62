"""The requests a worker is processing now, and which of them are past their deadline."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, eq=False)
class Processing:
    """One request in a worker's thread.

    Attributes:
        request: gunicorn's request object.
        socket: The connection its response goes to.
        since_s: When its processing began, on the clock of `InFlight`.
    """

    request: Any
    socket: Any
    since_s: float


class InFlight:
    """All of them; safe to use from every thread of the worker."""

    def __init__(self, timeout_s: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._timeout_s = timeout_s
        self._clock = clock
        self._lock = threading.Lock()
        self._processing: set[Processing] = set()

    @contextmanager
    def track(self, request: Any, socket: Any) -> Iterator[None]:
        """Count a request as in flight until its response is written."""
        entry = Processing(request, socket, self._clock())
        with self._lock:
            self._processing.add(entry)
        try:
            yield
        finally:
            with self._lock:
                self._processing.discard(entry)

    def split(self) -> tuple[set[Processing], set[Processing]]:
        """Return those within their deadline, and those past it."""
        oldest_s = self._clock() - self._timeout_s
        with self._lock:
            overdue = {entry for entry in self._processing if entry.since_s <= oldest_s}
            return self._processing - overdue, overdue
