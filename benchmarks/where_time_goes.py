"""CPU microseconds of one request by stage, in the shipped server under load.

    .venv/bin/python benchmarks/where_time_goes.py [--rounds 3] [--connections 8] [--keep]

The server runs as in `serving.py`, with `peers/byoi/timed.py` as its inference module: the built-in
one with a clock around each function, around the network, around Flask, and around what a worker
does with a request's bytes: `receiving` reads and parses them, `answering` takes the time of a
request, and makes and sends its response. The clocks count CPU time of the thread that runs
requests. All other CPU is from /proc: `worker, the rest` is what a worker used beside the clocks:
its loop, its calls of select and its other threads; nginx's and the supervisor's are their own. So
the stages add up to all that the server and the generator use, and nothing is left out. The clocks
themselves cost some microseconds, which are measured and told.

One call of `predict_fn` may serve several requests; each stage is divided by the requests that were
answered, and how many a call served is told.

The floor beside it is what no server of this architecture can spare: the generator, an nginx that
answers by itself, and encoding and network in a warm loop in process, as many requests in a call as
the built-in module takes. A line below has the same for one request in a call. FastAPI + uvicorn is
measured in the same rounds as a whole. `--keep` writes `benchmarks/results/where_time_goes.md`,
where the notes stay, `where_time_goes.png`, and the table in `docs/performance.md`.
"""

import argparse
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import process_tree
from load_generator import Demand, apply
from own_model import CACHE, ROOT, free_port, replace_measured, show
from serving import FIXTURE, check_answers, generator_limit, install, keep_block, machine
from serving_bodies import Kind, kinds, made_up_texts
from serving_contenders import CLASSIFIER, FASTAPI, OURS, Running, prepare, serving
from serving_table import spread

from byoi_lib import inference

RESULT = ROOT / "benchmarks" / "results" / "where_time_goes.md"
TIMED = dataclasses.replace(OURS, files=((CLASSIFIER, "byoi/timed.py"),))
FOLDER = CACHE / "work" / "timed"
# In the order in which timed.py has them.
CLOCKS = (
    *("receiving", "answering", "application", "decoding", "prediction", "network", "response"),
)
# In the order in which a request meets them.
STAGES = (
    *("generator", "nginx", "receiving", "answering", "worker, the rest", "application"),
    *("decoding", "encoding", "network", "response", "supervisor"),
)
FLOOR = ("generator", "nginx", "encoding and network")
KINDS = ("200 ids", "12 words")
_WARM_UP_S, _LOOP_CALLS, _LOOP_BODIES = 1.0, 2_000, 100


@dataclasses.dataclass(frozen=True)
class Reading:
    """What a server has used until now.

    Attributes:
        clocks: CPU seconds of `CLOCKS`, of all workers together.
        cpu_s: CPU seconds by the group of processes: nginx, workers, supervisor.
        calls: Of `predict_fn`.
    """

    clocks: dict[str, float]
    cpu_s: dict[str, float]
    calls: int = 0


def group_of(process: process_tree.Process, workers: Iterable[int]) -> str:
    """Return the group of a process; a worker is one that has a file of clocks."""
    if process.pid in set(workers):
        return "workers"
    return "nginx" if process.name.startswith("nginx") else "supervisor"


def read(pid: int, folder: Path) -> Reading:
    """Read the clocks of the workers, and the CPU time of all processes."""
    sums = dict.fromkeys(CLOCKS, 0.0)
    cpu_s = dict.fromkeys(("nginx", "workers", "supervisor"), 0.0)
    calls = 0
    files = list(folder.iterdir())
    for file in files:
        *clocks, count = memoryview(file.read_bytes()).cast("q")
        calls += count
        for clock, nanoseconds in zip(CLOCKS, clocks, strict=True):
            sums[clock] += nanoseconds / 1e9
    workers = [int(file.name) for file in files]
    for process in process_tree.tree(pid):
        cpu_s[group_of(process, workers)] += process.cpu_s
    return Reading(sums, cpu_s, calls)


