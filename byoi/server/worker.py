"""gunicorn's threaded worker, with readiness, deadlines and JSON errors.

Three things gunicorn does not do: tell others when a worker has loaded its model
and still serves, end a worker whose model never returns, and answer its own
errors in JSON. A load failure is left for the supervisor to print, once.

Source: gunicorn 27, workers/gthread.py and workers/base.py.

The requests a worker is processing now, and which of them are past their deadline.

What gunicorn refuses by itself, answered as every other error is: in JSON.

Source: gunicorn 27, http/errors.py and workers/base.py (`handle_error`).
"""

import logging
import os
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from gunicorn.arbiter import Arbiter
from gunicorn.http import errors as http_errors
from gunicorn.workers.gthread import ThreadWorker

from byoi import errors
from byoi.server import logs, statuses
from byoi.server.readiness import Readiness
from byoi.server.settings import Settings


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


# What gunicorn's parser raises for a client's fault; the rest are ours, 500.
CLIENT_FAULTS: dict[type[Exception], int] = {
    http_errors.LimitRequestHeaders: 431,
    http_errors.LimitRequestLine: 414,
    http_errors.ExpectationFailed: 417,
    http_errors.UnsupportedTransferCoding: 501,
    http_errors.InvalidHTTPVersion: 505,
    http_errors.InvalidResponseHeader: 500,
    http_errors.InvalidResponseHeaderName: 500,
    http_errors.ConfigurationProblem: 500,
    http_errors.ParseException: 400,
}


def status_of(error: Exception) -> int:
    """Return the status of what gunicorn's parser raised; 500 for anything else."""
    return next((CLIENT_FAULTS[kind] for kind in type(error).__mro__ if kind in CLIENT_FAULTS), 500)


def request_id_of(request: Any) -> str | None:
    """Return the request id nginx gave, None where there is none."""
    headers = getattr(request, "headers", None) or []
    return next((value for name, value in headers if name == "X-REQUEST-ID"), None)


def send_error(socket: Any, status: int, settings: Settings, request_id: str) -> None:
    """Write a whole error response to a connection that then closes."""
    name, message = statuses.ERRORS[status]
    body = statuses.body(name, message.format_map(vars(settings)), request_id)
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"X-Request-Id: {request_id}\r\n\r\n"
    )
    with suppress(OSError):  # the client may have left
        socket.settimeout(1.0)
        socket.sendall(head.encode("ascii") + body)


# nginx answers 504 at the deadline; the worker acts after it, so that no 502 overtakes that.
AFTER_NGINX_S = 1.0
_BEAT_S = 0.5
_LOOK_S = 0.05
_LINGER_S = 10.0

_log = logging.getLogger("gunicorn.error")


class Worker(ThreadWorker):  # type: ignore[misc] # gunicorn ships no types
    """The class that gunicorn.conf.py names as `worker_class`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.settings = Settings.from_environ(os.environ)
        self.readiness = Readiness(Path(os.environ["BYOI_STATE_DIR"]))
        self.behind_nginx = self.settings.proxy != "off"
        slack_s = AFTER_NGINX_S if self.behind_nginx else 0.0
        self.in_flight = InFlight(self.settings.invocation_timeout_s + slack_s)
        self._next_beat_s = float("inf")

    def load_wsgi(self) -> None:
        """Load the application and its model; leave the reason and end where that fails."""
        try:
            with self._kept_alive():
                super().load_wsgi()
        except BaseException as error:  # noqa: BLE001 - also a module that calls sys.exit()
            self.readiness.fail(failure_line(error, self.settings))
            sys.exit(Arbiter.WORKER_BOOT_ERROR)

    @contextmanager
    def _kept_alive(self) -> Iterator[None]:
        """Keep gunicorn's timeout away while a large model loads."""
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

    def run(self) -> None:
        """Serve until told to stop; from here on the worker counts as ready."""
        self._next_beat_s = 0.0
        threading.Thread(target=self._watch, daemon=True).start()
        super().run()

    def notify(self) -> None:
        """Tell gunicorn and the supervisor that the loop which takes requests is alive."""
        super().notify()
        now_s = time.monotonic()
        if self.alive and now_s >= self._next_beat_s:
            self._next_beat_s = now_s + _BEAT_S
            self.readiness.beat(self.pid)

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Process one request, counted as in flight until its response is written."""
        if self.behind_nginx:
            with self.in_flight.track(req, conn.sock):
                return super().handle_request(req, conn)
        conn.sock.settimeout(self.settings.body_timeout_s)  # which nginx does otherwise
        with self.in_flight.track(req, conn.sock):
            keep = super().handle_request(req, conn)
        # A client that still sends a refused body reads the answer after it; a connection
        # closed under it would be an error of the network instead.
        end_s = time.monotonic() + _LINGER_S
        conn.parser.finish_body(deadline=end_s, max_bytes=4 * self.settings.body_limit_bytes)
        return keep

    def _watch(self) -> None:
        """Wait for a request past its deadline, then see the worker out."""
        while not self.in_flight.split()[1]:
            time.sleep(_LOOK_S)
        self.alive = False  # no more requests are taken
        self.readiness.forget(self.pid)
        self.method_queue.defer(lambda: None)  # wakes the loop, which then stops accepting
        told: set[Processing] = set()
        settled_s = time.monotonic() + 2 * AFTER_NGINX_S
        while True:
            on_time, overdue = self.in_flight.split()
            for processing in overdue - told:
                self._give_up(processing)
            told |= overdue
            accepted = self.nr_conns > len(overdue) and time.monotonic() < settled_s
            if not on_time and not accepted:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(0)  # its threads never end; gunicorn starts another worker
            time.sleep(_LOOK_S)

    def _give_up(self, processing: Processing) -> None:
        request_id = request_id_of(processing.request) or uuid.uuid4().hex
        timeout_s = self.settings.invocation_timeout_s
        _log.error(
            "%s did not answer within %g s; worker %s is replaced",
            self.settings.inference_module, timeout_s, self.pid,
            extra={"request_id": request_id},
        )  # fmt: skip
        if not self.behind_nginx:
            send_error(processing.socket, 504, self.settings, request_id)
            self.log.answered(504, request_id, processing.request)

    def handle_error(self, req: Any, client: Any, _addr: Any, exc: Exception) -> None:
        """Answer, in JSON, what gunicorn itself refuses or fails at."""
        status = status_of(exc)
        given = request_id_of(req) if self.behind_nginx else None
        request_id = given or uuid.uuid4().hex
        if status == statuses.INTERNAL_ERROR:
            _log.error("gunicorn failed", exc_info=exc, extra={"request_id": request_id})
        send_error(client, status, self.settings, request_id)
        self.log.answered(status, request_id, req)


def failure_line(error: BaseException, settings: Settings) -> str:
    """Return the one log line for a model that cannot be loaded.

    An error of byoi_lib says itself what is wrong and what to do; of any other
    the line tells the type, the text and where it was raised.
    """
    if isinstance(error, errors.ByoiError):
        return logs.line("error", str(error))
    return logs.line(
        "error",
        f"{settings.inference_module} cannot load {settings.model_directory()}: "
        f"{type(error).__name__}: {error}; the traceback shows where, "
        "BYOI_MODEL_DIR and BYOI_INFERENCE_MODULE choose others",
        traceback="".join(traceback.format_exception(error)),
    )
