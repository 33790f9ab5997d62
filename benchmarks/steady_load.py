"""A steady load: some clients that ask again and again, and what each of them saw.

Each client keeps a connection and sends a request, waits for the answer, pauses, and so on, as
long as the load lasts; it never sends a request twice. A kept connection that the server has
closed meanwhile is made anew. Beside them /ping is asked all the time,
each with a connection of its own, as the platform does it. The answer of a worker is its process
id (`misbehaving.py`), which is how the load knows which workers answer.
"""

import collections
import contextlib
import http.client
import select
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

CLIENTS, WORKERS = 8, 2
PAUSE_S, PING_EVERY_S = 0.02, 0.05
# A client waits longer than the platform, so that it is the server that decides.
PATIENCE_S = 90.0
# The platform's, of one /ping.
PING_PATIENCE_S = 2.0
# A server is whole again once nothing failed for so long.
QUIET_S = 2.0
HOST = "127.0.0.1"
OK, REFUSED = "200", "connection refused"


@dataclass(frozen=True)
class Event:
    """One request of a client, or one /ping.

    Attributes:
        began_s: On the clock of `time.monotonic`.
        ended_s: Likewise.
        outcome: The status, or what became of the connection.
        worker: The process id that was answered; empty where the status is not 200.
    """

    began_s: float
    ended_s: float
    outcome: str
    worker: str = ""

    @property
    def took_s(self) -> float:
        """Seconds from the request to its end."""
        return self.ended_s - self.began_s


def ask(
    connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None
) -> Event:
    """Send one request over a connection, which is closed where it fails."""
    began_s = time.monotonic()
    worker = ""
    try:
        connection.request(method, path, body, {"Content-Type": "text/plain"})
        response = connection.getresponse()
        answer = response.read()
        outcome = str(response.status)
        worker = answer[:20].decode("ascii", errors="replace") if outcome == OK else ""
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        outcome = outcome_of(error)
    return Event(began_s, time.monotonic(), outcome, worker)


def was_closed(connection: http.client.HTTPConnection) -> bool:
    """Whether the server has closed a kept connection, as urllib3 and so boto3 look before use."""
    return connection.sock is not None and bool(select.select([connection.sock], [], [], 0)[0])


def ask_once(port: int, body: bytes, patience_s: float = PATIENCE_S) -> Event:
    """Send one invocation over a connection of its own."""
    connection = http.client.HTTPConnection(HOST, port, timeout=patience_s)
    try:
        return ask(connection, "POST", "/invocations", body)
    finally:
        connection.close()


def outcome_of(error: BaseException) -> str:
    """Return in words what became of a connection."""
    words: tuple[tuple[type[BaseException], str], ...] = (
        (ConnectionRefusedError, REFUSED),
        (http.client.RemoteDisconnected, "closed without an answer"),
        (http.client.IncompleteRead, "closed in the middle of an answer"),
        (ConnectionError, "connection reset"),
        (socket.timeout, "no answer in the client's time"),
    )
    named = (text for kind, text in words if isinstance(error, kind))
    return next(named, f"{type(error).__name__}")


@dataclass(frozen=True)
class Seen:
    """What the clients saw from a fault on.

    Attributes:
        outcomes: How many requests ended in which way.
        slowest_s: The longest wait for an answer.
        slowest_ping_s: The longest /ping.
        ping_down_s: From the first to the last /ping that was not 200; 0 where there was none.
        healthy_s: From the fault until nothing failed any more and all workers answered.
    """

    outcomes: collections.Counter[str]
    slowest_s: float
    slowest_ping_s: float
    ping_down_s: float
    healthy_s: float

    @property
    def lost(self) -> int:
        """Requests that were sent and got no 200; a refused connection took none."""
        return sum(self.outcomes.values()) - self.outcomes[OK] - self.outcomes[REFUSED]

    def text(self) -> str:
        """Return the outcomes, the good ones first."""
        order = sorted(self.outcomes, key=lambda name: (name != OK, name))
        return ", ".join(f"{name}: {self.outcomes[name]:,}" for name in order) or "nothing"


def seen_since(
    events: Sequence[Event], pings: Sequence[Event], fault_s: float, workers_before: Iterable[str]
) -> Seen:
    """Sum up what ended after a fault.

    Args:
        events: Of the clients.
        pings: Of /ping.
        fault_s: When the fault began.
        workers_before: The workers that answered before it.
    """
    after = [event for event in events if event.ended_s >= fault_s]
    pings = [event for event in pings if event.ended_s >= fault_s]
    bad_pings = [event.ended_s for event in pings if event.outcome != OK]
    bad = [event.ended_s for event in after if event.outcome != OK]
    # A worker that took the place of another one must have answered.
    known = set(workers_before)
    first = {}
    for event in reversed(after):
        if event.outcome == OK and event.worker not in known:
            first[event.worker] = event.ended_s
    ends_s = [*bad, *bad_pings, *first.values()]
    return Seen(
        collections.Counter(event.outcome for event in after),
        max((event.took_s for event in after), default=0.0),
        max((event.took_s for event in pings), default=0.0),
        max(bad_pings) - min(bad_pings) if bad_pings else 0.0,
        max(ends_s) - fault_s if ends_s else 0.0,
    )


class SteadyLoad:
    """The clients and /ping, as a context manager.

    Args:
        port: Of the server, on this machine.
        clients: That ask at once.
    """

    def __init__(self, port: int, clients: int = CLIENTS) -> None:
        self.events: list[Event] = []
        self.pings: list[Event] = []
        self._port = port
        self._stop = threading.Event()
        self._asks = threading.Event()
        self._asks.set()
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]
        self._threads.append(threading.Thread(target=self._ping))

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._asks.set()
        for thread in self._threads:
            thread.join()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Send no request for a while; /ping is asked all the same."""
        self._asks.clear()
        try:
            yield
        finally:
            self._asks.set()

    def workers(self, last_s: float = QUIET_S) -> set[str]:
        """Return the workers that answered within the last seconds."""
        return {event.worker for event in self._recent(last_s) if event.outcome == OK}

    def wait_until_whole(self, limit_s: float, workers: int = WORKERS) -> bool:
        """Wait until all answers and pings of some seconds are 200 and come from all workers.

        Returns:
            Whether that was so within `limit_s` seconds.
        """
        began_s = time.monotonic()
        while time.monotonic() - began_s < limit_s:
            recent = self._recent(QUIET_S) + self._recent(QUIET_S, self.pings)
            is_well = {event.outcome for event in recent} == {OK}
            is_old = time.monotonic() - began_s > QUIET_S
            if is_old and is_well and len(self.workers()) >= workers:
                return True
            time.sleep(PING_EVERY_S)
        return False

    def _recent(self, last_s: float, events: list[Event] | None = None) -> list[Event]:
        since_s = time.monotonic() - last_s
        found = []
        for event in reversed(self.events if events is None else events):
            if event.ended_s < since_s:
                break
            found.append(event)
        return found

    def _ask(self) -> None:
        connection = http.client.HTTPConnection(HOST, self._port, timeout=PATIENCE_S)
        while not self._stop.is_set():
            if was_closed(connection):
                connection.close()
            self.events.append(ask(connection, "POST", "/invocations", b"work"))
            self._stop.wait(PAUSE_S)
            self._asks.wait()
        connection.close()

    def _ping(self) -> None:
        while not self._stop.is_set():
            connection = http.client.HTTPConnection(HOST, self._port, timeout=PING_PATIENCE_S)
            self.pings.append(ask(connection, "GET", "/ping"))
            connection.close()
            self._stop.wait(PING_EVERY_S)
