"""Figures that a notebook shows and a script saves, in the look all plots here have."""

import io
from typing import Any

LIGHT, DARK, GREY = "#7a9cc6", "#1f3b63", "#8a8a8a"
_DOTS_PER_INCH = 120


def empty(width_in: float, height_in: float = 4) -> Any:
    """Return an empty matplotlib figure that belongs to no window and no global list."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - loads fonts

    class Plot(Figure):
        """A figure that a notebook shows as it is, without pyplot's setup."""

        def _repr_png_(self) -> bytes:
            content = io.BytesIO()
            self.savefig(content, format="png")
            return content.getvalue()

    return Plot(figsize=(width_in, height_in), dpi=_DOTS_PER_INCH, layout="constrained")


def tidy(axes: Any) -> None:
    """Take away what a plot does not need, and draw lines to read heights by."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e6e6e6")
    axes.set_axisbelow(True)
