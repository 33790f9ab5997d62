"""Run requests through the application, each with a deadline and a log line.

No exception that is raised here ends a worker.
"""

import functools
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from byoi.server import statuses
from byoi.server.application import Application
from byoi.server.connections import Connection
from byoi.server.gunicorn_log import JsonLogger
from byoi.server.in_flight import InFlight, Processing
from byoi.server.readiness import Readiness
from byoi.server.requests import Request
from byoi.server.responses import Response, write_error
from byoi.server.settings import Settings
from byoi.server.streams import PROCESSING

_log = logging.getLogger("gunicorn.error")


class _Exchange(NamedTuple):
    """A request, and the response that the application makes."""

    connection: Connection
    request: Request
    response: Response
    entry: Processing
    began_s: float


class Answering:
    """Answers requests with the application; safe to use from several threads.

    Args:
        application: The application with the loaded model.
        settings: The settings of the server.
        readiness: Has the files that tell nginx which requests are late.
        in_flight: Counts the requests.
        log: gunicorn's logger, which writes the access log without nginx.
        behind_nginx: Whether nginx is in front.
    """

    def __init__(  # noqa: PLR0913 - what a request meets
        self,
        application: Application,
        settings: Settings,
        readiness: Readiness,
        in_flight: InFlight,
        log: JsonLogger,
        *,
        behind_nginx: bool,
    ) -> None:
        self._application = application
        self._settings = settings
        self._readiness = readiness
        self._in_flight = in_flight
        self._log = log
        self._behind_nginx = behind_nginx

    def answer(
        self,
        batch: Sequence[tuple[Connection, Request]],
        *,
        keeps: bool,
        let_go: Callable[[], None] | None = None,
    ) -> list[bool]:
        """Answer requests; several of them with one call of the model.

        Args:
            batch: The requests, each with its connection.
            keeps: Whether connections may stay open.
            let_go: Called when only writing to a slow client is left to do.

        Returns:
            For each connection, whether it stays open.
        """
        exchanges = [
            self._begin(connection, request, keeps, let_go) for connection, request in batch
        ]
        try:
            bodies = self._bodies(exchanges)
        except BaseException as error:  # noqa: BLE001 - the application answers what it can
            return [self._failed(one, error) for one in exchanges]
        if len(exchanges) == 1:
            return [self._send(exchanges[0], bodies[0])]
        # A stream may take minutes: send whole answers first, then all streams in parallel.
        stay_open = [False] * len(batch)
        streams = []
        for place, (one, body) in enumerate(zip(exchanges, bodies, strict=True)):
            if one.entry.stream is None:
                stay_open[place] = self._send(one, body)
            else:
                streams.append(threading.Thread(target=self._send, args=(one, body)))
        for thread in streams:
            thread.start()
        for thread in streams:
            thread.join()
        return stay_open

    def refuse(self, entry: Processing, status: int, request_id: str) -> None:
        """Answer a request with an error instead of calling the application."""
        write_error(entry.socket, status, self._settings, request_id)
        self._log.answered(status, request_id, entry.request)

    def _bodies(self, exchanges: Sequence[_Exchange]) -> list[Iterable[bytes]]:
        calls = [(one.request.environ, one.response.start_response) for one in exchanges]
        if len(calls) == 1:
            return [self._application(*calls[0])]
        return self._application.together(calls)

    def _begin(
        self,
        connection: Connection,
        request: Request,
        keeps: bool,
        let_go: Callable[[], None] | None,
    ) -> _Exchange:
        entry = self._in_flight.begin(request, connection.socket)
        response = Response(
            request,
            connection.socket,
            keeps=keeps,
            has_date=not self._behind_nginx,
            let_go=let_go and functools.partial(self._let_go, entry, let_go),
            patience_s=self._settings.body_timeout_s,
        )
        request.environ[PROCESSING] = entry
        return _Exchange(connection, request, response, entry, time.monotonic())

    def _let_go(self, entry: Processing, let_go: Callable[[], None]) -> None:
        self._in_flight.end(entry)  # the deadline does not cover writing the answer
        let_go()

    def _send(self, exchange: _Exchange, body: Any) -> bool:
        """Send a response; return whether the connection stays open."""
        response = exchange.response
        exchange.entry.is_begun = True
        try:
            response.send(body)
        except OSError as error:
            self._end(exchange)
            if isinstance(error, TimeoutError):
                _log.error(
                    "an answer was cut after %d bytes: its client took no more for a while",
                    response.sent,
                    extra={"request_id": dict(response.headers).get("X-Request-Id")},
                )
            return False  # the client has left, or the stream broke and said so
        except BaseException as error:  # noqa: BLE001 - nothing that is raised ends the worker
            return self._failed(exchange, error)
        self._end(exchange)
        if not self._behind_nginx:
            took = timedelta(seconds=time.monotonic() - exchange.began_s)
            self._log.access(response, exchange.request, exchange.request.environ, took)
        exchange.connection.answered()
        return response.is_kept

    def _failed(self, exchange: _Exchange, error: BaseException) -> bool:
        """Answer 500 if the application itself failed, or sending its response."""
        self._end(exchange)
        entry = exchange.entry
        request_id = entry.request_id if self._behind_nginx else None
        request_id = request_id or uuid.uuid4().hex
        _log.error("the server failed", exc_info=error, extra={"request_id": request_id})
        if not exchange.response.is_begun:
            self.refuse(entry, statuses.INTERNAL_ERROR, request_id)
        return False

    def _end(self, exchange: _Exchange) -> None:
        entry = exchange.entry
        self._in_flight.end(entry)
        if entry.is_marked:
            self._readiness.unmark_running(str(entry.request_id))
