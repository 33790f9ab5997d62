"""gunicorn's worker class: one loop that accepts, reads, runs and answers.

A worker runs a request in its loop where the inference module takes one at a time, which is the
default: there is no hand-over to a thread. What asks for more, by `BYOI_THREADS`, gets threads;
so does a server without nginx, because /ping must be answered beside a long request.

Behind nginx the connections stay open, and a request on one of them waits for the worker that has
it. So connections move to workers that are idle (`sharing`): after a request that waited, and
while a long one runs (`in_flight.Watch`), with what was received.

Source: gunicorn 27, workers/base.py and arbiter.py.
"""

import logging
import mmap
import os
import queue
import selectors
import signal
import socket
import sys
import threading
import time
import uuid
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker as BaseWorker

from byoi import contract
from byoi.server import load_failure, statuses
from byoi.server.answering import Answering
from byoi.server.application import PING_FUNCTION
from byoi.server.connections import Connection
from byoi.server.in_flight import AFTER_NGINX_S, InFlight, Watch
from byoi.server.readiness import Readiness
from byoi.server.requests import RefusedError, Request, RequestReader, base_environ
from byoi.server.responses import write_error
from byoi.server.settings import BATCH_SIZE_VARIABLE, THREADS_VARIABLE, Settings
from byoi.server.sharing import Sharing
from byoi.server.wellness import Wellness

# How long a request waits for its worker before it goes to another one.
_PATIENCE_S = 0.05
# Between two looks at what has waited for too long.
_LOOK_S = 0.05
# Without nginx: time in which a free worker accepts a connection before a busy one does.
_COURTESY_S = 0.02
# Without nginx: seconds that a connection stays open for another request.
_IDLE_S = 75.0
# A look at connections that takes less has found something there.
_AT_ONCE_S = 0.00005
# New connections in a row, before the loop looks at the others.
_IN_A_ROW = 16
_SPARE_READERS = 8
# Without nginx: clients that take their answers slowly, beside which requests are run.
_SLOW_READERS = 256

_log = logging.getLogger("gunicorn.error")


