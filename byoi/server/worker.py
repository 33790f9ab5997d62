"""gunicorn's threaded worker, with readiness, deadlines and JSON errors.

Adds what gunicorn lacks: a worker reports that it has loaded its model and still serves, is
replaced if a request passes its deadline, and answers gunicorn's own errors in JSON like all
others. The supervisor prints the reason of a failed load, once.

Source: gunicorn 27, workers/gthread.py, workers/base.py (`handle_error`) and http/errors.py.
"""

import logging
import os
import socket
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from gunicorn.arbiter import Arbiter
from gunicorn.http import errors as http_errors
from gunicorn.workers.gthread import ThreadWorker

from byoi import contract, errors
from byoi.server import inference_module, logs, statuses, tracebacks
from byoi.server.readiness import Readiness
from byoi.server.settings import THREADS_VARIABLE, Settings
from byoi.server.streams import PROCESSING, Stream
from byoi.server.turns import Turns

# Status of each error of gunicorn's parser; any other error is the server's, 500.
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

# nginx answers 504 at the deadline; the worker acts later, so that no 502 comes first.
AFTER_NGINX_S = 1.0
_BEAT_S = 0.5
# How long before its deadline a request is marked as running.
_MARGIN_S = 1.0
_LOOK_S = 0.05
_LINGER_S = 10.0
# Without nginx: requests that a worker reads beside those it runs; /ping is one of them.
_WAITING = 256
# Time in which a worker that has a thread to spare accepts a connection before a busy one does.
_COURTESY_S = 0.02

_log = logging.getLogger("gunicorn.error")


@dataclass(eq=False)
class Processing:
    """One request in a thread of the worker.

    Attributes:
        request: gunicorn's request object.
        socket: The connection of its response.
        since_s: Start of the processing, in seconds on the clock of `InFlight`.
        stream: Set by the application when the response has begun and is sent in pieces.
        is_marked: Whether `Readiness.mark_running` has been called for it.
    """

    request: Any
    socket: Any
    since_s: float
    stream: Stream | None = None
    is_marked: bool = False

    @property
    def sent_s(self) -> float | None:
        """When nginx sent it, seconds since the epoch; None without nginx."""
        sent = header_of(self.request, "X-BYOI-SENT")
        return None if sent is None else float(sent)


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

    @contextmanager
    def track(self, request: Any, socket: Any) -> Iterator[Processing]:
        """Count a request as in flight until its response is written."""
        entry = Processing(request, socket, self._clock())
        with self._lock:
            self._processing.add(entry)
        try:
            yield entry
        finally:
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


