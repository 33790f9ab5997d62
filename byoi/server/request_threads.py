"""Threads that run requests beside a worker's loop, if more than one may run at once.

Only the loop manages connections: it passes requests to threads, and takes answered ones back.
"""

import queue
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from byoi.server.answering import Answering
from byoi.server.connections import Connection
from byoi.server.occupation import Occupation
from byoi.server.requests import Request

# Without nginx: threads for clients that read their answers slowly, so that requests still run.
_SLOW_READERS = 256


class RequestThreads:
    """The threads of one worker; used by its loop.

    Args:
        answering: Answers requests.
        size: Maximum number of calls at once.
        batch_size: Maximum number of requests in one call.
        occupation: Shows whether anything runs.
        keeps: Returns whether connections may stay open.
        wake_up: Wakes up the loop, which then calls `finished`.
        behind_nginx: Whether nginx reads the answers; otherwise there are more threads, to write
            to clients that read slowly.

    Attributes:
        waiting: Requests for which no thread is free, each with its start of waiting in monotonic
            seconds.
        running: Number of running calls; requests of one call count as one.
    """

    def __init__(  # noqa: PLR0913 - what a thread meets
        self,
        answering: Answering,
        size: int,
        batch_size: int,
        occupation: Occupation,
        *,
        keeps: Callable[[], bool],
        wake_up: Callable[[], None],
        behind_nginx: bool,
    ) -> None:
        self.waiting: deque[tuple[Connection, Request, float]] = deque()
        self.running = 0
        self._answering = answering
        self._size = size
        self._batch_size = batch_size
        self._occupation = occupation
        self._keeps = keeps
        self._wake_up = wake_up
        self._behind_nginx = behind_nginx
        self._pool = ThreadPoolExecutor(size + (0 if behind_nginx else _SLOW_READERS))
        self._writing = 0
        # Answered requests; how many calls ended; change of the number of answers being written.
        self._done: queue.SimpleQueue[tuple[list[tuple[Connection, bool]], int, int]]
        self._done = queue.SimpleQueue()

    @property
    def free(self) -> int:
        """How many more calls can run now."""
        return self._size - self.running

    @property
    def can_run(self) -> bool:
        """Whether a request that comes now can run immediately."""
        return self.free > 0

    @property
    def is_idle(self) -> bool:
        """Whether no request runs or waits, and no answer is being written."""
        return not (self.running or self._writing or self.waiting)

    def add(self, connection: Connection, request: Request) -> None:
        """Queue a request for a thread."""
        self.waiting.append((connection, request, time.monotonic()))

    def start(self) -> None:
        """Run waiting requests while a thread is free."""
        while self.waiting and self.can_run:
            count = min(len(self.waiting), self._batch_size)
            batch = [self.waiting.popleft()[:2] for _ in range(count)]
            self._begin()
            self._pool.submit(self._answer, batch)

    def run(self, function: Callable[[], None]) -> None:
        """Run a function in place of a request."""
        self._begin()
        self._pool.submit(self._call, function)

    def finished(self) -> Iterator[tuple[Connection, bool]]:
        """Yield the connections whose requests were answered, and whether each stays open."""
        while not self._done.empty():
            done, ended, written = self._done.get()
            self.running -= ended
            self._writing += written
            yield from done
        self._occupation.is_busy = self.running > 0

    def _begin(self) -> None:
        self.running += 1
        self._occupation.is_busy = True

    def _end(self, done: list[tuple[Connection, bool]], ended: int, written: int) -> None:
        self._done.put((done, ended, written))
        self._wake_up()

    def _call(self, function: Callable[[], None]) -> None:
        try:
            function()
        finally:
            self._end([], 1, 0)

    def _answer(self, batch: list[tuple[Connection, Request]]) -> None:
        stay_open, writes = [False] * len(batch), False

        def let_go() -> None:
            nonlocal writes
            if not writes:
                writes = True
                self._end([], 1, 1)

        try:
            stay_open = self._answering.answer(
                batch, keeps=self._keeps(), let_go=None if self._behind_nginx else let_go
            )
        finally:
            done = [(one, stays) for (one, _), stays in zip(batch, stay_open, strict=True)]
            self._end(done, 0 if writes else 1, -1 if writes else 0)
