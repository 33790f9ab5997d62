"""Traffic: requests sent in the background while something else happens, and their plots."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from byoi import _canvas

# Pause between two requests of one thread: on two cores another endpoint may be starting.
_PAUSE_S = 0.02
_BINS = 40
_FAILED_COLOUR = "#b03030"


@dataclass(frozen=True)
class Exchange:
    """One request and its answer or error.

    Attributes:
        at_s: When it was sent, in seconds since the start of the traffic.
        took_s: Seconds from sending to the whole answer.
        answer: The answer, None if the request failed.
        error: The failure, None if the request was answered.
    """

    at_s: float
    took_s: float
    answer: Any = None
    error: Exception | None = None


@dataclass
class Traffic:
    """The requests that have ended so far.

    Attributes:
        exchanges: In the order in which they ended.
    """

    exchanges: list[Exchange] = field(default_factory=list)

    @property
    def failures(self) -> list[Exception]:
        """The errors in the order of `exchanges`; empty if every request was answered."""
        return [one.error for one in self.exchanges if one.error is not None]


@contextlib.contextmanager
def going_on(ask: Callable[[], Any], *, threads: int = 2) -> Iterator[Traffic]:
    """Send requests during this context, and wait for those in flight at its end.

    Args:
        ask: Sends one request and returns its answer; called by several threads. Any exception
            counts as a failure of that request and does not stop the traffic.
        threads: Number of requests in flight at once.
    """
    traffic, is_over, started_s = Traffic(), threading.Event(), time.perf_counter()

    def send() -> None:
        while not is_over.wait(_PAUSE_S):
            at_s = time.perf_counter()
            answer, failed = None, None
            try:
                answer = ask()
            except Exception as error:  # noqa: BLE001 - failures are counted, not raised
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


def latency_histogram(took_s: Sequence[float]) -> Any:
    """Draw the latency of requests, with the median and the 99th percentile.

    Args:
        took_s: Seconds of each request, at least one.

    Returns:
        A matplotlib figure; times in milliseconds.
    """
    ordered_ms = sorted(one * 1000 for one in took_s)
    figure = _canvas.empty(width_in=7, height_in=3.2)
    axes = figure.subplots()
    axes.hist(ordered_ms, bins=_BINS, color=_canvas.LIGHT)
    for share, style in ((0.5, "-"), (0.99, "--")):
        value_ms = ordered_ms[min(int(share * len(ordered_ms)), len(ordered_ms) - 1)]
        axes.axvline(
            value_ms,
            color=_canvas.DARK,
            linestyle=style,
            label=f"p{share * 100:.0f} {value_ms:.1f} ms",
        )
    axes.set(title=f"{len(ordered_ms)} requests, one at a time", xlabel="ms", ylabel="requests")
    axes.legend(frameon=False)
    _canvas.tidy(axes)
    return figure


def timeline(exchanges: Sequence[Exchange], *, label: str) -> Any:
    """Draw each answer at the time of its request, and failures as crosses at 0.

    Args:
        exchanges: Requests whose answers are numbers.
        label: Name of these numbers.

    Returns:
        A matplotlib figure.
    """
    figure = _canvas.empty(width_in=7, height_in=3.2)
    axes = figure.subplots()
    answered = [one for one in exchanges if one.error is None]
    failed = [one for one in exchanges if one.error is not None]
    axes.plot(
        [one.at_s for one in answered],
        [one.answer for one in answered],
        linestyle="none",
        marker=".",
        color=_canvas.DARK,
        label=f"{len(answered)} answered",
    )
    axes.plot(
        [one.at_s for one in failed],
        [0.0] * len(failed),
        linestyle="none",
        marker="x",
        color=_FAILED_COLOUR,
        label=f"{len(failed)} failed",
    )
    axes.set(xlabel="seconds", ylabel=label)
    axes.legend(frameon=False)
    _canvas.tidy(axes)
    return figure
