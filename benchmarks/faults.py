"""What clients see of each fault: the server is broken under a steady load.

    .venv/bin/python benchmarks/faults.py [--only WORD ...] [--image byoi:latest] [--keep]

Eight clients ask all the time, each one request after the other with 20 ms between two; a request
takes 5 ms of a worker, of which there are two (`steady_load.py`, `misbehaving.py`). /ping is asked
20 times a second. Once both workers have answered for two seconds, the fault is done; then the
load goes on until nothing has failed for two seconds and both workers answer. No client sends a
request twice, and each waits up to 90 s for an answer; one whose kept connection was closed makes
a new one.

* What the fault's own request got: of the request that made the worker misbehave, or of the
  clients that stop reading, or send slowly.
* What the eight clients saw: how many of their requests ended with which status, or how the
  connection ended, from the fault on. Lost are those that were sent and got no 200; a refused
  connection is no request, and each client tries again 20 ms later.
* /ping not 200: from the first to the last, seconds.
* Healthy: seconds from the fault until nothing failed any more and the worker that took the place
  of another had answered. Where the server ends, it is started again at once, which is the
  platform's part, and that time is in it; until it is healthy, the clients send nothing.

The stack runs as processes, and in a container (`--image`) where the fault needs one: a memory
limit, a small /tmp. The deadline of a request is 5 s where the fault waits for it (60 s by
default), so that a silent worker is killed after 10 s and not after 65 s. Then hostile model data,
each an archive that is unpacked (`hostile_archives.py`). `--keep` writes
`benchmarks/results/faults.md`, where the notes stay, and the table in `docs/reliability.md`.
"""

import argparse
import contextlib
import datetime as dt
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import hostile_archives
import slow_clients
from fault_servers import (
    Server,
    as_processes,
    in_container,
    processes_of,
    wait_for_end,
    why_no_image,
)
from own_model import ROOT, replace_measured, show
from serving_table import with_block
from steady_load import Seen, SteadyLoad, ask_once, seen_since

RESULT = ROOT / "benchmarks" / "results" / "faults.md"
PAGE = ROOT / "docs" / "reliability.md"
WHOLE_S = 90.0
SHORT_DEADLINE = {"BYOI_INVOCATION_TIMEOUT_S": "5"}
ALONE = {"BYOI_NGINX": "off"}
_IN_FLIGHT_S = 3
_FULL_S = 4.0


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        name: In the table.
        do: Does it; returns what its own client got, empty where it has none.
        environ: Variables of the server.
        options: Of `docker run`, where it needs a container.
        ends: Whether the server ends of it.
    """

    name: str
    do: Callable[[Server], str]
    environ: dict[str, str] | None = None
    options: tuple[str, ...] | None = None
    ends: bool = False


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        name: The fault.
        own: What its own client got.
        seen: What the load saw; None where it was not tried.
        note: How the server ended, or why it was not tried.
    """

    name: str
    own: str = ""
    seen: Seen | None = None
    note: str = ""

    def line(self) -> str:
        """Return the line of the table."""
        cells = [self.name, self.own or "-"]
        if self.seen is None:
            cells += [f"not tried: {self.note}", "-", "-", "-", "-", "-"]
        else:
            cells += [
                self.seen.text(),
                str(self.seen.lost),
                f"{self.seen.slowest_s:.2f}",
                f"{self.seen.ping_down_s:.1f}",
                f"{self.seen.healthy_s:.2f}",
                self.note or "-",
            ]
        return f"| {' | '.join(cells)} |"


# The faults.


def kill(part: str, number: signal.Signals = signal.SIGKILL) -> Callable[[Server], str]:
    """Return a fault that sends a signal to a part of the server."""

    def do(server: Server) -> str:
        os.kill(processes_of(server, part)[0], number)
        return ""

    return do


def request(body: str) -> Callable[[Server], str]:
    """Return a fault that is one request."""
    return lambda server: ask_once(server.port, body.encode()).outcome


def terminate(server: Server) -> str:
    """Send SIGTERM while a request of some seconds is under way."""
    got: list[str] = []
    body = f"DO:sleep {_IN_FLIGHT_S}".encode()
    client = threading.Thread(target=lambda: got.append(ask_once(server.port, body).outcome))
    client.start()
    # It is under way once it has been for a while: a worker takes it within milliseconds.
    client.join(0.5)
    os.kill(server.pid, signal.SIGTERM)
    client.join()
    return f"{_IN_FLIGHT_S} s in flight: {got[0]}"


def fill_tmp(server: Server) -> str:
    """Fill the container's /tmp, ask with a large body meanwhile, and make room again."""
    server.run("sh", "-c", "cat /dev/zero >/tmp/full")
    large = ask_once(server.port, b"x" * 5_000_000).outcome
    small = ask_once(server.port, b"work").outcome
    time.sleep(_FULL_S)
    server.run("rm", "/tmp/full")
    return f"5 MB: {large}; 4 bytes: {small}"


