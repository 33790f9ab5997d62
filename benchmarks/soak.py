"""Does a server that runs for long grow? Mixed requests, memory and descriptors meanwhile.

    .venv/bin/python benchmarks/soak.py [--seconds 600] [--seed N] [--keep]

Eight clients send valid, invalid and streamed requests in random order, as fast as they are
answered: rows of numbers, small and many; texts; a body of 1 MB, which waits on the disk; broken
JSON, wrong rows, wrong paths and methods, headers too large; a model that raises; a stream that is
read to its end, and one whose client leaves in the middle; half a request; malformed HTTP
(`fuzz_http.py`). Each kind has the statuses that it may get; any other is counted as wrong.

Memory is PSS of all processes of the stack, descriptors are all that they have open, both from
/proc, looked at 120 times. What counts is the median of the last quarter less that of the second:
the first quarter is warming up. `--keep` writes `benchmarks/results/soak.md`, where the notes stay,
`soak.png`, and the figures in `docs/reliability.md`. Exit status 1 where memory or descriptors
grew, a status was wrong, or a process of the stack was replaced.
"""

import argparse
import collections
import contextlib
import dataclasses
import datetime as dt
import http.client
import json
import os
import platform
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import fuzz_http
import process_tree
from fault_servers import MODULE
from own_model import ROOT, replace_measured, show
from serving_table import with_block
from slow_clients import post
from steady_load import CLIENTS, HOST, outcome_of

from byoi.local import ProcessStack

RESULT = ROOT / "benchmarks" / "results" / "soak.md"
PAGE = ROOT / "docs" / "reliability.md"
PLOT = RESULT.with_suffix(".png")
LOOKS = 120
GROWTH_MB, GROWTH_DESCRIPTORS = 8.0, 16.0
# Of one connection, before a client makes a new one.
_REQUESTS_OF_ONE = 20
_PATIENCE_S = 60
_JSON, _TEXT = {"Content-Type": "application/json"}, {"Content-Type": "text/plain"}
_MANY_ROWS = json.dumps([[number, 2, 3, 4] for number in range(1_000)]).encode()

Client = http.client.HTTPConnection


def _asks(
    method: str, path: str, body: bytes = b"", headers: dict[str, str] = _TEXT
) -> Callable[[Client, random.Random], str]:
    def ask(client: Client, _: random.Random) -> str:
        client.request(method, path, body, headers)
        response = client.getresponse()
        response.read()
        return str(response.status)

    return ask


def _invokes(
    body: bytes, headers: dict[str, str] = _TEXT
) -> Callable[[Client, random.Random], str]:
    return _asks("POST", "/invocations", body, headers)


def _leaves_a_stream(client: Client, _: random.Random) -> str:
    with socket.create_connection((HOST, client.port), timeout=_PATIENCE_S) as connection:
        connection.sendall(post(b"DO:stream 100000"))
        answer = connection.recv(1000)
    return answer[9:12].decode()


def _sends_half(client: Client, chosen: random.Random) -> str:
    request = post(b"work")
    with socket.create_connection((HOST, client.port), timeout=_PATIENCE_S) as connection:
        connection.sendall(request[: chosen.randrange(1, len(request))])
    return "left"


def _malformed(client: Client, chosen: random.Random) -> str:
    pieces = fuzz_http.malformed(chosen)
    return fuzz_http.exchange(client.port, pieces, closes=True).fault or "no fault"


@dataclasses.dataclass(frozen=True)
class Kind:
    """One kind of request.

    Attributes:
        send: Sends it and returns what came of it.
        expected: What may come of it.
        weight: How often it is chosen.
    """

    send: Callable[[Client, random.Random], str]
    expected: str
    weight: int = 2


