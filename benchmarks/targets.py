"""Is what was promised reached? The rows that `serving.py` does not measure.

    .venv/bin/python benchmarks/targets.py [--rounds 5] [--model DIR] [--image byoi:latest] [--keep]

* Batches: bodies of 128 review texts through the whole stack, as many at a time as cores, against
  encoding and network in as many processes without a server; reviews a second, in turns.
* 256 connections, each with a review of 200 ids: requests without an answer of 200, of all rounds
  together; and the slowest /ping meanwhile, asked for all the time, each with a connection of its
  own.
* A review of 12 words in process against one that fills the network's width: `input_fn`,
  `predict_fn` and `output_fn`, for both graphs of the fixture, and for the model of `--model`.
* Memory: PSS of all processes after 1,000 review texts, two workers, of the fixture and of the
  model of `--model`. What was promised is meant for IMDB's, which is larger than the fixture.
* `import byoi_lib` and `byoi --help`: the whole process; `python -c pass` beside them.
* With Docker: `docker run` to the first 200 of /ping, less a bare `docker run IMAGE true`, in
  turns.

The environment is that of BYOI in `serving.py`, the network its fixture. `reached` is computed
from the median, of /ping and the errors from the worst. A ratio is of the medians; its range is
that of the ratios within the rounds. `--keep` writes `benchmarks/results/targets.md`, where the
notes stay, and the table in `docs/performance.md`.
"""

import argparse
import concurrent.futures
import contextlib
import datetime as dt
import json
import operator
import os
import platform
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import image
import process_tree
from load_generator import Demand, Load, apply
from own_model import CACHE, ROOT, add_project, environment, free_port, replace_measured, show
from serving import FIXTURE, GRAPH, keep_block
from serving_bodies import ids_body, made_up_texts, short
from serving_contenders import CLASSIFIER, OURS, PEERS, Running, prepare, serving
from serving_table import ratio

RESULT = ROOT / "benchmarks" / "results" / "targets.md"
TEXTS, BATCH_BODIES, BATCH_S = 128, 12, 3.0
CONNECTIONS, LOAD_S, PING_EVERY_S = 256, 3.0, 0.02
WORKERS = 2
WIDE_WORDS, IN_PROCESS_CALLS = 600, 50
REQUESTS, CLIENTS, OF_ONE_BODY = 1_000, 4, 25
STARTS = 10
PROGRAMS = Path(sys.executable).parent
_WARM_UP_S = 1.0
_COMPARISONS = {"≥": operator.ge, "≤": operator.le, "<": operator.lt}


