"""gunicorn's worker class: one loop that accepts, reads, runs and answers.

By default the inference module takes one request at a time, and a worker runs it in its loop,
without passing it to a thread. There are threads if `BYOI_THREADS` asks for them, and without
nginx, because /ping must be answered during a long request.

Behind nginx the connections stay open, and a request on one of them waits for the worker of that
connection. So connections move to idle workers (`sharing`), with the data received so far: after a
request that had to wait, and while a long one runs (`in_flight.Watch`). Without nginx, a worker
also accepts connections while it cannot run more, because it must read a request to know whether
it is /ping; it gives a request that would have to wait to an idle worker.

Source: gunicorn 27, workers/base.py and arbiter.py.
"""

import logging
import os
import selectors
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker as BaseWorker

from byoi import contract
from byoi.server import loading, statuses
from byoi.server.answering import Answering
from byoi.server.application import PING_FUNCTION
from byoi.server.clients import Clients
from byoi.server.connections import Connection
from byoi.server.in_flight import AFTER_NGINX_S, InFlight, Watch
from byoi.server.occupation import Occupation
from byoi.server.readiness import Readiness
from byoi.server.request_threads import RequestThreads
from byoi.server.requests import RefusedError, Request, base_environ
from byoi.server.settings import BATCH_SIZE_VARIABLE, THREADS_VARIABLE, Settings
from byoi.server.sharing import Sharing
from byoi.server.wellness import Wellness

# How long a request waits for its worker before it is given to another one.
_PATIENCE_S = 0.05
# Time between two checks for requests that have waited too long.
_LOOK_S = 0.05
# If select(2) returns faster than this, its events were already waiting.
_AT_ONCE_S = 0.00005
# Number of new connections to accept before the loop handles the others.
_IN_A_ROW = 16

_log = logging.getLogger("gunicorn.error")


