"""The shipped server, FastAPI + uvicorn and inference-server: the same file, body and workers.

    .venv/bin/python benchmarks/serving.py [--rounds 5] [--seconds 3] [--keep] ...

Each server has an environment of its own under `build/peers`, installed once from a locked file
of `benchmarks/peers`, and the same Python. Ours runs as the image runs it: nginx and gunicorn, the
page off, the image's variables. FastAPI is called with what makes it fast: uvloop, httptools,
orjson, no access log, the network called in the event loop. inference-server is on gunicorn's sync
workers, without a proxy. In texts, both peers get `encode` of `byoi_lib`.

The network is the fixture `benchmarks/fixtures/network`: the graph as exported at commit 79043f5
(`benchmarks/fixtures/make.py`); `--model` names another model directory, for all servers alike.
Bodies: one review of 200 token ids; review texts in random order, as long as IMDB's, made up from
the built-in sample (`--texts` names a file of real ones); their first twelve words; four numbers
for a scikit-learn model. `benchmarks/fixtures/network_small` has the same weights in the graph that
is exported today: BYOI and FastAPI run with it, too, in every second round, and a table has their
requests a second with the one graph and the other (`--graph` names another model directory, which
must give the same answers). Before anything is measured all servers must give the same answers, to
1e-5.

In each round all servers of a task run side by side, and take turns with each load, so that what
else the machine does meets all of them. A server that waits takes no CPU. The generator is on the
same cores; its CPU time is in the table, and its own limit is measured against an nginx that
answers by itself. CPU seconds are those of all processes of a server, from /proc; memory is PSS
after all requests of the network's bodies (over 1,000). Ratios are of the medians, with the range
of the ratios within the rounds. `--keep` writes `benchmarks/results/serving.md`, where
the notes stay, `serving.png`, and the ratios in `docs/performance.md`.
"""

import argparse
import contextlib
import dataclasses
import datetime as dt
import http.client
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import process_tree
from load_generator import Demand, Load, apply, generator
from own_model import CACHE, ROOT, add_project, environment, free_port, make_models, show, version
from own_model import replace_measured as with_notes
from serving_bodies import Kind, kinds, largest_difference, made_up_texts, read_texts
from serving_contenders import (
    CLASSIFIER,
    CONTENDERS,
    FASTAPI,
    OURS,
    ROWS,
    Contender,
    Running,
    prepare,
    serving,
)
from serving_table import (
    Case,
    Sample,
    Samples,
    graph_table,
    memory_table,
    plot,
    ratio_table,
    value_table,
    with_block,
)