@dataclass(frozen=True)
class Target:
    """What is to be reached.

    Attributes:
        relation: Of the measured value to the other two: one of `_COMPARISONS`.
        must: The value; None where nothing was promised.
        aim: A better one, None for none.
        digits: Behind the point, in the table.
    """

    relation: str = "≤"
    must: float | None = None
    aim: float | None = None
    digits: int = 2

    def cell(self, value: float | None) -> str:
        """Return `must` or `aim` as a cell."""
        return "-" if value is None else f"{self.relation} {value:,.{self.digits}f}"

    def verdict(self, measured: float) -> str:
        """Return whether a value reaches it."""
        if self.must is None:
            return "-"
        reaches = _COMPARISONS[self.relation]
        if self.aim is not None and reaches(measured, self.aim):
            return "yes, the aim as well"
        return "yes" if reaches(measured, self.must) else "**no**"


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        name: What was measured, with its unit.
        target: What is to be reached.
        value: Measured; None where it could not be.
        least: Of the rounds.
        most: Of the rounds.
        reason: Why nothing was measured.
    """

    name: str
    target: Target
    value: float | None = None
    least: float = 0.0
    most: float = 0.0
    reason: str = ""

    def line(self) -> str:
        """Return the line of the table."""
        target, digits = self.target, self.target.digits
        cells = [self.name, target.cell(target.must), target.cell(target.aim)]
        if self.value is None:
            cells += [f"not measured: {self.reason}", "-", "-"]
        else:
            cells.append(f"{self.value:,.{digits}f}")
            cells.append(f"{self.least:,.{digits}f} to {self.most:,.{digits}f}")
            cells.append(target.verdict(self.value))
        return f"| {' | '.join(cells)} |"


def median_row(name: str, target: Target, values: Sequence[float]) -> Row:
    """Return a row that is judged by the median."""
    return Row(name, target, statistics.median(values), min(values), max(values))


def worst_row(name: str, target: Target, values: Sequence[float]) -> Row:
    """Return a row that is judged by the largest value."""
    return Row(name, target, max(values), min(values), max(values))


def ratio_row(name: str, target: Target, ours: Sequence[float], others: Sequence[float]) -> Row:
    """Return a row of the ratio of two quantities, measured in the same rounds."""
    found = ratio(ours, others)
    return Row(name, target, found.middle, found.least, found.most)


# The server, and the functions without it.


@contextlib.contextmanager
def server(model: Path, body: bytes, workers: int) -> Iterator[Running]:
    """Run BYOI as it is shipped."""
    folder = CACHE / "work" / "targets"
    prepare(OURS, CLASSIFIER, folder, model)
    port = free_port()
    with serving(OURS, CLASSIFIER, folder, body, port=port, workers=workers) as running:
        yield running


def in_process(job: dict[str, Any]) -> subprocess.Popen[str]:
    """Start a process of `peers/byoi/in_process.py`."""
    python = CACHE / OURS.environment / "bin" / "python"
    process = subprocess.Popen(
        [python, PEERS / "byoi" / "in_process.py"],
        env={"ORT_DISABLE_TELEMETRY": "1", "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    tell(process, json.dumps(job))
    return process


def tell(process: subprocess.Popen[str], line: str) -> None:
    """Write a line to a process."""
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def hear(process: subprocess.Popen[str]) -> str:
    """Read a line of a process.

    Raises:
        RuntimeError: It has ended; its error is above.
    """
    assert process.stdout is not None
    if not (line := process.stdout.readline()):
        raise RuntimeError(f"in_process.py ended with status {process.wait()}")
    return line


def requests_in_process(model: Path, bodies: Sequence[str], processes: int) -> float:
    """Return how many requests a second so many processes encode and predict, without a server."""
    job = {"model": str(model), "bodies": bodies, "duration_s": BATCH_S}
    running = [in_process(job) for _ in range(processes)]
    for one in running:
        hear(one)
    for one in running:
        tell(one, "go")
    found = [float(json.loads(hear(one))) for one in running]
    for one in running:
        one.communicate()
    return sum(found)


# The rows.


def batches(model: Path, rounds: int) -> Iterator[Row]:
    """Measure bodies of 128 texts."""
    cores = os.cpu_count() or 1
    texts = made_up_texts()
    bodies = [
        json.dumps(
            {"instances": [texts[(7 * start + 3 * place) % len(texts)] for place in range(TEXTS)]}
        )
        for start in range(BATCH_BODIES)
    ]
    encoded = [body.encode() for body in bodies]
    ours, others = [], []
    with server(model, encoded[0], cores) as running:
        apply(Demand(running.url, encoded, cores, _WARM_UP_S))
        for number in range(rounds):
            found = apply(Demand(running.url, encoded, cores, BATCH_S, seed=number))
            if found.errors or not found.requests:
                raise RuntimeError(f"of {found.requests} requests {found.errors} have no answer")
            ours.append(found.requests_per_s)
            others.append(requests_in_process(model, bodies, cores))
            show(
                f"{TEXTS} texts a request: {ours[-1] * TEXTS:,.0f} reviews/s, without a server "
                f"{others[-1] * TEXTS:,.0f}"
            )
    name = f"{TEXTS} texts a request, {cores} at a time: reviews/s to the same without a server"
    yield ratio_row(name, Target("≥", 0.8), ours, others)


def many_connections(model: Path, rounds: int) -> Iterator[Row]:
    """Measure 256 connections, and /ping meanwhile."""
    manifest = json.loads((model / "manifest.json").read_bytes())
    body = ids_body(manifest["config"]["vocabulary_size"])
    errors: list[float] = []
    slowest_s: list[float] = []
    with server(model, body, WORKERS) as running:
        apply(Demand(running.url, [body], CONNECTIONS, _WARM_UP_S))
        for _ in range(rounds):
            found, pings_s = load_with_pings(
                running.port, Demand(running.url, [body], CONNECTIONS, LOAD_S)
            )
            errors.append(found.errors)
            slowest_s.append(max(pings_s))
            show(
                f"{CONNECTIONS} connections: {found.requests_per_s:,.0f} requests/s, "
                f"{found.errors} errors, slowest of {len(pings_s)} pings {slowest_s[-1]:.3f} s"
            )
    name = f"{CONNECTIONS} connections: requests of a round without an answer of 200"
    yield worst_row(name, Target("≤", 0, digits=0), errors)
    name = f"{CONNECTIONS} connections: slowest /ping, s"
    yield worst_row(name, Target("<", 0.5, digits=3), slowest_s)


def load_with_pings(port: int, demand: Demand) -> tuple[Load, list[float]]:
    """Put a load on a server, and ask for /ping meanwhile.

    Returns:
        The load, and the seconds of each ping; infinity for one without an answer of 200.
    """
    ended = threading.Event()
    times_s: list[float] = []

    def ask() -> None:
        while not ended.wait(PING_EVERY_S):
            began_s = time.perf_counter()
            status = image.ping(port)
            times_s.append(time.perf_counter() - began_s if status == 200 else float("inf"))

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask)
        try:
            found = apply(demand)
        finally:
            ended.set()
        asking.result()
    return found, times_s


def short_and_wide_bodies() -> list[str]:
    """Return the body of a review of 12 words, and of one that is as long as the network takes."""
    texts = made_up_texts()
    wide = " ".join(" ".join(texts).split()[:WIDE_WORDS])
    return [json.dumps([text]) for text in (short(texts)[0], wide)]


def short_and_wide(models: dict[str, Path], rounds: int) -> Iterator[Row]:
    """Measure a review of 12 words, and one that fills the width, in process."""
    bodies = short_and_wide_bodies()
    for graph, model in models.items():
        job = {
            "model": str(model),
            "bodies": bodies,
            "calls": IN_PROCESS_CALLS,
            "rounds": rounds + 1,
        }
        process = in_process(job)
        # The first round warms up.
        _, *found_ms = json.loads(hear(process))
        process.communicate()
        few, full = ([one[place] for one in found_ms] for place in (0, 1))
        show(f"{graph}: 12 words {statistics.median(few):.3f} ms, {statistics.median(full):.3f} ms")
        name = f"12 words in process to a review that fills the width, {graph}"
        yield ratio_row(name, Target("≤", 0.25), few, full)


def memory(models: dict[str, Path], rounds: int) -> Iterator[Row]:
    """Measure the memory of a server after its requests."""
    texts = made_up_texts()
    bodies = [json.dumps({"review": text}) for text in texts[: REQUESTS // OF_ONE_BODY]]
    for name, model in models.items():
        values = []
        for _ in range(rounds):
            with server(model, bodies[0].encode(), WORKERS) as running:
                with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
                    ports, counts = [running.port] * len(bodies), [OF_ONE_BODY] * len(bodies)
                    list(pool.map(image.invoke, ports, counts, bodies))
                values.append(process_tree.pss_mb(running.pid))
            show(f"memory, {name}: {values[-1]:.0f} MB")
        row = f"memory (PSS) after {REQUESTS:,} requests, {WORKERS} workers, {name}, MB"
        yield median_row(row, Target("≤", 142, 120, digits=0), values)


def starts() -> Iterator[Row]:
    """Measure how long the library and the command take to begin."""
    limit = Target("≤", 0.15, digits=3)
    commands = {
        "`python -c pass`, s": (Target(digits=3), [sys.executable, "-c", "pass"]),
        "`import byoi_lib`, s": (limit, [sys.executable, "-c", "import byoi_lib"]),
        "`byoi --help`, s": (limit, [str(PROGRAMS / "byoi"), "--help"]),
    }
    times_s: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(STARTS + 1):
        for name, (_, command) in commands.items():
            began_s = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            if number:  # the first reads the files
                times_s[name].append(time.perf_counter() - began_s)
    for name, (target, _) in commands.items():
        show(f"{name}: {statistics.median(times_s[name]):.3f}")
        yield median_row(name, target, times_s[name])


def cold_start(name: str, model: Path, rounds: int) -> Iterator[Row]:
    """Measure the start of the image."""
    what = f"`docker run` to /ping 200, less `docker run {name} true`, s"
    target = Target("≤", 0.6, 0.4)
    if reason := why_no_image(name):
        yield Row(what, target, reason=reason)
        return
    values = []
    for _ in range(rounds):
        bare_s = image.bare_s(name)
        with image.serving(name, model) as (_, _, start_s):
            values.append(start_s - bare_s)
        show(f"docker run: {start_s:.2f} s, bare {bare_s:.2f} s")
    yield median_row(what, target, values)


def why_no_image(name: str) -> str:
    """Return why an image cannot be run, empty if it can."""
    if shutil.which("docker") is None:
        return "there is no docker here"
    done = subprocess.run(["docker", "image", "inspect", name], capture_output=True, check=False)
    return f"there is no image {name}, `make image` builds it" if done.returncode else ""


# The result.


def table(rows: Sequence[Row]) -> Iterator[str]:
    """Yield the table."""
    yield "| what | must | aim | measured | range | reached |"
    yield "|---|--:|--:|--:|--:|---|"
    for row in rows:
        yield row.line()


def page(rows: Sequence[Row], note: str, command: str) -> str:
    """Return the file of results, without its notes."""
    return "\n".join(
        [
            "# What was promised, and what was measured",
            "",
            f"{note}, made by",
            "",
            f"    {command}",
            "",
            "What each line is, and how it is measured, says the head of that script.",
            "",
            *table(rows),
            "",
        ]
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--model", type=Path, help="a model directory of one's own, measured as well"
    )
    parser.add_argument("--image", default="byoi:latest")
    parser.add_argument("--keep", action="store_true", help=f"write {RESULT.relative_to(ROOT)}")
    options = parser.parse_args()
    load_before = os.getloadavg()[0]
    environment(OURS.environment)
    add_project([OURS.environment])
    rounds = options.rounds
    own = {str(options.model): options.model} if options.model else {}
    rows = [
        *batches(FIXTURE, rounds),
        *many_connections(FIXTURE, rounds),
        *short_and_wide(
            {"the fixture's graph": FIXTURE, "today's graph": GRAPH, **own}, 5 * rounds
        ),
        *memory({"the fixture's model": FIXTURE, **own}, rounds),
        *starts(),
        *cold_start(options.image, FIXTURE, rounds),
    ]
    git = ["git", "describe", "--always", "--dirty"]
    commit = subprocess.check_output(git, cwd=ROOT, text=True).strip()
    note = (
        f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC, commit {commit}, {os.cpu_count()} cores "
        f"({platform.machine()}), Python {platform.python_version()}, "
        f"load {load_before:.1f} before and {os.getloadavg()[0]:.1f} after"
    )
    command = " ".join([".venv/bin/python benchmarks/targets.py", *sys.argv[1:]])
    text = page(rows, note, command)
    if options.keep:
        old = RESULT.read_text(encoding="utf-8") if RESULT.exists() else ""
        RESULT.write_text(replace_measured(old, text), encoding="utf-8")
        keep_block("targets", [note + ":", "", *table(rows)])
    print(text)


if __name__ == "__main__":
    main()