class Worker(BaseWorker):  # type: ignore[misc] # gunicorn ships no types
    """The `worker_class` of gunicorn_conf.py.

    Attributes:
        sharing: The shared state of all workers; gunicorn_conf.py sets it in the master.
    """

    sharing: ClassVar[Sharing]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._occupation = Occupation()
        self.settings = Settings.from_environ(os.environ)
        self.readiness = Readiness(Path(os.environ["BYOI_STATE_DIR"]))
        self.behind_nginx = self.settings.proxy != "off"
        # If nginx answers at the deadline, the worker acts after that.
        slack_s = AFTER_NGINX_S if self.behind_nginx and not self.settings.is_batch else 0.0
        self.in_flight = InFlight(self.settings.invocation_timeout_s + slack_s)
        self._threads: RequestThreads | None = None
        # Requests to run next in this loop, with their connections.
        self._batch: list[tuple[Connection, Request]] = []
        self._batch_size = 1
        self._latest: Connection | None = None
        self._next_look_s = 0.0
        # When there was last no data to read, seconds since the epoch.
        self._idle_s = 0.0
        self._listening: set[Any] = set()
        self._wellness: Wellness | None = None
        self._is_asking = False

    @property
    def is_busy(self) -> bool:
        """As `Occupation`."""
        return self._occupation.is_busy

    # Loading

    def load_wsgi(self) -> None:
        """Load the application and its model; on failure, write the reason and exit."""
        try:
            with loading.signs_of_life(self.notify):
                super().load_wsgi()
        except BaseException as error:  # noqa: BLE001 - also a module that calls sys.exit()
            self.readiness.fail(loading.text(error, self.settings))
            sys.exit(Arbiter.WORKER_BOOT_ERROR)

    def handle_abort(self, _number: int, _frame: Any) -> None:
        """End immediately: gunicorn's master has given up this worker."""
        os.kill(self.pid, signal.SIGKILL)

    def notify(self) -> None:
        """Send gunicorn's master a heartbeat, as long as its file is open.

        gunicorn closes the file when the worker ends, while the watching thread still runs.
        """
        with suppress(ValueError):
            self.tmp.notify()

    # The loop

    def run(self) -> None:
        """Serve until stopped."""
        size = self.wsgi.config[THREADS_VARIABLE]
        self._batch_size = self.wsgi.config[BATCH_SIZE_VARIABLE]
        # Created after the fork, so that its descriptors belong to this process.
        self._selector = selectors.DefaultSelector()
        for listener in self.sockets:
            listener.setblocking(False)
        self.sharing.join(self.readiness.state_dir)
        self._clients = Clients(
            self._selector,
            self.settings,
            # Without nginx, idle connections do not move, only requests do (`_passes_on`).
            self.sharing if self.behind_nginx else None,
            self.log,
            base=base_environ(
                self.settings.bind_address, self.settings.port, is_multithreaded=size > 1
            ),
            spool_dir=self.readiness.state_dir,
        )
        self._selector.register(self.PIPE[0], selectors.EVENT_READ)
        self._answering = Answering(
            self.wsgi,
            self.settings,
            self.readiness,
            self.in_flight,
            self.log,
            behind_nginx=self.behind_nginx,
        )
        # Without nginx /ping must be answered beside a long request.
        if size > 1 or not self.behind_nginx:
            self._threads = RequestThreads(
                self._answering,
                size,
                self._batch_size,
                self._occupation,
                keeps=lambda: self.alive,
                wake_up=self.wake_up,
                behind_nginx=self.behind_nginx,
            )
        self._listen()
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
        """Wait for the next events and handle them."""
        since_s = time.monotonic()
        events = self._wait(timeout_s)
        # Events at once: their data has waited. Otherwise there was no data when the wait began.
        is_late = time.monotonic() - since_s < _AT_ONCE_S
        if not is_late:
            self._idle_s = time.time() - (time.monotonic() - since_s)
        late = []
        for key, _ in events:
            if key.data is None:
                self._happened(key)
                continue
            # The next request of the same client did not wait because of another client.
            if is_late and key.data is not self._latest:
                late.append(key.data)
            self._read(key.data)
        if self._batch:
            self._wait_for_more()
            if self._batch:
                self._run_batch()
        for connection in late:
            self._clients.move(connection)
        if self._threads is not None:
            self._finish_all(self._threads)
        if time.monotonic() >= self._next_look_s:
            self._next_look_s = time.monotonic() + _LOOK_S
            self._look()

    def _happened(self, key: selectors.SelectorKey) -> None:
        """Handle an event that is not of a connection."""
        if key.fd == self.PIPE[0]:
            with suppress(BlockingIOError):
                os.read(self.PIPE[0], 4096)
        elif key.fileobj is self.sharing:
            self._take()
        else:
            self._accept_all(key.fileobj)

    def _wait(self, timeout_s: float) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for the next events; meanwhile, this worker is marked as idle if it is.

        Without nginx it stays marked between two waits, too: another worker may have a request that
        it can give away only at that moment.
        """
        if not self.behind_nginx:
            if self.alive and self._can_run():
                self.sharing.begin_waiting()
            else:
                self.sharing.end_waiting()
            return self._selector.select(timeout_s)
        if self.alive and (self._threads is None or not self._threads.running):
            self.sharing.begin_waiting()
        try:
            return self._selector.select(timeout_s)
        finally:
            self.sharing.end_waiting()

    def _can_run(self) -> bool:
        """Whether a request that comes now can run immediately."""
        return self._threads is None or self._threads.can_run

    def _listen(self) -> None:
        """Wait for new connections; behind nginx only while another request can run."""
        wanted: set[Any] = set()
        if self.alive and (not self.behind_nginx or self._can_run()):
            wanted.update(self.sockets)
        # Without nginx, take given connections also while stopping: no other worker would.
        if self._can_run() and (self.alive or not self.behind_nginx):
            wanted.add(self.sharing)
        for listener in wanted - self._listening:
            self._selector.register(listener, selectors.EVENT_READ)
        for listener in self._listening - wanted:
            self._selector.unregister(listener)
        self._listening = wanted

    def _accept_all(self, listener: Any) -> None:
        """Accept waiting connections; behind nginx only while requests can run."""
        for _ in range(_IN_A_ROW):
            if self.behind_nginx and not self._can_run():
                return
            if (connection := self._clients.accept(listener)) is None:
                return
            self._read(connection)

    def _take(self) -> None:
        """Take a connection that another worker gave."""
        if (given := self.sharing.take()) is not None:
            accepted, received = given
            connection = self._clients.connection(accepted)
            connection.was_given = True
            self._read(connection, received)

    def _read(self, connection: Connection, received: bytes = b"") -> None:
        """Read the available data of a connection, and run a complete request."""
        self._latest = connection
        try:
            if received:
                connection.take(received)
            connection.receive(self._idle_s)
        except RefusedError as refusal:
            connection.refusal = refusal.status  # sent after the complete requests before it
        except OSError:
            self._clients.close(connection)
            return
        self._go_on(connection)

    def _go_on(self, connection: Connection) -> None:
        """Run the next complete request of a connection, or wait for more data."""
        # Also if the client has closed its sending side: it may still read.
        while (request := connection.next_request()) is not None:
            if not self._runs_beside(request):
                self._run(connection, request)
                return
            # A loop, not recursion: a client may have sent thousands of requests at once.
            (stays_open,) = self._answering.answer([(connection, request)], keeps=self.alive)
            if not stays_open:
                self._clients.close(connection)
                return
        if connection.refusal is not None:
            self._clients.refuse(connection, connection.refusal)
        elif connection.is_ended:
            self._clients.close(connection)
        elif not (connection.has_begun and self._passes_on(connection)):
            self._clients.register(connection)

    def _runs_beside(self, request: Request) -> bool:
        """Whether the loop answers a request immediately: without nginx, all but invocations."""
        is_invocation = request.path == contract.INVOCATIONS_PATH and request.method == "POST"
        return not self.behind_nginx and not is_invocation

    def _run(self, connection: Connection, request: Request) -> None:
        """Run a request in a thread, or add it to the next call of this loop."""
        if self._threads is None:
            self._batch.append((connection, request))
            if len(self._batch) >= self._batch_size:
                self._run_batch()
            return
        self._clients.unregister(connection)
        if not self._passes_on(connection):
            self._threads.add(connection, request)
            self._start_waiting()

    def _passes_on(self, connection: Connection) -> bool:
        """Without nginx, give a request that would have to wait here to an idle worker.

        A request is given only once, and as soon as it has begun, because a large one cannot move
        any more after more of it was read. So requests that have begun here count as running.
        """
        if self.behind_nginx or self._threads is None or connection.was_given:
            return False
        others = (other for other in self._clients.waiting if other is not connection)
        if sum(other.has_begun for other in others) < self._threads.free:
            return False
        self._clients.unregister(connection)
        return self._give(connection)

    def _give(self, connection: Connection) -> bool:
        """Give a connection to another worker; without nginx only to an idle one."""
        if self.behind_nginx:
            return connection.give(self.sharing)
        place = self.sharing.claim_idle()
        return place is not None and connection.give(self.sharing, place)

    def _run_batch(self) -> None:
        """Run the waiting requests in this loop, with one call."""
        batch, self._batch = self._batch, []
        self._occupation.enter([connection for connection, _ in batch])
        try:
            stay_open = self._answering.answer(batch, keeps=self.alive)
        finally:
            self._occupation.leave()
        for (connection, _), stays_open in zip(batch, stay_open, strict=True):
            self._finish(connection, stays_open=stays_open)

    def _wait_for_more(self) -> None:
        """Wait for more requests for the same call, for `BYOI_BATCH_WAIT_MS`."""
        end_s = time.monotonic() + self.settings.batch_wait_ms / 1000
        while self._batch and (left_s := end_s - time.monotonic()) > 0:
            waiting = {connection for connection, _ in self._batch}
            for key, _ in self._selector.select(left_s):
                if key.data is None:
                    self._happened(key)
                elif key.data not in waiting:
                    self._read(key.data)

    def _finish(self, connection: Connection, *, stays_open: bool) -> None:
        """Handle a connection whose request was answered."""
        if stays_open:
            self._go_on(connection)
        else:
            self._clients.close(connection)

    # Requests

    def _start_waiting(self) -> None:
        """Let free threads run the waiting requests."""
        if self._threads is not None:
            self._threads.start()
        self._listen()

    def _finish_all(self, threads: RequestThreads) -> None:
        """Handle the connections whose requests were answered by threads."""
        for connection, stays_open in threads.finished():
            self._finish(connection, stays_open=stays_open)
        self._ask()
        self._start_waiting()

    def _ask(self) -> None:
        """Call `ping_fn` if it is due and a request could run now."""
        if self._wellness is None or not self._wellness.is_due():
            return
        if not (self.alive and self._can_run()):
            return
        if self._threads is not None:
            if not self._is_asking:
                self._is_asking = True
                self._threads.run(self._ask_in_thread)
                self._listen()
            return
        self._occupation.enter([])
        try:
            self._ask_now()
        finally:
            self._occupation.leave()

    def _ask_in_thread(self) -> None:
        try:
            self._ask_now()
        finally:
            self._is_asking = False

    def _ask_now(self) -> None:
        """Call `ping_fn` with the deadline of a request: after it, the worker is replaced."""
        assert self._wellness is not None  # noqa: S101
        entry = self.in_flight.begin(Request({}, keep_alive=False, takes_chunks=False), None)
        try:
            self._wellness.ask()
        finally:
            self.in_flight.end(entry)

    def has_waiting(self) -> bool:
        """Whether requests wait for a thread, or connections wait to be given away."""
        if self._threads is None:
            return False
        return bool(self._threads.waiting or (self.behind_nginx and self._clients.waiting))

    def wake_up(self) -> None:
        """Wake up the loop, which then checks for changes."""
        with suppress(BlockingIOError):
            os.write(self.PIPE[1], b".")

    def _look(self) -> None:
        """Deal with connections and requests that have waited too long."""
        if os.getppid() != self.ppid:
            self.alive = False  # gunicorn's master is gone
        self._ask()
        self._clients.end_late()
        if self._threads is None:
            return
        is_replaced = not self.alive and bool(self.in_flight.split()[1])
        for waiting in list(self._threads.waiting):
            connection, _, since_s = waiting
            age_s = time.monotonic() - since_s
            if (is_replaced or age_s > _PATIENCE_S) and self._give(connection):
                self._threads.waiting.remove(waiting)
            elif self.behind_nginx:
                continue  # nginx answers at the deadline
            elif is_replaced or age_s > self.settings.answer_timeout_s:
                self._threads.waiting.remove(waiting)
                self._clients.refuse(connection, statuses.BUSY_STATUS, statuses.BUSY)

    def give_away(self, *, everything: bool) -> None:
        """Give the connections that wait for this loop to another worker.

        Called by another thread, while the loop is inside a request.

        Args:
            everything: Also connections that have waited only for a short time, because this
                worker ends.
        """
        if self._threads is not None:
            return
        with self._occupation.held(-1.0 if everything else _PATIENCE_S) as current:
            if current is not None:
                self._clients.give_away(current, everything=everything)

    def _drain(self) -> None:
        """Answer the requests in flight, and accept no more."""
        self._listen()
        end_s = time.monotonic() + float(self.cfg.graceful_timeout)
        while time.monotonic() < end_s:
            self._clients.see_out()
            if not self._clients.waiting and (self._threads is None or self._threads.is_idle):
                return
            self._turn(_PATIENCE_S)
