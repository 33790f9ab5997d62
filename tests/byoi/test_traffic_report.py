"""The plots of traffic: what they show is what was measured."""

from byoi import traffic
from byoi.traffic import Exchange

PNG = b"\x89PNG"


def test_the_histogram_names_the_median_and_the_slowest():
    figure = traffic.latency_histogram([0.001] * 60 + [0.003] * 39 + [0.5])
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "p50 1.0 ms",
        "p99 500.0 ms",
    ]
    assert sum(patch.get_height() for patch in axes.patches) == 100
    assert figure._repr_png_().startswith(PNG)


def test_the_timeline_shows_failures_beside_answers():
    exchanges = [Exchange(0.1, 0.01, 0.9), Exchange(0.2, 0.01, error=OSError("gone"))]
    figure = traffic.timeline(exchanges, label="p(positive)")
    (axes,) = figure.axes
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["1 answered", "1 failed"]
    answered, failed = axes.get_lines()
    assert list(answered.get_ydata()) == [0.9]
    assert list(failed.get_xdata()) == [0.2]
    assert figure._repr_png_().startswith(PNG)
