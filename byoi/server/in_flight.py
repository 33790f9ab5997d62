"""The requests that a worker processes, and the thread that watches them.

The thread runs beside the worker's loop, which may be inside a model function for a minute. It
sends heartbeats, tells nginx which requests will be late, gives connections that wait for a busy
worker to another one, and ends a worker that has a request past its deadline.
"""

import logging
import os
import signal
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from byoi.server.application import GIVEN_ID, SENT
from byoi.server.readiness import Readiness
from byoi.server.requests import Request
from byoi.server.settings import Settings
from byoi.server.streams import Stream

# nginx answers 504 at the deadline; the worker ends later, so that the client gets no 502.
AFTER_NGINX_S = 1.0
_BEAT_S = 0.5
# How long before its deadline a request is marked as running.
_MARGIN_S = 1.0
_LOOK_S = 0.05
# Time for the worker's loop to deal with waiting requests: several times its interval.
_SETTLING_S = 0.3

_log = logging.getLogger("gunicorn.error")


@dataclass(eq=False)
class Processing:
    """One request that the application answers.

    Attributes:
        request: The request.
        socket: The connection of its response; None for a call of `ping_fn`.
        since_s: Start of the processing, in seconds on the clock of `InFlight`.
        stream: Set by the application when a response in pieces has begun.
        is_begun: Whether a part of the response may have been sent.
        is_marked: Whether `Readiness.mark_running` has been called for it.
    """

    request: Request
    socket: Any
    since_s: float
    stream: Stream | None = None
    is_begun: bool = False
    is_marked: bool = False

    @property
    def sent_s(self) -> float | None:
        """When nginx sent it, seconds since the epoch; None without nginx."""
        sent = self.request.environ.get(SENT)
        return None if sent is None else float(sent)

    @property
    def request_id(self) -> str | None:
        """The id that nginx gave it; None without nginx."""
        request_id: str | None = self.request.environ.get(GIVEN_ID)
        return request_id