def stages_us(
    before: Reading, after: Reading, requests: int, generator_cpu_s: float
) -> dict[str, float]:
    """Return the CPU microseconds of one request by stage.

    Args:
        before: When the load began.
        after: When it had ended.
        requests: That were answered in between.
        generator_cpu_s: CPU seconds of the generator.

    Raises:
        ValueError: No request was answered.
    """
    if not requests:
        raise ValueError("no request was answered, so there is nothing to divide by")
    clocks = {name: after.clocks[name] - before.clocks[name] for name in CLOCKS}
    cpu_s = {name: after.cpu_s[name] - before.cpu_s[name] for name in after.cpu_s}
    inner = clocks["decoding"] + clocks["prediction"] + clocks["response"]
    found = {
        "generator": generator_cpu_s,
        "nginx": cpu_s["nginx"],
        "receiving": clocks["receiving"],
        "answering": clocks["answering"] - clocks["application"],
        "worker, the rest": cpu_s["workers"] - clocks["receiving"] - clocks["answering"],
        "application": clocks["application"] - inner,
        "decoding": clocks["decoding"],
        "encoding": clocks["prediction"] - clocks["network"],
        "network": clocks["network"],
        "response": clocks["response"],
        "supervisor": cpu_s["supervisor"],
    }
    return {stage: found[stage] / requests * 1e6 for stage in STAGES}


def clock_us() -> float:
    """Return what the clocks of one request cost, in microseconds."""
    before_ns = time.thread_time_ns()
    for _ in range(_LOOP_CALLS):
        for _ in range(2 * len(CLOCKS)):
            time.thread_time_ns()
    return (time.thread_time_ns() - before_ns) / 1e3 / _LOOP_CALLS


def in_process_us(model_dir: Path, bodies: Sequence[bytes], together: int) -> float:
    """Return the microseconds of encoding and network of one request, in a warm loop.

    Args:
        model_dir: A model directory.
        bodies: Of the requests.
        together: How many requests a call of `predict_fn` serves.
    """
    model = inference.load(model_dir, "onnx")
    data = [inference.input_fn(body, "application/json") for body in bodies[:_LOOP_BODIES]]
    batches = [
        [data[(start + place) % len(data)] for place in range(together)]
        for start in range(0, len(data), together)
    ]
    for batch in batches:
        inference.predict_fn(batch, model)
    calls = _LOOP_CALLS // together
    before_ns = time.thread_time_ns()
    for number in range(calls):
        inference.predict_fn(batches[number % len(batches)], model)
    return (time.thread_time_ns() - before_ns) / 1e3 / calls / together


def floor_us(model_dir: Path, bodies: Sequence[bytes]) -> dict[str, float]:
    """Return the microseconds that no server of this architecture can spare, by `FLOOR`."""
    alone = generator_limit(bodies[0])
    return {
        "generator": alone.load.generator_cpu_s / alone.load.requests * 1e6,
        "nginx": alone.nginx_cpu_s / alone.load.requests * 1e6,
        "encoding and network": in_process_us(model_dir, bodies, inference.BYOI_BATCH_SIZE),
    }


@dataclasses.dataclass
class Measured:
    """One kind of body; a value for each round.

    Attributes:
        ours_us: By stage.
        peer_us: All of FastAPI's processes and the generator.
        floor_us: By part.
        alone_us: Encoding and network of one request in a call, in process.
        together: Requests that one call of `predict_fn` served.
    """

    ours_us: dict[str, list[float]] = dataclasses.field(
        default_factory=lambda: {stage: [] for stage in STAGES}
    )
    peer_us: list[float] = dataclasses.field(default_factory=list)
    floor_us: dict[str, list[float]] = dataclasses.field(
        default_factory=lambda: {part: [] for part in FLOOR}
    )
    alone_us: list[float] = dataclasses.field(default_factory=list)
    together: list[float] = dataclasses.field(default_factory=list)

    def totals_us(self) -> list[float]:
        """Return the sum of all stages in each round."""
        return [sum(values) for values in zip(*self.ours_us.values(), strict=True)]