class Worker(ThreadWorker):  # type: ignore[misc] # gunicorn ships no types
    """The `worker_class` of gunicorn_conf.py."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.settings = Settings.from_environ(os.environ)
        self.readiness = Readiness(Path(os.environ["BYOI_STATE_DIR"]))
        self.behind_nginx = self.settings.proxy != "off"
        slack_s = AFTER_NGINX_S if self.behind_nginx else 0.0
        self.in_flight = InFlight(self.settings.invocation_timeout_s + slack_s)
        # nginx waits that long between two reads, see nginx.conf.in.
        self._keep_alive_s = self.settings.invocation_timeout_s / 3
        self._next_beat_s = float("inf")
        self._of_thread = threading.local()
        self._turns = Turns(self.cfg.threads)
        # Connections whose first request is not read yet; it may want the last turn.
        self._new: set[Any] = set()

    def load_wsgi(self) -> None:
        """Load the application and its model; on failure, write the reason and exit."""
        try:
            with self._kept_alive():
                super().load_wsgi()
            self._take_threads(self.wsgi.config[THREADS_VARIABLE])
            self.wsgi: Any = self._with_processing(self.wsgi)
        except BaseException as error:  # noqa: BLE001 - also a module that calls sys.exit()
            write = failure_text if sys.stderr.isatty() else failure_line
            self.readiness.fail(write(error, self.settings))
            sys.exit(Arbiter.WORKER_BOOT_ERROR)

    def _with_processing(self, application: Any) -> Any:
        """Let the application tell the worker that it has begun to stream."""

        def call(environ: dict[str, Any], start_response: Any) -> Any:
            environ[PROCESSING] = self._of_thread.processing
            return application(environ, start_response)

        return call

    def _take_threads(self, threads: int) -> None:
        """Serve as many requests at once as the module asks for, known only now."""
        if threads == self.cfg.threads:
            return
        self.cfg.set("threads", threads)
        self._turns = Turns(threads)
        self.tpool.shutdown(wait=False)
        self.tpool: Any = self.get_thread_pool()
        if self.behind_nginx:  # as in gunicorn_conf.py
            self.worker_connections = threads
        self.max_keepalived = self.worker_connections - threads

    def get_thread_pool(self) -> Any:
        """Return the threads that read requests: without nginx, more than run an invocation."""
        waiting = 0 if self.behind_nginx else _WAITING
        return ThreadPoolExecutor(max_workers=self.cfg.threads + waiting)

    def accept(self, listener: Any) -> None:
        """Accept a connection; without nginx, let a worker that is free be the first."""
        if not self.behind_nginx and (self._new or not self._turns.is_free()):
            time.sleep(_COURTESY_S)
        super().accept(listener)

    def enqueue_req(self, conn: Any) -> None:
        """Let a thread read a request."""
        if not conn.initialized:
            self._new.add(conn)
        super().enqueue_req(conn)

    def finish_request(self, conn: Any, fs: Any) -> None:
        """End a request."""
        self._new.discard(conn)
        super().finish_request(conn, fs)

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

    def run(self) -> None:
        """Serve until stopped; from here on the worker counts as ready."""
        self._next_beat_s = 0.0
        threading.Thread(target=self._watch, daemon=True).start()
        super().run()

    def notify(self) -> None:
        """Report to gunicorn and the supervisor that the loop that accepts requests is alive."""
        super().notify()
        now_s = time.monotonic()
        if self.alive and now_s >= self._next_beat_s:
            self._next_beat_s = now_s + _BEAT_S
            self.readiness.beat(self.pid)

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Process one request, counted as in flight until its response is written."""
        if self.behind_nginx:
            return self._process(req, conn)
        conn.sock.settimeout(self.settings.body_timeout_s)  # nginx does this if it is in front
        # As Flask reads the path; other methods are refused without the module.
        is_invocation = unquote(req.path or "") == contract.INVOCATIONS_PATH
        if not is_invocation or req.method != "POST":
            keep = self._process(req, conn)
        elif self._turns.take(self.settings.invocation_timeout_s):
            self._new.discard(conn)
            try:
                keep = self._process(req, conn)
            finally:
                self._turns.give_back()
        else:
            request_id, keep = uuid.uuid4().hex, False
            send_error(conn.sock, 503, self.settings, request_id, statuses.BUSY)
            self.log.answered(503, request_id, req)
        # A client reads the answer after it has sent the whole body, also a refused one; closing
        # the connection before would be a network error to it.
        end_s = time.monotonic() + _LINGER_S
        conn.parser.finish_body(deadline=end_s, max_bytes=4 * self.settings.body_limit_bytes)
        return keep

    def _process(self, req: Any, conn: Any) -> Any:
        with self.in_flight.track(req, conn.sock) as processing:
            self._of_thread.processing = processing
            try:
                return super().handle_request(req, conn)
            except (Exception, SystemExit):
                raise  # gunicorn knows these
            except BaseException as error:
                # In gunicorn's loop it would end the worker, and KeyboardInterrupt all of them.
                raise RuntimeError(f"a request raised {type(error).__name__}") from error
            finally:
                if processing.is_marked:
                    self.readiness.unmark_running(str(request_id_of(req)))

    def _watch(self) -> None:
        """Wait for a request past its deadline, then drain the worker and exit."""
        while not self._look()[1]:
            time.sleep(_LOOK_S)
        self.alive = False  # accept no more requests
        self._turns.close()
        self.readiness.forget(self.pid)
        self.method_queue.defer(lambda: None)  # wakes the loop, which then stops accepting
        given_up: set[Processing] = set()
        settled_s = time.monotonic() + 2 * AFTER_NGINX_S
        # Other requests reach their own deadline by then; a stream could hold the worker longer.
        end_s = settled_s + self.settings.invocation_timeout_s + 2 * AFTER_NGINX_S
        while True:
            on_time, overdue = self._look()
            for processing in overdue - given_up:
                self._give_up(processing)
            given_up |= overdue
            accepted = self.nr_conns > len(overdue) and time.monotonic() < settled_s
            if (not on_time and not accepted) or time.monotonic() > end_s:
                for stream in (processing.stream for processing in on_time):
                    if stream is not None:
                        _log.error(
                            "a stream was cut: a request beside it is stuck, and worker %s is "
                            "replaced",
                            self.pid,
                            extra={"request_id": stream.request_id},
                        )
                # nginx has answered them by now.
                for processing in given_up:
                    self.readiness.unmark_running(str(request_id_of(processing.request)))
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(0)  # its threads never return; gunicorn starts another worker
            time.sleep(_LOOK_S)

    def _look(self) -> tuple[set[Processing], set[Processing]]:
        """Return the requests as `InFlight.split` does, and tell nginx what it must know."""
        on_time, overdue = self.in_flight.split()
        if self.behind_nginx:
            for processing in on_time:
                if (stream := processing.stream) is not None:
                    stream.keep_alive(processing.socket, self._keep_alive_s)
                elif not processing.is_marked:
                    self._mark_if_late(processing)
        return on_time, overdue

    def _mark_if_late(self, processing: Processing) -> None:
        """Shortly before its deadline, tell nginx that the request runs: 504, and not 503."""
        sent_s, request_id = processing.sent_s, request_id_of(processing.request)
        late_s = time.time() + _MARGIN_S - self.settings.invocation_timeout_s
        if sent_s is not None and request_id is not None and sent_s < late_s:
            processing.is_marked = True
            self.readiness.mark_running(request_id)

    def _give_up(self, processing: Processing) -> None:
        stream, settings = processing.stream, self.settings
        given = stream.request_id if stream else request_id_of(processing.request)
        request_id = given or uuid.uuid4().hex
        _log.error(
            "%s did not %s within %g s; worker %s is replaced",
            settings.module(),
            "end its stream" if stream else "answer",
            stream.timeout_s if stream else settings.invocation_timeout_s,
            self.pid,
            extra={"request_id": request_id},
        )
        if stream:
            with suppress(OSError):  # the client may have left
                processing.socket.shutdown(socket.SHUT_RDWR)
        elif not self.behind_nginx:
            send_error(processing.socket, 504, self.settings, request_id)
            self.log.answered(504, request_id, processing.request)

    def handle_error(self, req: Any, client: Any, _addr: Any, exc: Exception) -> None:
        """Answer an error of gunicorn itself, in JSON."""
        status = status_of(exc)
        given = request_id_of(req) if self.behind_nginx else None
        request_id = given or uuid.uuid4().hex
        if status == statuses.INTERNAL_ERROR:
            _log.error("gunicorn failed", exc_info=exc, extra={"request_id": request_id})
        send_error(client, status, self.settings, request_id)
        self.log.answered(status, request_id, req)


