"""Traffic as plots: how long answers took, and what was answered when."""

from collections.abc import Sequence
from typing import Any

from byoi_lib import canvas
from byoi_lib.traffic import Exchange

_BINS = 40


def latency_histogram(took_s: Sequence[float]) -> Any:
    """Draw how long requests took, with the median and the slowest one in a hundred.

    Args:
        took_s: Seconds of each request.

    Returns:
        A matplotlib figure; times in milliseconds.
    """
    ordered_ms = sorted(one * 1000 for one in took_s)
    figure = canvas.empty(width_in=7, height_in=3.2)
    axes = figure.subplots()
    axes.hist(ordered_ms, bins=_BINS, color=canvas.LIGHT)
    for share, style in ((0.5, "-"), (0.99, "--")):
        value_ms = ordered_ms[min(int(share * len(ordered_ms)), len(ordered_ms) - 1)]
        axes.axvline(
            value_ms,
            color=canvas.DARK,
            linestyle=style,
            label=f"p{share * 100:.0f} {value_ms:.1f} ms",
        )
    axes.set(title=f"{len(ordered_ms)} requests, one at a time", xlabel="ms", ylabel="requests")
    axes.legend(frameon=False)
    canvas.tidy(axes)
    return figure


def timeline(exchanges: Sequence[Exchange], *, label: str) -> Any:
    """Draw each answer at the time it was asked for, and failures as crosses on the ground.

    Args:
        exchanges: Their answers are numbers.
        label: What these numbers are.

    Returns:
        A matplotlib figure.
    """
    figure = canvas.empty(width_in=7, height_in=3.2)
    axes = figure.subplots()
    answered = [one for one in exchanges if one.error is None]
    failed = [one for one in exchanges if one.error is not None]
    axes.plot(
        [one.at_s for one in answered],
        [one.answer for one in answered],
        linestyle="none",
        marker=".",
        color=canvas.DARK,
        label=f"{len(answered)} answered",
    )
    axes.plot(
        [one.at_s for one in failed],
        [0.0] * len(failed),
        linestyle="none",
        marker="x",
        color="#b03030",
        label=f"{len(failed)} failed",
    )
    axes.set(xlabel="seconds", ylabel=label)
    axes.legend(frameon=False)
    canvas.tidy(axes)
    return figure