KINDS: dict[str, Kind] = {
    "a text": Kind(_invokes(b"work"), "200", 10),
    "a row": Kind(_invokes(b"[[1, 2, 3, 4]]", _JSON), "200", 10),
    "1,000 rows": Kind(_invokes(_MANY_ROWS, _JSON), "200"),
    "a body of 1 MB": Kind(_invokes(b"x" * 1_000_000), "200"),
    "a stream": Kind(_invokes(b"DO:stream 20"), "200", 4),
    "a stream whose client leaves": Kind(_leaves_a_stream, "200"),
    "broken JSON": Kind(_invokes(b"[[1, 2, 3", _JSON), "400"),
    "a row of three": Kind(_invokes(b"[[1, 2, 3]]", _JSON), "400"),
    "a model that raises": Kind(_invokes(b"DO:raise"), "500"),
    "another path": Kind(_asks("GET", "/nothing"), "404"),
    "another method": Kind(_asks("PUT", "/invocations", b"x"), "405"),
    "headers of 200 kB": Kind(_asks("GET", "/ping", headers={"X": "y" * 200_000}), "431", 1),
    "half a request": Kind(_sends_half, "left"),
    "malformed HTTP": Kind(_malformed, "no fault"),
}


@dataclasses.dataclass
class Soak:
    """What was seen.

    Attributes:
        at_s: When each look was, from the start.
        memory_mb: At each look.
        descriptors: Likewise.
        answers: How often each kind got what.
        replaced: Processes that were there at the start and not at the end.
    """

    at_s: list[float] = dataclasses.field(default_factory=list)
    memory_mb: list[float] = dataclasses.field(default_factory=list)
    descriptors: list[float] = dataclasses.field(default_factory=list)
    answers: collections.Counter[tuple[str, str]] = dataclasses.field(
        default_factory=collections.Counter
    )
    replaced: int = 0

    @property
    def wrong(self) -> int:
        """Answers that may not be."""
        return sum(
            count for (name, got), count in self.answers.items() if got != KINDS[name].expected
        )

    def verdicts(self) -> Iterator[tuple[str, bool]]:
        """Yield each figure in words, and whether it is as it must be."""
        total = sum(self.answers.values())
        yield (
            f"{total:,} requests, {self.wrong} of them with an answer that may not be",
            (self.wrong == 0),
        )
        for name, values, limit in (
            ("memory, MB", self.memory_mb, GROWTH_MB),
            ("descriptors", self.descriptors, GROWTH_DESCRIPTORS),
        ):
            second, last = quarters(values)
            text = f"{name}: {second:.1f} in the second quarter, {last:.1f} in the last"
            yield f"{text} ({last - second:+.1f}, at most {limit:+.0f})", last - second <= limit
        yield f"processes replaced: {self.replaced}", self.replaced == 0