FIXTURE = ROOT / "benchmarks" / "fixtures" / "network"
GRAPH = ROOT / "benchmarks" / "fixtures" / "network_small"
# The servers that run with both graphs, and their names with the other one.
BOTH_GRAPHS = {one.name: f"{one.name}, other graph" for one in (OURS, FASTAPI)}
# They run in every second round and for less time, so that `make bench` stays within its time.
_GRAPH_EVERY, _GRAPH_S = 2, 2.0
RESULT = ROOT / "benchmarks" / "results" / "serving.md"
PAGE = ROOT / "docs" / "performance.md"
TOLERANCE = 1e-5
_COMPARED_BODIES = 50
_WARM_UP_S = 1.0
# A load that no request came through is put on again, and told in the result.
_TRIES = 3
# Of the generator alone, at this many connections.
_LIMIT_CONNECTIONS, _LIMIT_S = 32, 2.0
_NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
    access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi; keepalive_requests 1000000000;
    server {{ listen 127.0.0.1:{port}; location / {{ return 200 "{{}}"; }} }}
}}
"""


def install() -> None:
    """Make the environments; what is there already stays, but gets this project as it is now."""
    names = list(dict.fromkeys(one.environment for one in CONTENDERS))
    for name in names:
        environment(name)
    add_project(names)


def check_answers(servers: Sequence[Running], kind: Kind, bodies: Sequence[bytes]) -> float:
    """Ask each server the same; return the largest difference.

    Raises:
        RuntimeError: A server gives no answer, or another one than the first.
    """
    largest = 0.0
    for body in bodies[:_COMPARED_BODIES]:
        first: object = None
        for server in servers:
            status, answer = server.ask(body)
            if status != http.client.OK:
                raise RuntimeError(f"{server.contender.name}, {kind.name}: {status} {answer!r}")
            document = json.loads(answer)
            if first is None:
                first = document
            difference = largest_difference(first, document)
            if difference > TOLERANCE:
                raise RuntimeError(
                    f"{server.contender.name}, {kind.name}: {document}, but "
                    f"{servers[0].contender.name} answers {first}; expected the same to {TOLERANCE}"
                )
            largest = max(largest, difference)
    return largest


class NoAnswerError(Exception):
    """Not one request of a load was answered."""


def measure(
    server: Running, bodies: Sequence[bytes], connections: int, duration_s: float, seed: int
) -> Sample:
    """Put a load on one server.

    Raises:
        NoAnswerError: It answered no request.
    """
    before_s = process_tree.cpu_s(server.pid)
    found = apply(Demand(server.url, bodies, connections, duration_s, seed))
    cpu_s = process_tree.cpu_s(server.pid) - before_s
    if not found.requests:
        raise NoAnswerError(
            f"{server.contender.name} answered no request of {connections} connections in "
            f"{duration_s:.0f} s; its log is in {CACHE / 'work'}"
        )
    thousands = found.requests / 1000
    return Sample(
        found.requests_per_s,
        found.p50_ms,
        found.p99_ms,
        cpu_s / thousands,
        found.generator_cpu_s / thousands,
        found.errors,
    )


@contextlib.contextmanager
def servers_of(
    task: str, contenders: Sequence[Contender], model: Path, body: bytes, workers: int
) -> Iterator[list[Running]]:
    """Run servers side by side."""
    with contextlib.ExitStack() as stack:
        found = []
        for contender in contenders:
            folder = CACHE / "work" / "".join(filter(str.isalnum, contender.name))
            prepare(contender, task, folder, model)
            found.append(
                stack.enter_context(
                    serving(contender, task, folder, body, port=free_port(), workers=workers)
                )
            )
        yield found


@dataclasses.dataclass(frozen=True)
class Limit:
    """What the generator reaches where an nginx answers by itself.

    Attributes:
        load: The answers, and the CPU time of the generator.
        nginx_cpu_s: CPU seconds of nginx.
    """

    load: Load
    nginx_cpu_s: float


def generator_limit(body: bytes) -> Limit:
    """Put the generator's load on an nginx that answers by itself."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        configuration = Path(folder) / "nginx.conf"
        configuration.write_text(_NGINX.format(folder=folder, port=port), encoding="ascii")
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        command = [program, "-p", folder, "-c", str(configuration)]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as nginx:
            running = Running(OURS, nginx.pid, port)
            try:
                while running.ask(body)[0] != http.client.OK:
                    if nginx.poll() is not None:
                        raise RuntimeError(f"nginx ended with status {nginx.returncode}")
                    time.sleep(0.01)
                before_s = process_tree.cpu_s(nginx.pid)
                found = apply(Demand(running.url, [body], _LIMIT_CONNECTIONS, _LIMIT_S))
                return Limit(found, process_tree.cpu_s(nginx.pid) - before_s)
            finally:
                nginx.terminate()