FAULTS = (
    Fault("kill -9 of a worker", kill("worker")),
    Fault("kill -9 of gunicorn's master", kill("gunicorn"), ends=True),
    Fault("kill -9 of nginx's worker", kill("nginx worker")),
    Fault("kill -9 of nginx's master", kill("nginx"), ends=True),
    Fault("SIGSTOP of a worker", kill("worker", signal.SIGSTOP), SHORT_DEADLINE),
    Fault("SIGTERM", terminate, ends=True),
    Fault("a model that raises", request("DO:raise")),
    Fault("a model that never returns", request("DO:never"), SHORT_DEADLINE),
    Fault("the same, and it holds the interpreter", request("DO:hold"), SHORT_DEADLINE),
    Fault("a model that calls sys.exit", request("DO:sys.exit 1")),
    Fault("a model that calls os._exit", request("DO:os._exit 1")),
    Fault("a model that crashes (SIGSEGV)", request("DO:crash")),
    Fault("8 clients that do not read 20 MB", slow_clients.stop_reading),
    Fault("a client that stops reading a stream", slow_clients.stop_reading_a_stream),
    Fault("slowloris: 200 clients, a byte of headers a second", slow_clients.slow_headers),
    Fault("the same with bodies", slow_clients.slow_bodies),
    Fault("2,000 idle connections", slow_clients.idle),
    Fault("without nginx: 8 clients that do not read 20 MB", slow_clients.stop_reading, ALONE),
    Fault("without nginx: slowloris", slow_clients.slow_headers, ALONE),
    Fault("without nginx: slow bodies", slow_clients.slow_bodies, ALONE),
    Fault("without nginx: kill -9 of a worker", kill("worker"), ALONE),
    Fault(
        "/tmp full (8 MB, for 4 s)",
        fill_tmp,
        options=("--tmpfs=/tmp:size=8m",),
    ),
    Fault(
        "a model that takes all memory (limit 300 MB)",
        request("DO:memory"),
        options=("--memory=300m", "--memory-swap=300m"),
    ),
)


# A run.


def row_of(fault: Fault, image: str) -> Row:
    """Do a fault to a server of its own under the load."""
    if fault.options is not None and (reason := why_no_image(image)):
        return Row(fault.name, note=reason)
    with contextlib.ExitStack() as stack:
        environ = {"SAGEMAKER_CONTAINER_LOG_LEVEL": "WARNING", **(fault.environ or {})}
        server: Server = stack.enter_context(
            as_processes(environ)
            if fault.options is None
            else in_container(image, environ, fault.options)
        )
        load = stack.enter_context(SteadyLoad(server.port))
        if not load.wait_until_whole(WHOLE_S):
            raise RuntimeError(f"{fault.name}: the server was not well before the fault")
        before, began_s = load.workers(), time.monotonic()
        own = fault.do(server)
        note = ""
        if fault.ends:
            status = wait_for_end(server)
            note = f"ended with status {status} after {time.monotonic() - began_s:.1f} s"
            with load.paused():
                server.start_again()
        is_whole = load.wait_until_whole(WHOLE_S)
        if server.status() is not None:
            note = f"**ended with status {server.status()}**"
        elif not is_whole:
            note = f"**not whole after {WHOLE_S:.0f} s**"
    return Row(fault.name, own, seen_since(load.events, load.pings, began_s, before), note)


def table(rows: Sequence[Row]) -> Iterator[str]:
    """Yield the table."""
    yield (
        "| fault | its own request got | the eight clients saw | lost | slowest, s "
        "| /ping not 200, s | healthy after, s | the server |"
    )
    yield "|---|---|---|--:|--:|--:|--:|---|"
    for row in rows:
        yield row.line()


def page(rows: Sequence[Row], refused: Sequence[hostile_archives.Refusal], note: str) -> str:
    """Return the file of results, without its notes."""
    command = " ".join([".venv/bin/python benchmarks/faults.py", *sys.argv[1:]])
    return "\n".join(
        [
            "# Faults under a steady load",
            "",
            f"{note}, made by",
            "",
            f"    {command}",
            "",
            "What each column is, and how it is measured, says the head of that script.",
            "",
            *table(rows),
            "",
            *(["## Hostile model data", "", *hostile_archives.table(refused), ""] * bool(refused)),
        ]
    )


def machine(load_before: float) -> str:
    """Describe where and of what a run was made."""
    git = ["git", "describe", "--always", "--dirty"]
    commit = subprocess.check_output(git, cwd=ROOT, text=True).strip()
    return (
        f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC, commit {commit}, {os.cpu_count()} cores "
        f"({platform.machine()}), Python {platform.python_version()}, "
        f"load {load_before:.1f} before and {os.getloadavg()[0]:.1f} after"
    )


def main() -> None:
    """Do each fault and print the table; exit status 1 where a server did not become whole."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", metavar="WORD", help="faults whose name has a word")
    parser.add_argument("--image", default="byoi:latest")
    parser.add_argument("--keep", action="store_true", help=f"write {RESULT.relative_to(ROOT)}")
    options = parser.parse_args()
    if options.keep and options.only:
        parser.error("--keep writes the whole table; leave --only out")
    load_before = os.getloadavg()[0]
    rows = []
    for fault in FAULTS:
        if options.only is None or any(word in fault.name for word in options.only):
            rows.append(row_of(fault, options.image))
            show(rows[-1].line())
    refused: list[hostile_archives.Refusal] = []
    if options.only is None:
        with tempfile.TemporaryDirectory() as folder:
            refused = list(hostile_archives.refusals(Path(folder)))
    note = machine(load_before)
    text = page(rows, refused, note)
    if options.keep:
        old = RESULT.read_text(encoding="utf-8") if RESULT.exists() else ""
        RESULT.write_text(replace_measured(old, text), encoding="utf-8")
        lines = [f"{note}:", "", *table(rows)]
        PAGE.write_text(with_block(PAGE.read_text("utf-8"), "faults", lines), encoding="utf-8")
    print(text)
    sys.exit("**" in text)


if __name__ == "__main__":
    main()