def quarters(values: Sequence[float]) -> tuple[float, float]:
    """Return the medians of the second and of the last quarter of a run."""
    quarter = max(1, len(values) // 4)
    second = values[quarter : 2 * quarter] or values
    return statistics.median(second), statistics.median(values[-quarter:])


class Clients:
    """The clients, as threads that end when they are told.

    Args:
        port: Of the server.
        seed: Of what they choose.
    """

    def __init__(self, port: int, seed: int) -> None:
        self.answers: list[tuple[str, str]] = []
        self._port = port
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(random.Random(f"{seed}:{number}"),))
            for number in range(CLIENTS)
        ]

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Let them ask until the block ends."""
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join()

    def _run(self, chosen: random.Random) -> None:
        names, weights = list(KINDS), [kind.weight for kind in KINDS.values()]
        while not self._stop.is_set():
            client = Client(HOST, self._port, timeout=_PATIENCE_S)
            with contextlib.closing(client):
                for _ in range(chosen.randrange(1, _REQUESTS_OF_ONE)):
                    if self._stop.is_set():
                        break
                    (name,) = chosen.choices(names, weights)
                    try:
                        got = KINDS[name].send(client, chosen)
                    except (OSError, http.client.HTTPException) as error:
                        client.close()
                        got = outcome_of(error)
                    self.answers.append((name, got))


def soak(seconds: float, seed: int) -> Soak:
    """Run a stack under the clients.

    Args:
        seconds: How long.
        seed: Of the clients.
    """
    found = Soak()
    environ = {
        "BYOI_INFERENCE_MODULE": str(MODULE),
        "SAGEMAKER_CONTAINER_LOG_LEVEL": "CRITICAL",
        **fuzz_http.ENVIRON,
    }
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        model.mkdir()
        with ProcessStack(model, environ=environ) as stack:
            pid = stack.pid or 0
            before = {one.pid for one in process_tree.tree(pid)}
            clients, began_s = Clients(stack.port, seed), time.monotonic()
            with clients.running():
                for number in range(1, LOOKS + 1):
                    time.sleep(max(0, began_s + number * seconds / LOOKS - time.monotonic()))
                    found.at_s.append(time.monotonic() - began_s)
                    found.memory_mb.append(process_tree.pss_mb(pid))
                    found.descriptors.append(process_tree.descriptors(pid))
            found.replaced = len(before - {one.pid for one in process_tree.tree(pid)})
            found.answers.update(clients.answers)
            if not stack.is_ready():
                found.answers["a text", "/ping is not 200"] += 1
    return found


def plot(found: Soak, file: Path, note: str) -> None:
    """Draw memory and descriptors over the run.

    Args:
        found: Of the run.
        file: The picture, its format by its name.
        note: Machine, commit and load.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - the tests of the table need none

    figure = Figure(figsize=(9, 5), layout="constrained")
    panels = figure.subplots(2, 1, sharex=True)
    for axes, values, title in (
        (panels[0], found.memory_mb, "memory of all processes, MB (PSS)"),
        (panels[1], found.descriptors, "open descriptors"),
    ):
        axes.plot(found.at_s, values, linewidth=1)
        axes.set_ylim(0, 1.2 * max(values))
        axes.set_title(title, loc="left", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    panels[1].set_xlabel("seconds")
    figure.supxlabel(note, fontsize=7)
    figure.savefig(file, dpi=100, metadata={"Software": None})


def verdict_lines(found: Soak) -> Iterator[str]:
    """Yield a line for each figure, and whether it is as it must be."""
    for text, is_good in found.verdicts():
        yield f"* {text}: {'yes' if is_good else '**no**'}"


def page(found: Soak, note: str, command: str) -> str:
    """Return the file of results, without its notes."""
    rows = [
        f"| {name} | {got} | {count:,} |{'' if got == KINDS[name].expected else ' **wrong**'}"
        for (name, got), count in sorted(found.answers.items())
    ]
    return "\n".join(
        [
            "# A server that runs for long",
            "",
            f"{note}, made by",
            "",
            f"    {command}",
            "",
            "What is sent, and how it is measured, says the head of that script.",
            "",
            *verdict_lines(found),
            "",
            f"![Memory and descriptors over the run]({PLOT.name})",
            "",
            "| request | got | times |",
            "|---|---|--:|",
            *rows,
            "",
        ]
    )


def main() -> None:
    """Soak and print; exit status 1 where something grew or was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 10**6)
    parser.add_argument("--keep", action="store_true", help=f"write {RESULT.relative_to(ROOT)}")
    options = parser.parse_args()
    load_before = os.getloadavg()[0]
    show(f"{options.seconds:.0f} s, seed {options.seed}")
    found = soak(options.seconds, options.seed)
    git = ["git", "describe", "--always", "--dirty"]
    commit = subprocess.check_output(git, cwd=ROOT, text=True).strip()
    note = (
        f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC, commit {commit}, {os.cpu_count()} cores "
        f"({platform.machine()}), Python {platform.python_version()}, "
        f"load {load_before:.1f} before and {os.getloadavg()[0]:.1f} after, seed {options.seed}"
    )
    text = page(found, note, " ".join([".venv/bin/python benchmarks/soak.py", *sys.argv[1:]]))
    if options.keep:
        old = RESULT.read_text(encoding="utf-8") if RESULT.exists() else ""
        RESULT.write_text(replace_measured(old, text), encoding="utf-8")
        plot(found, PLOT, note)
        lines = [f"{note}:", "", *verdict_lines(found)]
        PAGE.write_text(with_block(PAGE.read_text("utf-8"), "soak", lines), encoding="utf-8")
    print(text)
    sys.exit(not all(is_good for _, is_good in found.verdicts()))


if __name__ == "__main__":
    main()