class Run:
    """All rounds of one run.

    Args:
        texts: Review texts.
        models: The model directory of each task.
        workers: Of each server.
        duration_s: Seconds of one load.
        chosen: The kinds of body that are measured.
        graph: A model directory of the classifier with another graph; None for none.
    """

    def __init__(  # noqa: PLR0913 - what one run is made of
        self,
        texts: Sequence[str],
        models: dict[str, Path],
        workers: int,
        duration_s: float,
        chosen: Sequence[Kind],
        *,
        graph: Path | None = None,
    ) -> None:
        self._models = models
        self._graph = graph
        self._workers = workers
        self._duration_s = duration_s
        self._bodies = {kind: kind.make(texts) for kind in chosen}
        names = [one.name for one in CONTENDERS]
        self.samples: Samples = {
            (Case(kind.name, connections), name): []
            for kind in chosen
            for connections in kind.connections
            for name in names
        }
        # Of the rounds with the other graph: the samples of both graphs.
        self.of_graphs: Samples = {}
        self.memory_mb: dict[str, list[float]] = {one.name: [] for one in CONTENDERS}
        self.difference = 0.0
        self.repeated: list[str] = []

    def round(self, number: int) -> None:
        """Measure every server under every load once; the order of the servers rotates."""
        for task in (CLASSIFIER, ROWS):
            bodies = {kind: made for kind, made in self._bodies.items() if kind.task == task}
            if not bodies:
                continue
            first = next(iter(bodies.values()))[0]
            model = self._models[task]
            with servers_of(task, CONTENDERS, model, first, self._workers) as servers:
                with self._others(task, first, number) as others:
                    self._loads([*servers, *others], bodies, number)
                if task == CLASSIFIER:
                    # The others have ended: they would share pages with these.
                    for server in servers:
                        memory = process_tree.pss_mb(server.pid)
                        self.memory_mb[server.contender.name].append(memory)

    @contextlib.contextmanager
    def _others(self, task: str, body: bytes, number: int) -> Iterator[list[Running]]:
        """Run the servers of the other graph, in a round that has them."""
        if self._graph is None or task != CLASSIFIER or number % _GRAPH_EVERY:
            yield []
            return
        others = [
            dataclasses.replace(one, name=BOTH_GRAPHS[one.name])
            for one in CONTENDERS
            if one.name in BOTH_GRAPHS
        ]
        with servers_of(task, others, self._graph, body, self._workers) as servers:
            yield servers

    def _loads(
        self, servers: Sequence[Running], bodies: dict[Kind, list[bytes]], number: int
    ) -> None:
        """Put each load on each server; they take turns."""
        for kind, made in bodies.items():
            self.difference = max(self.difference, check_answers(servers, kind, made))
            for server in servers:
                measure(server, made, max(kind.connections), _WARM_UP_S, number)
            for place, connections in enumerate(kind.connections):
                turn = (number + place) % len(servers)
                for server in (*servers[turn:], *servers[:turn]):
                    self._one(server, kind, made, connections, number)
                if len(servers) > len(CONTENDERS):
                    self._keep_both(Case(kind.name, connections))

    def _keep_both(self, case: Case) -> None:
        """Put the samples of this round beside those of the other graph."""
        for name in BOTH_GRAPHS:
            latest = self.samples[case, name][-1]
            self.of_graphs.setdefault((case, name), []).append(latest)

    def _one(
        self, server: Running, kind: Kind, bodies: Sequence[bytes], connections: int, number: int
    ) -> None:
        seed = 1_000 * number + connections
        name = server.contender.name
        is_other = name in BOTH_GRAPHS.values()
        duration_s = min(self._duration_s, _GRAPH_S) if is_other else self._duration_s
        for left in reversed(range(_TRIES)):
            try:
                found = measure(server, bodies, connections, duration_s, seed)
                break
            except NoAnswerError as error:
                if not left:
                    raise
                show(f"{error}; trying again")
                self.repeated.append(f"{name} ({kind.name}, {connections})")
        samples = self.of_graphs if is_other else self.samples
        samples.setdefault((Case(kind.name, connections), name), []).append(found)
        show(
            f"{kind.name}, {connections}, {name}: {found.requests_per_s:,.0f} requests/s, "
            f"p99 {found.p99_ms:.1f} ms, {found.errors} errors"
        )


def machine(commit: str, load_before: float) -> str:
    """Describe where and of what a run was made."""
    versions = [
        f"{name} {version(CACHE / folder, name)}"
        for folder, name in (
            *(("fastapi", "fastapi"), ("fastapi", "uvicorn")),
            *(("inference_server", "inference-server"), ("byoi_script", "gunicorn")),
            *(("byoi_script", "flask"), ("byoi_script", "onnxruntime")),
        )
    ]
    return (
        f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC, commit {commit}, {os.cpu_count()} cores "
        f"({platform.machine()}), Python {platform.python_version()}, {', '.join(versions)}, "
        f"load {load_before:.1f} before and {os.getloadavg()[0]:.1f} after"
    )


def ratios(run: Run) -> Iterator[str]:
    """Yield the table of ratios of ours to each peer."""
    peers = [one.name for one in CONTENDERS if one is not OURS]
    return ratio_table(run.samples, OURS.name, peers)


def graphs(run: Run) -> Iterator[str]:
    """Yield the table of requests a second with the one graph and the other."""
    return graph_table(run.of_graphs, BOTH_GRAPHS)


