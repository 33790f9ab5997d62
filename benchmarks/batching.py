"""Batching across requests: BYOI, BentoML and LitServe with a network for which it pays.

    .venv/bin/python benchmarks/batching.py [--rounds 3] [--seconds 3] [--keep]

The network (`peers/recurrent.py`, in NumPy) is a recurrent layer over 100 readings: a call costs
its hundred steps, so that eight rows together cost little more than two; how much, is measured
first, in process. Each request brings one row. Every server has two workers, one thread for
NumPy, and the same file of the network:

* BYOI: `BYOI_BATCH_SIZE` 1, and 8 with `BYOI_BATCH_WAIT_MS` 0 and 5. With 0 what is ready together
  goes together, and nobody waits.
* BentoML: without and with its adaptive batching (`max_batch_size=8`).
* LitServe: `max_batch_size` 1, and 8 with a `batch_timeout` of 5 ms; `fast_queue`, no access log.

Before anything is measured all must give the same answers, to 1e-5, to 32 clients at once, so that
a server that makes batches has made some of these. In each round each server is
started, warmed and put under each load, and ended: LitServe's workers look for requests all the
time, which would take from the others. The order turns from round to round. Ratios are of the
medians, with the range of the ratios within the rounds, to the same server one request at a time.
`--keep` writes `benchmarks/results/batching.md`, where the notes stay, `batching.png`, and the
table in `docs/performance.md`.
"""

import argparse
import concurrent.futures
import datetime as dt
import http.client
import json
import os
import platform
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from own_model import CACHE, ROOT, add_project, environment, free_port, replace_measured, show
from own_model import version as version_of
from serving import TOLERANCE, keep_block, measure
from serving_bodies import largest_difference
from serving_contenders import OURS, PEERS, Contender, Running, prepare, serving
from serving_table import Case, Samples, cases, plot, ratio, spread

RESULT = ROOT / "benchmarks" / "results" / "batching.md"
TASK, NETWORK = "recurrent", "recurrent.py"
CONNECTIONS = (8, 32)
ROWS = 50
STEPS = 100
_WARM_UP_S = 1.0
_IN_PROCESS = """
import json, statistics, sys, time
import numpy as np
from recurrent import STEPS, Network
network, random, found = Network(), np.random.default_rng(0), {size: [] for size in (1, 2, 4, 8)}
for _ in range(60):
    for size, times in found.items():
        rows = random.normal(size=(size, STEPS))
        began_s = time.perf_counter()
        network.predict(rows)
        times.append((time.perf_counter() - began_s) * 1e3)
print(json.dumps({size: statistics.median(times) for size, times in found.items()}))
"""


@dataclass(frozen=True)
class Entrant:
    """One server with one setting.

    Attributes:
        server: How it runs.
        body: Makes the document of a request from a row.
        numbers: Finds the three numbers in the document of an answer.
        alone: Name of the same server one request at a time.
    """

    server: Contender
    body: Callable[[Sequence[float]], Any]
    numbers: Callable[[Any], Any]
    alone: str


def _byoi(name: str, size: int, wait_ms: int) -> Entrant:
    variables = (("BYOI_BATCH_SIZE", str(size)), ("BYOI_BATCH_WAIT_MS", str(wait_ms)))
    server = replace(
        OURS,
        name=name,
        files=((TASK, "byoi/recurrent_inference.py"),),
        variables=(*OURS.variables, *variables),
    )
    return Entrant(server, lambda row: [row], lambda document: document[0], "BYOI, one at a time")


def _bentoml(name: str, size: int) -> Entrant:
    server = Contender(
        name=name,
        environment="bentoml",
        command=(
            *("bentoml", "serve", "recurrent_service:Recurrent"),
            *("--host", "127.0.0.1", "--port", "{port}"),
        ),
        files=((TASK, "bentoml/recurrent_service.py"),),
        variables=(
            *(("HOME", str(CACHE / "home")), ("BENTOML_DO_NOT_TRACK", "True")),
            *(("BATCH_SIZE", str(size)), ("WORKERS", "{workers}")),
        ),
    )
    return Entrant(
        server, lambda row: {"rows": [row]}, lambda document: document[0], "BentoML, one at a time"
    )