def status_of(error: Exception) -> int:
    """Return the status of an error of gunicorn's parser; 500 for any other error."""
    return next((CLIENT_FAULTS[kind] for kind in type(error).__mro__ if kind in CLIENT_FAULTS), 500)


def request_id_of(request: Any) -> str | None:
    """Return the request id that nginx assigned, None if there is none."""
    return header_of(request, "X-REQUEST-ID")


def header_of(request: Any, wanted: str) -> str | None:
    """Return a header of gunicorn's request by its name in capitals, None without."""
    headers = getattr(request, "headers", None) or []
    return next((value for name, value in headers if name == wanted), None)


def send_error(
    socket: Any,
    status: int,
    settings: Settings,
    request_id: str,
    error: tuple[str, str] | None = None,
) -> None:
    """Write a complete error response to a connection that is then closed.

    Args:
        socket: Of the connection.
        status: HTTP status.
        settings: Whose values stand in the message.
        request_id: Of the response and its body.
        error: Name and message, by default those of the status.
    """
    name, message = error or statuses.ERRORS[status]
    body = statuses.body(name, message.format_map(vars(settings)), request_id)
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"X-Request-Id: {request_id}\r\n\r\n"
    )
    with suppress(OSError):  # the client may have left
        socket.settimeout(1.0)
        socket.sendall(head.encode("ascii") + body)


def failure_line(error: BaseException, settings: Settings) -> str:
    """Return the one log line for a model that cannot be loaded.

    A deliberate error says itself what is wrong and what to do; of any other the line has the
    type, the text and the traceback.
    """
    if isinstance(error, errors.ByoiError):
        return logs.line("error", str(error))
    return logs.line(
        "error", _failure(error, settings), traceback="".join(traceback.format_exception(error))
    )


def failure_text(error: BaseException, settings: Settings) -> str:
    """Return the same for a terminal: the user's own frames first."""
    if isinstance(error, errors.ByoiError):
        return logs.text("error", str(error))
    folders = inference_module.folders_of(settings)
    return (
        logs.text("error", _failure(error, settings)) + tracebacks.readable(error, folders) + "\n"
    )


def _failure(error: BaseException, settings: Settings) -> str:
    return (
        f"{settings.module()} cannot load {settings.model_directory()}: "
        f"{type(error).__name__}: {error}; the traceback shows where, "
        "BYOI_MODEL_DIR and BYOI_INFERENCE_MODULE choose others"
    )