def keep_block(name: str, lines: Sequence[str]) -> None:
    """Replace a block of the page that shows the results."""
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(with_block(text, name, lines), encoding="utf-8")


def page(run: Run, note: str, command: str, rounds: int, limit: Limit) -> str:
    """Return the file of results, without its notes."""
    used = generator() == "wrk"
    sender = "wrk, one thread" if used else "asyncio (wrk is missing: apt-get install wrk)"
    return "\n".join(
        [
            "# Requests a second: BYOI as shipped, FastAPI + uvicorn, inference-server",
            "",
            f"{note}, made by",
            "",
            f"    {command}",
            "",
            (
                "What is measured, and how, says the head of that script. Values are medians of "
                f"{rounds} rounds with their ranges; a ratio is of the medians, with the range of "
                "the ratios within one round. Above 1.00 is better in requests a second, below it "
                "in p99. All answers are the same: the largest difference is "
                f"{run.difference:.1e}. The generator is {sender}; against an nginx that "
                f"answers by itself it reaches {limit.load.requests_per_s:,.0f} requests a second."
            ),
            "",
            "Loads put on again, because not one request was answered: "
            + (", ".join(run.repeated) or "none")
            + ".",
            "",
            "![requests a second and p99](serving.png)",
            "",
            "## Ratios",
            "",
            *ratios(run),
            "",
            *(["## The same weights in another graph", "", *graphs(run), ""] * bool(run.of_graphs)),
            "## Values",
            "",
            *value_table(run.samples),
            "",
            "## Memory",
            "",
            *memory_table(run.memory_mb),
            "",
        ]
    )


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of each load")
    parser.add_argument("--workers", type=int, default=2, help="of each server")
    parser.add_argument("--model", type=Path, default=FIXTURE, help="a model directory")
    parser.add_argument("--graph", type=Path, help="the same network in another graph")
    parser.add_argument("--texts", type=Path, help="a file of reviews, one a line, or JSON Lines")
    parser.add_argument("--only", nargs="+", metavar="BODY", help="some of the kinds of body")
    parser.add_argument("--keep", action="store_true", help=f"write {RESULT.relative_to(ROOT)}")
    options = parser.parse_args()
    if options.rounds < 1 or options.seconds < 1 or options.workers < 1:
        parser.error("--rounds, --seconds and --workers take whole numbers from 1 on")
    if options.graph is None and options.model == FIXTURE:
        options.graph = GRAPH
    return options


def main() -> None:
    """Measure and print."""
    options = arguments()
    vocabulary_size = json.loads((options.model / "manifest.json").read_bytes())["config"][
        "vocabulary_size"
    ]
    every = kinds(vocabulary_size)
    chosen = [kind for kind in every if options.only is None or kind.name in options.only]
    if not chosen:
        sys.exit(f"--only needs one of {', '.join(repr(kind.name) for kind in every)}")
    texts = read_texts(options.texts) if options.texts else made_up_texts()
    load_before = os.getloadavg()[0]
    install()
    make_models(CACHE / "models")
    models = {CLASSIFIER: options.model, ROWS: CACHE / "models"}
    limit = generator_limit(next(iter(chosen)).make(texts)[0])
    run = Run(
        *(texts, models, options.workers, float(options.seconds), chosen), graph=options.graph
    )
    for number in range(options.rounds):
        show(f"round {number + 1} of {options.rounds}")
        run.round(number)
    git = ["git", "describe", "--always", "--dirty"]
    commit = subprocess.check_output(git, cwd=ROOT, text=True).strip()
    note = machine(commit, load_before)
    command = " ".join([".venv/bin/python benchmarks/serving.py", *sys.argv[1:]])
    text = page(run, note, command, options.rounds, limit)
    if options.keep:
        old = RESULT.read_text(encoding="utf-8") if RESULT.exists() else ""
        RESULT.write_text(with_notes(old, text), encoding="utf-8")
        keep_block("serving", [note + ":", "", *ratios(run)])
        if run.of_graphs:
            keep_block("graphs", [note + ":", "", *graphs(run)])
        plot(run.samples, [one.name for one in CONTENDERS], RESULT.with_suffix(".png"), note)
    print(text)


if __name__ == "__main__":
    main()