def _litserve(name: str, size: int) -> Entrant:
    server = Contender(
        name=name,
        environment="litserve",
        command=("python", "recurrent_server.py"),
        files=((TASK, "litserve/recurrent_server.py"),),
        variables=(("BATCH_SIZE", str(size)), ("WORKERS", "{workers}"), ("PORT", "{port}")),
    )
    return Entrant(
        server,
        lambda row: {"input": row},
        lambda document: document["output"],
        "LitServe, one at a time",
    )


ENTRANTS = (
    _byoi("BYOI, one at a time", 1, 0),
    _byoi("BYOI, 8, no wait", 8, 0),
    _byoi("BYOI, 8, 5 ms", 8, 5),
    _bentoml("BentoML, one at a time", 1),
    _bentoml("BentoML, 8, adaptive", 8),
    _litserve("LitServe, one at a time", 1),
    _litserve("LitServe, 8, 5 ms", 8),
)


def made_up_rows() -> list[list[float]]:
    """Return rows of readings, each a walk of small steps."""
    choice = random.Random(7)
    rows = []
    for _ in range(ROWS):
        value, row = choice.gauss(0, 1), []
        for _ in range(STEPS):
            value += choice.gauss(0, 0.1)
            row.append(round(value, 3))
        rows.append(row)
    return rows


def install() -> None:
    """Make the environments that are missing, and put this project into ours."""
    names = list(dict.fromkeys(one.server.environment for one in ENTRANTS))
    for name in names:
        environment(name)
    add_project([OURS.environment])
    (CACHE / "home").mkdir(exist_ok=True)


def in_process_ms() -> dict[int, float]:
    """Return the milliseconds of one call by its number of rows, one thread."""
    done = subprocess.run(
        [CACHE / OURS.environment / "bin" / "python", "-c", _IN_PROCESS],
        cwd=PEERS,
        env={"OMP_NUM_THREADS": "1"},
        check=True,
        stdout=subprocess.PIPE,
    )
    return {int(size): value for size, value in json.loads(done.stdout).items()}


def answers(entrant: Entrant, running: Running, rows: Sequence[Sequence[float]]) -> list[Any]:
    """Return the answer to each row, asked for by several clients at once: in batches.

    Raises:
        RuntimeError: The server answers with another status than 200.
    """

    def ask(row: Sequence[float]) -> Any:
        status, answer = running.ask(json.dumps(entrant.body(row)).encode())
        if status != http.client.OK:
            raise RuntimeError(f"{entrant.server.name} answers {status} {answer!r}")
        return entrant.numbers(json.loads(answer))

    with concurrent.futures.ThreadPoolExecutor(max(CONNECTIONS)) as pool:
        return list(pool.map(ask, rows))


class Run:
    """All rounds of one run.

    Args:
        workers: Of each server.
        duration_s: Seconds of one load.

    Attributes:
        samples: Of all rounds.
        difference: The largest between two answers.
    """

    def __init__(self, workers: int, duration_s: float) -> None:
        self._workers = workers
        self._duration_s = duration_s
        self._rows = made_up_rows()
        self._first: list[Any] | None = None
        self.samples: Samples = {
            (Case("100 readings", connections), one.server.name): []
            for connections in CONNECTIONS
            for one in ENTRANTS
        }
        self.difference = 0.0

    def round(self, number: int) -> None:
        """Measure every server under every load once."""
        turn = (3 * number) % len(ENTRANTS)
        for entrant in ENTRANTS[turn:] + ENTRANTS[:turn]:
            self._one(entrant, number)

    def _one(self, entrant: Entrant, number: int) -> None:
        server = entrant.server
        folder = CACHE / "work" / "batching"
        model = CACHE / "work" / "no_model"
        model.mkdir(parents=True, exist_ok=True)
        prepare(server, TASK, folder, model)
        shutil.copy(PEERS / NETWORK, folder)
        bodies = [json.dumps(entrant.body(row)).encode() for row in self._rows]
        with serving(
            *(server, TASK, folder, bodies[0]), port=free_port(), workers=self._workers
        ) as running:
            self._check(entrant, running)
            measure(running, bodies, max(CONNECTIONS), _WARM_UP_S, number)
            for connections in CONNECTIONS:
                found = measure(running, bodies, connections, self._duration_s, number)
                self.samples[Case("100 readings", connections), server.name].append(found)
                show(
                    f"{connections}, {server.name}: {found.requests_per_s:,.0f} requests/s, "
                    f"p99 {found.p99_ms:.1f} ms, {found.errors} errors"
                )

    def _check(self, entrant: Entrant, running: Running) -> None:
        found = answers(entrant, running, self._rows)
        self._first = self._first or found
        difference = largest_difference(self._first, found)
        if difference > TOLERANCE:
            raise RuntimeError(
                f"{entrant.server.name} answers {found[0]}, {ENTRANTS[0].server.name} "
                f"{self._first[0]}; expected the same to {TOLERANCE}"
            )
        self.difference = max(self.difference, difference)


