"""The figures of all plots: shown by a notebook, saved by a script, in one style."""

import io
from typing import Any

LIGHT, DARK, GREY = "#7a9cc6", "#1f3b63", "#8a8a8a"
_DOTS_PER_INCH = 120


def empty(width_in: float, height_in: float = 4) -> Any:
    """Create an empty matplotlib figure, independent of pyplot and its windows."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - loading fonts takes time

    class Plot(Figure):
        """A figure that a notebook shows without pyplot's set-up."""

        def _repr_png_(self) -> bytes:
            content = io.BytesIO()
            self.savefig(content, format="png")
            return content.getvalue()

    return Plot(figsize=(width_in, height_in), dpi=_DOTS_PER_INCH, layout="constrained")


def tidy(axes: Any) -> None:
    """Hide the upper and right borders, and draw horizontal grid lines."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e6e6e6")
    axes.set_axisbelow(True)