def measure_ours(
    server: Running, bodies: Sequence[bytes], connections: int, duration_s: float
) -> tuple[dict[str, float], float]:
    """Put a load on our server; return the stages, and the requests of a call of `predict_fn`."""
    apply(Demand(server.url, bodies, connections, _WARM_UP_S))
    before = read(server.pid, FOLDER / "stages")
    found = apply(Demand(server.url, bodies, connections, duration_s))
    after = read(server.pid, FOLDER / "stages")
    spent_us = stages_us(before, after, found.requests, found.generator_cpu_s)
    return spent_us, found.requests / (after.calls - before.calls)


def measure_peer(
    server: Running, bodies: Sequence[bytes], connections: int, duration_s: float
) -> float:
    """Put a load on the peer; returns microseconds with those of the generator."""
    apply(Demand(server.url, bodies, connections, _WARM_UP_S))
    before_s = process_tree.cpu_s(server.pid)
    found = apply(Demand(server.url, bodies, connections, duration_s))
    spent_s = process_tree.cpu_s(server.pid) - before_s + found.generator_cpu_s
    return spent_s / found.requests * 1e6


def measure(
    measured: Measured, kind: Kind, bodies: list[bytes], options: argparse.Namespace
) -> None:
    """Make one round with one kind of body."""
    peer_folder = CACHE / "work" / FASTAPI.environment
    prepare(TIMED, CLASSIFIER, FOLDER, options.model)
    prepare(FASTAPI, CLASSIFIER, peer_folder, options.model)
    first, workers = bodies[0], options.workers
    with (
        serving(TIMED, CLASSIFIER, FOLDER, first, port=free_port(), workers=workers) as ours,
        serving(FASTAPI, CLASSIFIER, peer_folder, first, port=free_port(), workers=workers) as peer,
    ):
        check_answers([ours, peer], kind, bodies)
        load = (bodies, options.connections, float(options.seconds))
        spent_us, together = measure_ours(ours, *load)
        for stage, value in spent_us.items():
            measured.ours_us[stage].append(value)
        measured.together.append(together)
        measured.peer_us.append(measure_peer(peer, *load))
    for part, value in floor_us(options.model, bodies).items():
        measured.floor_us[part].append(value)
    measured.alone_us.append(in_process_us(options.model, bodies, 1))
    show(
        f"{kind.name}: {measured.totals_us()[-1]:,.0f} us, {FASTAPI.name} "
        f"{measured.peer_us[-1]:,.0f} us"
    )


# The result.


def table(all_measured: dict[str, Measured]) -> Iterator[str]:
    """Yield the table: a line for each stage, a column for each kind of body."""
    yield f"| CPU us of a request | {' | '.join(all_measured)} |"
    yield "|---|" + "--:|" * len(all_measured)
    for stage in STAGES:
        yield _line(stage, [one.ours_us[stage] for one in all_measured.values()])
    yield _line("**all**", [one.totals_us() for one in all_measured.values()])
    yield _line(f"{FASTAPI.name}, all", [one.peer_us for one in all_measured.values()])
    for part in FLOOR:
        yield _line(f"floor: {part}", [one.floor_us[part] for one in all_measured.values()])
    yield _line(
        "**floor, all**",
        [
            [sum(values) for values in zip(*one.floor_us.values(), strict=True)]
            for one in all_measured.values()
        ],
    )
    alone = [one.alone_us for one in all_measured.values()]
    yield _line("encoding and network in process, one request in a call", alone)
    together = [one.together for one in all_measured.values()]
    yield _line("requests that a call of `predict_fn` served, a number", together, digits=1)


def _line(head: str, columns: Sequence[Sequence[float]], digits: int = 0) -> str:
    return f"| {head} | {' | '.join(spread(values, digits) for values in columns)} |"