# The result.


def table(samples: Samples) -> Iterator[str]:
    """Yield the table: a line for each load and server."""
    yield ("| connections | server | requests/s | to one at a time | p50, ms | p99, ms | errors |")
    yield "|--:|---|--:|--:|--:|--:|--:|"
    for case in cases(samples):
        for one in ENTRANTS:
            found = samples[case, one.server.name]
            alone = samples[case, one.alone]
            requests, before = (
                [sample.requests_per_s for sample in each] for each in (found, alone)
            )
            cells = [
                str(case.connections),
                one.server.name,
                spread(requests, 0),
                str(ratio(requests, before)),
                spread([sample.p50_ms for sample in found], 1),
                spread([sample.p99_ms for sample in found], 1),
                str(sum(sample.errors for sample in found)),
            ]
            yield f"| {' | '.join(cells)} |"


def call_table(call_ms: dict[int, float]) -> Iterator[str]:
    """Yield what a call of the network costs in process, by its rows."""
    yield f"| rows in a call | {' | '.join(map(str, call_ms))} |"
    yield "|---" + "|--:" * len(call_ms) + "|"
    yield f"| ms | {' | '.join(f'{value:.2f}' for value in call_ms.values())} |"
    two = call_ms[2]
    yield f"| to two rows | {' | '.join(f'{value / two:.2f}' for value in call_ms.values())} |"


def note(load_before: float) -> str:
    """Describe where and of what a run was made."""
    git = ["git", "describe", "--always", "--dirty"]
    commit = subprocess.check_output(git, cwd=ROOT, text=True).strip()
    versions = ", ".join(f"{name} {version_of(CACHE / name, name)}" for name in _PEER_NAMES)
    return (
        f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC, commit {commit}, {os.cpu_count()} cores "
        f"({platform.machine()}), Python {platform.python_version()}, {versions}, "
        f"load {load_before:.1f} before and {os.getloadavg()[0]:.1f} after"
    )


_PEER_NAMES = ("bentoml", "litserve")


def page(run: Run, call_ms: dict[int, float], said: str, command: str, rounds: int) -> str:
    """Return the file of results, without its notes."""
    return "\n".join(
        [
            "# Batching across requests",
            "",
            f"{said}, made by",
            "",
            f"    {command}",
            "",
            (
                "What is measured, and how, says the head of that script. Values are medians of "
                f"{rounds} rounds with their ranges. All answers are the same: the largest "
                f"difference is {run.difference:.1e}."
            ),
            "",
            *table(run.samples),
            "",
            "The network in process, one thread:",
            "",
            *call_table(call_ms),
            "",
            "![requests a second and p99](batching.png)",
            "",
        ]
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3, help="of each load")
    parser.add_argument("--workers", type=int, default=2, help="of each server")
    parser.add_argument("--keep", action="store_true", help=f"write {RESULT.relative_to(ROOT)}")
    options = parser.parse_args()
    load_before = os.getloadavg()[0]
    install()
    call_ms = in_process_ms()
    run = Run(options.workers, float(options.seconds))
    for number in range(options.rounds):
        show(f"round {number + 1} of {options.rounds}")
        run.round(number)
    said = note(load_before)
    command = " ".join([".venv/bin/python benchmarks/batching.py", *sys.argv[1:]])
    text = page(run, call_ms, said, command, options.rounds)
    if options.keep:
        old = RESULT.read_text(encoding="utf-8") if RESULT.exists() else ""
        RESULT.write_text(replace_measured(old, text), encoding="utf-8")
        lines = [said + ":", "", *table(run.samples), "", *call_table(call_ms)]
        keep_block("batching", lines)
        names = [one.server.name for one in ENTRANTS]
        plot(run.samples, names, RESULT.with_suffix(".png"), said)
    print(text)


if __name__ == "__main__":
    main()