class InFlight:
    """The requests that a worker is processing; safe to use from all of its threads.

    Args:
        timeout_s: Deadline of a request, in seconds from its start.
        slack_s: Seconds that a stream gets beyond its own deadline, to end itself.
        clock: Returns seconds.
    """

    def __init__(
        self,
        timeout_s: float,
        *,
        slack_s: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._timeout_s = timeout_s
        self._slack_s = slack_s
        self._clock = clock
        self._lock = threading.Lock()
        self._processing: set[Processing] = set()

    def __len__(self) -> int:
        """Return the number of requests."""
        return len(self._processing)

    def begin(self, request: Request, connection: socket.socket | None) -> Processing:
        """Count a request as in flight until `end`; a call of `ping_fn` has no connection."""
        entry = Processing(request, connection, self._clock())
        with self._lock:
            self._processing.add(entry)
        return entry

    def end(self, entry: Processing) -> None:
        """Stop counting a request: its deadline no longer applies."""
        with self._lock:
            self._processing.discard(entry)

    def split(self) -> tuple[set[Processing], set[Processing]]:
        """Return the requests within their deadline, and those past it."""
        now_s = self._clock()
        with self._lock:
            overdue = {entry for entry in self._processing if self._end_s(entry) <= now_s}
            return self._processing - overdue, overdue

    def _end_s(self, entry: Processing) -> float:
        if (stream := entry.stream) is None:
            return entry.since_s + self._timeout_s
        return stream.since_s + stream.timeout_s + self._slack_s


class Watched(Protocol):
    """The part of a worker that the watching thread needs."""

    pid: int
    alive: bool

    def notify(self) -> None:
        """Send a heartbeat to gunicorn's master."""

    def give_away(self, *, everything: bool) -> None:
        """Give waiting connections to another worker."""

    def has_waiting(self) -> bool:
        """Whether the loop still has to refuse requests, or to give connections away."""

    def wake_up(self) -> None:
        """Wake up the loop, so that it notices that the worker ends."""


class Watch:
    """The thread that watches the requests of a worker.

    Args:
        worker: The worker.
        in_flight: The requests of the worker.
        readiness: Has the heartbeat file of the worker.
        settings: Deadlines.
        refuse: Answers a request with an error status instead of the application.
        silent_s: Seconds without a heartbeat after which gunicorn's master kills the worker.
        behind_nginx: Whether nginx answers at the deadline.
    """

    def __init__(  # noqa: PLR0913 - keywords of what it watches
        self,
        worker: Watched,
        in_flight: InFlight,
        readiness: Readiness,
        settings: Settings,
        *,
        refuse: Callable[[Processing, int, str], None],
        silent_s: float,
        behind_nginx: bool,
    ) -> None:
        self._worker = worker
        self._in_flight = in_flight
        self._readiness = readiness
        self._settings = settings
        self._refuse = refuse
        self._silent_s = silent_s
        self._behind_nginx = behind_nginx
        # In a batch transform nginx's limit includes the wait for a worker: the worker answers.
        self._answers = settings.is_batch or not behind_nginx
        # Well below the time that nginx waits between two reads, see nginx.conf.in.
        self._keep_alive_s = settings.invocation_timeout_s / 3
        self._next_beat_s = 0.0

    def start(self) -> None:
        """Start watching until the process ends; from now on the worker counts as ready."""
        self._beat()
        self._readiness.end_replacement()
        threading.Thread(target=self._run, name="watch", daemon=True).start()

    def _run(self) -> None:
        """Wait for a request past its deadline, then drain the worker and exit."""
        seen_s = time.monotonic()
        while True:
            last_seen_s, seen_s = seen_s, time.monotonic()
            if seen_s - last_seen_s > self._silent_s:
                # gunicorn's master has given up this worker: end it without another log line.
                os.kill(os.getpid(), signal.SIGKILL)
            if self._look()[1]:
                break
            self._beat()
            self._worker.give_away(everything=False)
            time.sleep(_LOOK_S)
        self._worker.alive = False  # accept no more requests
        self._readiness.replace(self._worker.pid)
        self._worker.wake_up()
        given_up: set[Processing] = set()
        # In this time the loop refuses waiting requests, or gives them to another worker.
        settled_s = time.monotonic() + _SETTLING_S
        # By then other requests have reached their own deadline; only a stream could last longer.
        end_s = time.monotonic() + self._settings.invocation_timeout_s + 4 * AFTER_NGINX_S
        while True:
            self._worker.notify()
            self._worker.give_away(everything=True)
            on_time, overdue = self._look()
            for entry in overdue - given_up:
                self._give_up(entry)
            given_up |= overdue
            waits = self._worker.has_waiting() and time.monotonic() < settled_s
            if (not on_time and not waits) or time.monotonic() > end_s:
                self._end(on_time, given_up)
            time.sleep(_LOOK_S)

    def _end(self, on_time: set[Processing], given_up: set[Processing]) -> None:
        for stream in (entry.stream for entry in on_time):
            if stream is not None:
                _log.error(
                    "a stream was closed: another request in worker %s hangs, and the worker is "
                    "replaced",
                    self._worker.pid,
                    extra={"request_id": stream.request_id},
                )
        # nginx has answered these requests by now.
        for entry in given_up:
            self._readiness.unmark_running(str(entry.request_id))
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)  # the thread of the hanging request never returns; gunicorn replaces the worker

    def _beat(self) -> None:
        """Show gunicorn and the supervisor that the interpreter runs."""
        now_s = time.monotonic()
        if now_s >= self._next_beat_s:
            self._next_beat_s = now_s + _BEAT_S
            self._worker.notify()
            if self._worker.alive:
                with suppress(FileNotFoundError):  # state directory deleted: the supervisor stops
                    self._readiness.beat(self._worker.pid)

    def _look(self) -> tuple[set[Processing], set[Processing]]:
        """Return the result of `InFlight.split`; behind nginx, also mark late requests."""
        on_time, overdue = self._in_flight.split()
        if self._behind_nginx:
            for entry in on_time:
                if (stream := entry.stream) is not None:
                    stream.keep_alive(entry.socket, self._keep_alive_s)
                elif not entry.is_marked:
                    self._mark_if_late(entry)
        return on_time, overdue

    def _mark_if_late(self, entry: Processing) -> None:
        """Shortly before its deadline, tell nginx that a request runs, so it gets 504, not 503."""
        sent_s, request_id = entry.sent_s, entry.request_id
        late_s = time.time() + _MARGIN_S - self._settings.answer_timeout_s
        if sent_s is not None and request_id is not None and sent_s < late_s:
            entry.is_marked = True
            self._readiness.mark_running(request_id)

    def _give_up(self, entry: Processing) -> None:
        stream, settings = entry.stream, self._settings
        given = stream.request_id if stream else entry.request_id if self._behind_nginx else None
        request_id = given or uuid.uuid4().hex
        _log.error(
            "%s did not %s within %g s; worker %s is replaced",
            f"{'ping_fn of ' * (entry.socket is None)}{settings.module()}",
            "end its stream" if stream else "answer",
            stream.timeout_s if stream else settings.invocation_timeout_s,
            self._worker.pid,
            extra={"request_id": request_id},
        )
        if entry.socket is None:
            return
        if stream or entry.is_begun:
            with suppress(OSError):  # the client may have left
                entry.socket.shutdown(socket.SHUT_RDWR)
        elif self._answers:
            self._refuse(entry, 504, request_id)