def plot(all_measured: dict[str, Measured], file: Path, note: str) -> None:
    """Draw a bar for each kind of body, server and floor, made of its stages."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - the tests of the table need none

    figure = Figure(figsize=(11, 4.5), layout="constrained")
    axes = figure.subplots()
    colours = dict(zip((*STAGES, "whole"), _COLOURS, strict=True))
    rows: list[tuple[str, dict[str, float]]] = []
    for name, one in all_measured.items():
        ours = {stage: statistics.median(one.ours_us[stage]) for stage in STAGES}
        floor = {part: statistics.median(one.floor_us[part]) for part in FLOOR}
        floor["network"] = floor.pop("encoding and network")
        rows.append((f"{name}\nBYOI", ours))
        rows.append((f"{name}\n{FASTAPI.name}", {"whole": statistics.median(one.peer_us)}))
        rows.append((f"{name}\nfloor", floor))
    shown: set[str] = set()
    for place, (_, parts) in enumerate(rows):
        left = 0.0
        for stage, value in parts.items():
            label = None if stage in shown else stage
            shown.add(stage)
            axes.barh(place, value, left=left, color=colours[stage], label=label)
            left += value
        axes.text(left, place, f" {left:,.0f}", va="center", fontsize=8)
    axes.set_yticks(range(len(rows)))
    axes.set_yticklabels([name for name, _ in rows], fontsize=8)
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("CPU microseconds of one request")
    figure.legend(frameon=False, ncols=5, fontsize=8, loc="outside upper center")
    figure.supxlabel(note, fontsize=7)
    figure.savefig(file, dpi=100, metadata={"Software": None})


# One for each stage, and one for a server as a whole.
_COLOURS = (
    *("#bab0ac", "#4e79a7", "#f28e2b", "#ff9d76", "#ffbe7d", "#e15759", "#8cd17d"),
    *("#d4a6c8", "#59a14f", "#b07aa1", "#a0cbe8", "#9d7660"),
)


def most_requests(all_measured: dict[str, Measured]) -> str:
    """Say how many requests a second all cores would answer if only the floor were paid."""
    cores = os.cpu_count() or 1
    most = ", ".join(
        f"{cores / sum(map(statistics.median, one.floor_us.values())) * 1e6:,.0f} ({name})"
        for name, one in all_measured.items()
    )
    return f"With the floor alone, {cores} cores would answer so many requests a second: {most}."


def page(all_measured: dict[str, Measured], note: str, command: str, connections: int) -> str:
    """Return the file of results, without its notes."""
    return "\n".join(
        [
            "# Where the time of a request goes",
            "",
            f"{note}, made by",
            "",
            f"    {command}",
            "",
            (
                f"CPU microseconds of one request at {connections} connections, medians with their "
                "ranges. What each line is, and how it is measured, says the head of that script. "
                f"The clocks cost about {clock_us():.0f} us of a request."
            ),
            "",
            *table(all_measured),
            "",
            most_requests(all_measured),
            "",
            "![CPU microseconds by stage](where_time_goes.png)",
            "",
        ]
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3, help="of each load")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2, help="of each server")
    parser.add_argument("--model", type=Path, default=FIXTURE, help="a model directory")
    parser.add_argument("--keep", action="store_true", help=f"write {RESULT.relative_to(ROOT)}")
    options = parser.parse_args()
    manifest = json.loads((options.model / "manifest.json").read_bytes())
    texts = made_up_texts()
    chosen = [one for one in kinds(manifest["config"]["vocabulary_size"]) if one.name in KINDS]
    load_before = os.getloadavg()[0]
    install()
    all_measured = {kind.name: Measured() for kind in chosen}
    for number in range(options.rounds):
        show(f"round {number + 1} of {options.rounds}")
        for kind in chosen:
            measure(all_measured[kind.name], kind, kind.make(texts), options)
    git = ["git", "describe", "--always", "--dirty"]
    commit = subprocess.check_output(git, cwd=ROOT, text=True).strip()
    note = machine(commit, load_before)
    command = " ".join([".venv/bin/python benchmarks/where_time_goes.py", *sys.argv[1:]])
    text = page(all_measured, note, command, options.connections)
    if options.keep:
        old = RESULT.read_text(encoding="utf-8") if RESULT.exists() else ""
        RESULT.write_text(replace_measured(old, text), encoding="utf-8")
        lines = [note + ":", "", *table(all_measured), "", most_requests(all_measured)]
        keep_block("where the time goes", lines)
        plot(all_measured, RESULT.with_suffix(".png"), note)
    print(text)


if __name__ == "__main__":
    main()
