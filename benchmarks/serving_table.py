"""What `serving.py` computes and shows of its measurements: medians, ratios, tables, plots."""

import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Case:
    """One load: a kind of body and a number of connections."""

    kind: str
    connections: int


@dataclass(frozen=True)
class Sample:
    """One server under one load, in one round.

    Attributes:
        requests_per_s: Answers a second.
        p50_ms: Median of the time of a request.
        p99_ms: One request in a hundred takes longer.
        cpu_s: CPU seconds of all processes of the server, for a thousand requests.
        generator_cpu_s: CPU seconds of the load generator, for a thousand requests.
        errors: Requests without an answer, or with another status than 200.
    """

    requests_per_s: float
    p50_ms: float
    p99_ms: float
    cpu_s: float
    generator_cpu_s: float
    errors: int


# A sample for each round, in the order of the rounds.
Samples = dict[tuple[Case, str], list[Sample]]


@dataclass(frozen=True)
class Ratio:
    """One quantity of two servers.

    Attributes:
        middle: Ratio of the medians.
        least: Least ratio within one round.
        most: Largest ratio within one round.
    """

    middle: float
    least: float
    most: float

    def __str__(self) -> str:
        """Return it as a cell."""
        return f"{self.middle:.2f} ({self.least:.2f} to {self.most:.2f})"


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Ratio:
    """Compare two servers: the values of the same rounds, in the same order.

    Raises:
        ValueError: They have no rounds, or not the same number of them.
    """
    if not ours or len(ours) != len(theirs):
        raise ValueError(f"{len(ours)} rounds and {len(theirs)}; expected as many of both, and one")
    each = [one / other for one, other in zip(ours, theirs, strict=True)]
    middle = statistics.median(ours) / statistics.median(theirs)
    # With an even number of rounds the ratio of medians may be outside of what any round had.
    return Ratio(middle, min(*each, middle), max(*each, middle))


def spread(values: Sequence[float], digits: int) -> str:
    """Return the median and the range as a cell."""
    middle, least, most = (
        f"{value:,.{digits}f}" for value in (statistics.median(values), min(values), max(values))
    )
    return f"{middle} ({least} to {most})"


def median_of(samples: Sequence[Sample], value: Callable[[Sample], float]) -> float:
    """Return the median of one quantity."""
    return statistics.median(value(one) for one in samples)


def ratio_table(samples: Samples, ours: str, peers: Sequence[str]) -> Iterator[str]:
    """Yield a table of ratios: requests a second, and p99, of ours to each peer."""
    heads = [f"requests/s to {name} | p99 to {name}" for name in peers]
    yield f"| body | connections | {' | '.join(heads)} |"
    yield "|---|--:|" + "--:|" * (2 * len(peers))
    for case in cases(samples):
        own = samples[case, ours]
        cells: list[str] = []
        for name in peers:
            other = samples[case, name]
            cells += [
                str(ratio([*map(value, own)], [*map(value, other)])) for value in (_requests, _p99)
            ]
        yield f"| {case.kind} | {case.connections} | {' | '.join(cells)} |"


def graph_table(samples: Samples, names: Mapping[str, str]) -> Iterator[str]:
    """Yield a table of requests a second of the same weights in two graphs.

    Args:
        samples: Of both graphs.
        names: Of two servers, and what each is called with the second graph.
    """
    first, second = names
    heads = [f"{name}, before | after | ratio" for name in names]
    yield f"| body | connections | {' | '.join(heads)} | {first} to {second}, after |"
    yield "|---|--:|" + "--:|" * (3 * len(names) + 1)
    for case in cases(samples):
        cells: list[str] = []
        for name, other in names.items():
            before, after = ([*map(_requests, samples[case, one])] for one in (name, other))
            cells += [spread(before, 0), spread(after, 0), str(ratio(after, before))]
        afters = ([*map(_requests, samples[case, names[one]])] for one in (first, second))
        cells.append(str(ratio(*afters)))
        yield f"| {case.kind} | {case.connections} | {' | '.join(cells)} |"


def value_table(samples: Samples) -> Iterator[str]:
    """Yield a table of medians and ranges, a line for each load and server."""
    yield (
        "| body | connections | server | requests/s | p50, ms | p99, ms | CPU s a 1,000 requests "
        "| of the generator | errors |"
    )
    yield "|---|--:|---|--:|--:|--:|--:|--:|--:|"
    for (case, name), found in samples.items():
        cells = [
            case.kind,
            str(case.connections),
            name,
            spread([one.requests_per_s for one in found], 0),
            spread([one.p50_ms for one in found], 1),
            spread([one.p99_ms for one in found], 1),
            spread([one.cpu_s for one in found], 3),
            f"{median_of(found, lambda one: one.generator_cpu_s):.3f}",
            str(sum(one.errors for one in found)),
        ]
        yield f"| {' | '.join(cells)} |"


def memory_table(memory_mb: dict[str, list[float]]) -> Iterator[str]:
    """Yield a table of the memory of each server, MB for each round."""
    yield "| server | memory (PSS), MB |"
    yield "|---|--:|"
    for name, values in memory_mb.items():
        if values:  # measured with a body of the classifier only
            yield f"| {name} | {spread(values, 0)} |"


def with_block(text: str, name: str, lines: Iterable[str]) -> str:
    """Return a page with one of its blocks replaced; a block stands between two comments.

    Raises:
        ValueError: The page has no such block.
    """
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"the page has no lines {begin.strip()!r} and {end!r}; add them")
    return "\n".join([f"{before}{begin}", *lines, "", f"{end}{after}"])


def plot(samples: Samples, names: Sequence[str], file: Path, note: str) -> None:
    """Draw requests a second and p99 of each load, with the range of the rounds.

    Args:
        samples: All of them.
        names: The servers, in the order of the bars.
        file: The picture, its format by its name.
        note: Machine, commit and load.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - the tests of the tables need none

    figure = Figure(figsize=(11, 7), layout="constrained")
    panels = figure.subplots(2, 1)
    loads = list(cases(samples))
    for axes, value, title in (
        (panels[0], _requests, "requests a second"),
        (panels[1], _p99, "p99, ms (logarithmic)"),
    ):
        for number, name in enumerate(names):
            found = [[value(one) for one in samples[case, name]] for case in loads]
            middle = [statistics.median(values) for values in found]
            ranges = [
                [middle[place] - min(values) for place, values in enumerate(found)],
                [max(values) - middle[place] for place, values in enumerate(found)],
            ]
            places = [place + 0.8 * number / len(names) for place in range(len(loads))]
            width = 0.75 / len(names)
            axes.bar(places, middle, width, yerr=ranges, label=name, error_kw={"linewidth": 1})
        centre = 0.4 * (len(names) - 1) / len(names)
        axes.set_xticks([place + centre for place in range(len(loads))])
        axes.set_xticklabels([f"{case.kind}\n{case.connections}" for case in loads], fontsize=8)
        axes.set_title(title, loc="left", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    panels[1].set_yscale("log")
    panels[1].set_xlabel("body, connections")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, ncols=4, loc="outside upper center")
    figure.supxlabel(note, fontsize=7)
    figure.savefig(file, dpi=100, metadata={"Software": None})


def cases(samples: Iterable[tuple[Case, str]]) -> list[Case]:
    """Return each load once, in the order in which they were measured."""
    return list(dict.fromkeys(case for case, _ in samples))


def _requests(one: Sample) -> float:
    return one.requests_per_s


def _p99(one: Sample) -> float:
    return one.p99_ms
