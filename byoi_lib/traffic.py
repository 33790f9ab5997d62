"""Requests that go on while something else happens, and what became of each of them."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

# Between two requests of one thread: an endpoint on two cores must also start another.
_PAUSE_S = 0.02


@dataclass(frozen=True)
class Exchange:
    """One request and what came back.

    Attributes:
        at_s: When it was sent, in seconds from the traffic's start.
        took_s: Seconds until the answer was there.
        answer: What was answered, None where it failed.
        error: Why it failed, None where it did not.
    """

    at_s: float
    took_s: float
    answer: Any = None
    error: Exception | None = None


@dataclass
class Traffic:
    """What was sent so far.

    Attributes:
        exchanges: In the order of their ends.
    """

    exchanges: list[Exchange] = field(default_factory=list)

    @property
    def failures(self) -> list[Exception]:
        """The errors, in the order they came; empty where every request was answered."""
        return [one.error for one in self.exchanges if one.error is not None]


@contextlib.contextmanager
def going_on(ask: Callable[[], Any], *, threads: int = 2) -> Iterator[Traffic]:
    """Send requests all through this context, and finish those in flight at its end.

    Args:
        ask: Sends one request and returns its answer; whatever it raises is a failure of
            that request and stops nothing. Called by several threads.
        threads: How many requests are in flight at once.
    """
    traffic, is_over, started_s = Traffic(), threading.Event(), time.perf_counter()

    def send() -> None:
        while not is_over.wait(_PAUSE_S):
            at_s = time.perf_counter()
            answer, failed = None, None
            try:
                answer = ask()
            except Exception as error:  # noqa: BLE001 - which ones there are is the question
                failed = error
            took_s = time.perf_counter() - at_s
            traffic.exchanges.append(Exchange(at_s - started_s, took_s, answer, failed))

    senders = [threading.Thread(target=send, name="traffic") for _ in range(threads)]
    for sender in senders:
        sender.start()
    try:
        yield traffic
    finally:
        is_over.set()
        for sender in senders:
            sender.join()