class Worker(BaseWorker):  # type: ignore[misc] # gunicorn ships no types
    """The `worker_class` of gunicorn_conf.py.

    Attributes:
        sharing: What all workers share; gunicorn_conf.py sets it in the master. None without nginx.
    """

    sharing: ClassVar[Sharing | None] = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Shared with the master, which makes it before the fork: 1 while a request runs.
        self._busy = mmap.mmap(-1, 1)
        self.settings = Settings.from_environ(os.environ)
        self.readiness = Readiness(Path(os.environ["BYOI_STATE_DIR"]))
        self.behind_nginx = self.settings.proxy != "off"
        # Where nginx answers at the deadline, the worker acts after it.
        slack_s = AFTER_NGINX_S if self.behind_nginx and not self.settings.is_batch else 0.0
        self.in_flight = InFlight(self.settings.invocation_timeout_s + slack_s)
        self._threads = 1
        self._pool: ThreadPoolExecutor | None = None
        # Registered connections. Behind nginx those of a busy worker are another thread's, too.
        self._connections: set[Connection] = set()
        # Of this loop: requests that are ready, and the connections of those that it runs.
        self._batch: list[tuple[Connection, Request]] = []
        self._batch_size = 1
        self._current: list[Connection] = []
        self._latest: Connection | None = None
        self._next_look_s = 0.0
        # When nothing waited to be read, seconds since the epoch.
        self._idle_s = 0.0
        self._lock = threading.Lock()
        self._busy_since_s: float | None = None
        self._readers: list[RequestReader] = []
        self._accepts = False
        # Of threads: requests that wait for one, and those that were answered.
        self._waiting: deque[tuple[Connection, Request, float]] = deque()
        self._running = 0
        self._writing = 0
        self._wellness: Wellness | None = None
        self._is_asking = False
        # With them, by how much less is running, and how much more is only being written.
        self._done: queue.SimpleQueue[tuple[list[tuple[Connection, bool]], int, int]]
        self._done = queue.SimpleQueue()

    @property
    def is_busy(self) -> bool:
        """Whether it runs a request, also in the master and while its interpreter is blocked."""
        return self._busy[0] == 1

    # Loading

    def load_wsgi(self) -> None:
        """Load the application and its model; on failure, write the reason and exit."""
        try:
            with self._kept_alive():
                super().load_wsgi()
        except BaseException as error:  # noqa: BLE001 - also a module that calls sys.exit()
            self.readiness.fail(load_failure.text(error, self.settings))
            sys.exit(Arbiter.WORKER_BOOT_ERROR)

    @contextmanager
    def _kept_alive(self) -> Iterator[None]:
        """Keep gunicorn from timing out while a large model loads."""
        loaded = threading.Event()

        def notify() -> None:
            while not loaded.wait(1.0):
                self.notify()

        thread = threading.Thread(target=notify, daemon=True)
        thread.start()
        try:
            yield
        finally:
            loaded.set()
            thread.join()

    def handle_abort(self, _number: int, _frame: Any) -> None:
        """End at once: gunicorn's master has given this worker up, and no request may go on."""
        os.kill(self.pid, signal.SIGKILL)

    # The loop

    def run(self) -> None:
        """Serve until stopped."""
        self._threads = self.wsgi.config[THREADS_VARIABLE]
        self._batch_size = self.wsgi.config[BATCH_SIZE_VARIABLE]
        if self._threads > 1 or not self.behind_nginx:
            # Without nginx, further threads write to clients that read slowly.
            slow = 0 if self.behind_nginx else _SLOW_READERS
            self._pool = ThreadPoolExecutor(self._threads + slow)
        self._base = base_environ(
            self.settings.bind_address, self.settings.port, is_multithreaded=self._threads > 1
        )
        # After the fork: what it opens is this process's.
        self._selector = selectors.DefaultSelector()
        for listener in self.sockets:
            listener.setblocking(False)
        if self.sharing is not None:
            self.sharing.join(self.readiness.state_dir)
        self._selector.register(self.PIPE[0], selectors.EVENT_READ)
        self._listen()
        self._answering = Answering(
            self.wsgi,
            self.settings,
            self.readiness,
            self.in_flight,
            self.log,
            behind_nginx=self.behind_nginx,
        )
        if (ping := self.wsgi.config[PING_FUNCTION]) is not None:
            self._wellness = Wellness(ping, self.settings.module(), self.pid, self.readiness)
            self._wellness.begin()
        Watch(
            self,
            self.in_flight,
            self.readiness,
            self.settings,
            refuse=self._answering.refuse,
            silent_s=float(self.cfg.timeout),
            behind_nginx=self.behind_nginx,
        ).start()
        self._ask()
        while self.alive:
            self._turn(_LOOK_S)
        self._drain()

    def _turn(self, timeout_s: float) -> None:
        """Wait for what happens first, and do what there is to do."""
        since_s = time.monotonic()
        events = self._wait(timeout_s)
        # What was there at once had waited; else nothing had come when the wait began.
        is_late = time.monotonic() - since_s < _AT_ONCE_S
        if not is_late:
            self._idle_s = time.time() - (time.monotonic() - since_s)
        late = []
        for key, _ in events:
            if key.data is None:
                self._happened(key)
                continue
            # The next request of the same client did not wait for another one's.
            if is_late and key.data is not self._latest:
                late.append(key.data)
            self._read(key.data)
        if self._batch:
            self._wait_for_more()
            if self._batch:
                self._run_batch()
        for connection in late:
            self._move(connection)
        if self._pool is not None:
            self._finish_all()
        if time.monotonic() >= self._next_look_s:
            self._next_look_s = time.monotonic() + _LOOK_S
            self._look()

    def _happened(self, key: selectors.SelectorKey) -> None:
        """Do what there is to do beside the connections."""
        if key.fd == self.PIPE[0]:
            with suppress(BlockingIOError):
                os.read(self.PIPE[0], 4096)
        elif key.fileobj is self.sharing:
            self._take()
        else:
            self._accept_all(key.fileobj)

    def _wait(self, timeout_s: float) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for what happens next, while others may know that this worker is idle."""
        if self.sharing is None:
            return self._selector.select(timeout_s)
        if not self._running:
            self.sharing.begin_waiting()
        try:
            return self._selector.select(timeout_s)
        finally:
            self.sharing.end_waiting()

    def _move(self, connection: Connection) -> None:
        """Give a connection whose request had to wait to a worker that is idle."""
        if (
            self.sharing is None
            or not connection.is_registered
            or not self.sharing.is_another_idle()
        ):
            return
        self._unregister(connection)
        if not connection.give(self.sharing):
            self._register(connection)

    def _can_run(self) -> bool:
        """Whether a request that comes now is run at once."""
        return self._running < self._threads

    def _listen(self) -> None:
        """Wait for connections; behind nginx only while one more request can be run."""
        accepts = self.alive and (not self.behind_nginx or self._can_run())
        if accepts == self._accepts:
            return
        self._accepts = accepts
        for listener in filter(None, (*self.sockets, self.sharing)):
            if accepts:
                self._selector.register(listener, selectors.EVENT_READ)
            else:
                self._selector.unregister(listener)

    def _accept_all(self, listener: Any) -> None:
        """Accept those who wait, while requests can be run."""
        if not self.behind_nginx and not self._can_run():
            time.sleep(_COURTESY_S)
        for _ in range(_IN_A_ROW):
            if self.behind_nginx and not self._can_run():
                return
            if (connection := self._accept(listener)) is None:
                return
            self._read(connection)

    def _accept(self, listener: Any) -> Connection | None:
        try:
            accepted, _ = listener.accept()
        except BlockingIOError:
            return None
        except OSError:  # too many open files: it waits until some are closed
            time.sleep(_LOOK_S)
            return None
        if not self.behind_nginx:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._connection(accepted)

    def _connection(self, accepted: socket.socket) -> Connection:
        accepted.setblocking(True)
        reader = self._readers.pop() if self._readers else self._reader()
        return Connection(accepted, reader)

    def _reader(self) -> RequestReader:
        return RequestReader(
            self._base,
            body_limit_bytes=self.settings.body_limit_bytes,
            spool_dir=self.readiness.state_dir,
        )

    def _take(self) -> None:
        """Take a connection that another worker gave."""
        if self.sharing is not None and (given := self.sharing.take()) is not None:
            accepted, received = given
            self._read(self._connection(accepted), received)

    def _read(self, connection: Connection, received: bytes = b"") -> None:
        """Take what a connection has, and run the request that is whole."""
        self._latest = connection
        try:
            if received:
                connection.take(received)
            connection.receive(self._idle_s)
        except RefusedError as refusal:
            connection.refusal = refusal.status  # after what came whole before it
        except OSError:
            self._close(connection)
            return
        self._go_on(connection)

    def _go_on(self, connection: Connection) -> None:
        """Run the next request of a connection, or wait for it."""
        # Also of a client that sends no more: it may still read.
        while (request := connection.next_request()) is not None:
            if not self._runs_beside(request):
                self._run(connection, request)
                return
            # A loop: a client may have sent thousands of them at once.
            (stays_open,) = self._answering.answer([(connection, request)], keeps=self.alive)
            if not stays_open:
                self._close(connection)
                return
        if connection.refusal is not None:
            self._refuse(connection, connection.refusal)
        elif connection.is_ended:
            self._close(connection)
        else:
            self._register(connection)

    def _runs_beside(self, request: Request) -> bool:
        """Whether the loop answers it at once: without nginx /ping and the page."""
        is_invocation = request.path == contract.INVOCATIONS_PATH and request.method == "POST"
        return not self.behind_nginx and not is_invocation

    def _run(self, connection: Connection, request: Request) -> None:
        """Run a request with those that are ready, or in a thread."""
        if self._pool is None:
            self._batch.append((connection, request))
            if len(self._batch) >= self._batch_size:
                self._run_batch()
            return
        self._unregister(connection)
        self._waiting.append((connection, request, time.monotonic()))
        self._start_waiting()

    def _run_batch(self) -> None:
        """Run the requests that are ready, in this loop."""
        batch, self._batch = self._batch, []
        with self._lock:
            self._current, self._busy_since_s = [one for one, _ in batch], time.monotonic()
        self._busy[0] = 1
        try:
            stay_open = self._answering.answer(batch, keeps=self.alive)
        finally:
            self._busy[0] = 0
            with self._lock:
                self._current, self._busy_since_s = [], None
        for (connection, _), stays_open in zip(batch, stay_open, strict=True):
            self._finish(connection, stays_open=stays_open)

    def _wait_for_more(self) -> None:
        """Let requests wait for others to go with them, as long as the setting allows."""
        end_s = time.monotonic() + self.settings.batch_wait_ms / 1000
        while self._batch and (left_s := end_s - time.monotonic()) > 0:
            waiting = {connection for connection, _ in self._batch}
            for key, _ in self._selector.select(left_s):
                if key.data is None:
                    self._happened(key)
                elif key.data not in waiting:
                    self._read(key.data)

    def _finish(self, connection: Connection, *, stays_open: bool) -> None:
        """Go on with a connection whose request was answered."""
        if stays_open:
            self._go_on(connection)
        else:
            self._close(connection)

    # Requests

    def _start_waiting(self) -> None:
        """Let threads run the requests that wait, while any is free."""
        while self._waiting and self._can_run():
            assert self._pool is not None  # noqa: S101
            count = min(len(self._waiting), self._batch_size)
            batch = [self._waiting.popleft()[:2] for _ in range(count)]
            self._running += 1
            self._busy[0] = 1
            self._pool.submit(self._run_in_thread, batch)
        self._listen()

    def _run_in_thread(self, batch: list[tuple[Connection, Request]]) -> None:
        stay_open, writes = [False] * len(batch), False

        def let_go() -> None:
            nonlocal writes
            if not writes:
                writes = True
                self._done.put(([], 1, 1))
                self.wake_up()

        try:
            stay_open = self._answering.answer(
                batch, keeps=self.alive, let_go=None if self.behind_nginx else let_go
            )
        finally:
            done = [(one, stays) for (one, _), stays in zip(batch, stay_open, strict=True)]
            self._done.put((done, 0, -1) if writes else (done, 1, 0))
            self.wake_up()

    def _finish_all(self) -> None:
        """Go on with the connections whose requests threads have answered."""
        while not self._done.empty():
            done, ended, written = self._done.get()
            self._running -= ended
            self._writing += written
            for connection, stays_open in done:
                self._finish(connection, stays_open=stays_open)
        self._busy[0] = self._running > 0
        self._ask()
        self._start_waiting()

    def _ask(self) -> None:
        """Ask the module whether its model is well, where it is time and a request could run."""
        if self._wellness is None or not self._wellness.is_due():
            return
        if not (self.alive and self._can_run()):
            return
        if self._pool is not None:
            if not self._is_asking:
                self._is_asking = True
                self._running += 1
                self._busy[0] = 1
                self._pool.submit(self._ask_in_thread)
                self._listen()
            return
        with self._lock:
            self._busy_since_s = time.monotonic()
        self._busy[0] = 1
        try:
            self._ask_now()
        finally:
            self._busy[0] = 0
            with self._lock:
                self._busy_since_s = None

    def _ask_in_thread(self) -> None:
        try:
            self._ask_now()
        finally:
            self._is_asking = False
            self._done.put(([], 1, 0))
            self.wake_up()

    def _ask_now(self) -> None:
        """Ask within the deadline of a request: past it, the worker is replaced."""
        assert self._wellness is not None  # noqa: S101
        entry = self.in_flight.begin(Request({}, keep_alive=False, takes_chunks=False), None)
        try:
            self._wellness.ask()
        finally:
            self.in_flight.end(entry)

    def has_waiting(self) -> bool:
        """Whether requests wait for a thread, or connections to be given to another worker."""
        gives = self.sharing is not None and self._pool is not None
        return bool(self._waiting or (gives and self._connections))

    def wake_up(self) -> None:
        """Let the loop look at what has changed."""
        with suppress(BlockingIOError):
            os.write(self.PIPE[1], b".")

    # Connections

    def _register(self, connection: Connection) -> None:
        """Wait for more of a connection."""
        if connection.is_registered:
            return
        connection.is_registered = True
        self._connections.add(connection)
        self._selector.register(connection, selectors.EVENT_READ, connection)

    def _unregister(self, connection: Connection) -> None:
        if connection.is_registered:
            connection.is_registered = False
            self._connections.discard(connection)
            self._selector.unregister(connection)

    def _close(self, connection: Connection) -> None:
        self._unregister(connection)
        with suppress(OSError):
            connection.socket.close()
        reader = connection.reader
        reader.forget_body()
        if reader.is_as_new and len(self._readers) < _SPARE_READERS:
            self._readers.append(reader)

    def _refuse(
        self, connection: Connection, status: int, error: tuple[str, str] | None = None
    ) -> None:
        """Answer what never reaches the application."""
        connection.refusal = None
        request_id = connection.request_id if self.behind_nginx else None
        request_id = request_id or uuid.uuid4().hex
        write_error(connection.socket, status, self.settings, request_id, error)
        self.log.answered(status, request_id, connection)
        if self.behind_nginx:
            self._close(connection)
            return
        try:
            connection.linger()
        except OSError:
            self._close(connection)
        else:
            self._register(connection)

    def _look(self) -> None:
        """End what has waited for too long."""
        if os.getppid() != self.ppid:
            self.alive = False  # gunicorn's master is gone
        self._ask()
        for connection in list(self._connections):
            self._end_if_late(connection, time.monotonic() - connection.since_s)
        is_replaced = not self.alive and bool(self.in_flight.split()[1])
        for waiting in list(self._waiting):
            connection, _, since_s = waiting
            age_s = time.monotonic() - since_s
            if self.sharing is not None:
                if age_s > _PATIENCE_S and connection.give(self.sharing):
                    self._waiting.remove(waiting)
            elif is_replaced or age_s > self.settings.answer_timeout_s:
                self._waiting.remove(waiting)
                self._refuse(connection, statuses.BUSY_STATUS, statuses.BUSY)

    def _end_if_late(self, connection: Connection, age_s: float) -> None:
        """End a connection from which nothing has come for too long; `age_s` says how long."""
        is_late = age_s > self.settings.body_timeout_s
        if connection.lingers_until_s is not None:
            if time.monotonic() > connection.lingers_until_s:
                self._close(connection)
        elif connection.is_in_body:
            if is_late:
                self._refuse(connection, 408)
        elif (is_late and connection.has_begun) or (age_s > _IDLE_S and not self.behind_nginx):
            self._close(connection)

    def give_away(self, *, everything: bool) -> None:
        """Give the connections that wait for this loop to another worker.

        Called by another thread while the loop is inside a request.

        Args:
            everything: Also those that wait for a short time only: this worker ends.
        """
        if self.sharing is None or self._pool is not None:
            return
        with self._lock:
            since_s = self._busy_since_s
            if since_s is None or not (everything or time.monotonic() - since_s > _PATIENCE_S):
                return
            readable = {key.data for key, _ in self._selector.select(0)}
            for connection in self._connections.difference(self._current):
                if everything or connection.has_begun or connection in readable:
                    self._unregister(connection)
                    if not connection.give(self.sharing):
                        self._register(connection)

    def _drain(self) -> None:
        """Answer what is in flight, and accept no more."""
        self._listen()
        end_s = time.monotonic() + float(self.cfg.graceful_timeout)
        while time.monotonic() < end_s:
            for connection in list(self._connections):
                # nginx may have sent a request on it just now, or send the rest of one.
                self._unregister(connection)
                if self.sharing is not None and connection.give(self.sharing):
                    continue
                if connection.has_begun or connection.lingers_until_s is not None:
                    self._register(connection)
                else:
                    self._close(connection)
            if not (self._running or self._writing or self._waiting or self._connections):
                return
            self._turn(_PATIENCE_S)
