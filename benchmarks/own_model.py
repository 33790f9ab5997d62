"""One scikit-learn model, served by BYOI, LitServe, MLServer and BentoML.

    .venv/bin/python benchmarks/own_model.py [--rounds 5] [--only NAME ...] [--keep]

Each server is used as its own quick start says (`benchmarks/peers/`), with the packages of a lock
of its own, installed once under `build/peers` from the package index. The model is a scaler and a
logistic regression on made-up data with the four columns of iris: it takes 0.1 ms, so that what
is measured is the server. All servers must give the same labels.

Lines: what the user writes, less blank lines and comments. First answer: seconds from the command
to the first right answer; cold means that the files of the environment were dropped from the
machine's page cache, warm that they were just read. A request: one row, one client, one
connection. Eight clients: the same, each with a connection, requests a second. Bad input: the
status, and whether the message names the fault. Installed: the environment's packages without
pip. The servers take turns in each round; the table has medians and ranges of the rounds, and
ratios to the last of BYOI's rows. `--keep` writes benchmarks/results/own_model.md, where the notes
stay.
"""

import argparse
import contextlib
import dataclasses
import datetime as dt
import hashlib
import http.client
import json
import os
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
import venv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from contenders import CONTENDERS, LITSERVE_PORT, OURS, PEERS, Contender, Rows

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / "build" / "peers"
RESULT = ROOT / "benchmarks" / "results" / "own_model.md"
NOTES = "## Notes"
ROWS = [[5.1, 3.5, 1.4, 0.2]]
MANY_ROWS = [[5.1, 3.5, 1.4, 0.2], [6.9, 3.1, 4.9, 1.5], [6.3, 3.3, 6.0, 2.5]]
CLIENTS = 8
WARM_UP, REQUESTS = 50, 400
LOAD_S = 3.0
START_TIMEOUT_S = 120.0
JSON_TYPE = "application/json"


@dataclasses.dataclass(frozen=True)
class Fault:
    """A bad request.

    Attributes:
        name: In the table.
        rows: Of the request.
        named: Patterns that a message which names the fault has, all of them; case is ignored.
        content_type: Of the body.
        cut: How many bytes are cut off its end.
    """

    name: str
    rows: Rows
    named: tuple[str, ...]
    content_type: str = JSON_TYPE
    cut: int = 0

    def body(self, contender: Contender) -> bytes:
        """Return the body for a server."""
        body = contender.body(self.rows)
        return body[: len(body) - self.cut]


FAULTS = (
    Fault("three columns", [[5.1, 3.5, 1.4]], (r"\b3\b|three", r"\b4\b|four")),
    Fault("a text in a row", [["tall", 3.5, 1.4, 0.2]], ("tall|number|numeric|float|str",)),
    Fault("JSON cut short", ROWS, ("json|delimiter|expecting",), cut=2),
    Fault(
        "unknown content type",
        ROWS,
        (r"content[- ]type|media type|application/x-parquet",),
        content_type="application/x-parquet",
    ),
)


@dataclasses.dataclass
class Measurements:
    """What was measured of one server, a value for each round.

    Attributes:
        cold_s: From the command to the first answer, with no file in the page cache.
        warm_s: The same, directly after.
        request_ms: Median of one client's requests.
        requests_per_s: Of all clients together.
        faults: Status and message for each of `FAULTS`.
        installed_mb: Size of the packages.
    """

    contender: Contender
    cold_s: list[float] = dataclasses.field(default_factory=list)
    warm_s: list[float] = dataclasses.field(default_factory=list)
    request_ms: list[float] = dataclasses.field(default_factory=list)
    requests_per_s: list[float] = dataclasses.field(default_factory=list)
    faults: list[tuple[int, str]] = dataclasses.field(default_factory=list)
    installed_mb: float = 0.0


# The environments.


def environment(name: str) -> Path:
    """Return the folder of an environment; make it where it is missing or its lock changed."""
    lock = PEERS / f"{name}.txt"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    folder = CACHE / name
    # Written last: what was interrupted is made again.
    done = folder / "installed"
    if not done.is_file() or done.read_text(encoding="ascii") != digest:
        show(f"{name}: installing {lock.relative_to(ROOT)} (about a minute)")
        venv.create(folder, with_pip=True, clear=True)
        pip(folder, "--require-hashes", "--requirement", str(lock))
        done.write_text(digest, encoding="ascii")
    return folder


def add_project(names: Iterable[str]) -> None:
    """Install this project, as it is now, into some environments."""
    wheels = CACHE / "wheel"
    shutil.rmtree(wheels, ignore_errors=True)
    build = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", f"--wheel-dir={wheels}"]
    subprocess.run([sys.executable, "-m", "pip", *build, str(ROOT)], check=True)
    (wheel,) = wheels.glob("byoi-*.whl")
    for name in names:
        pip(CACHE / name, "--no-deps", "--force-reinstall", str(wheel))


def pip(folder: Path, *arguments: str) -> None:
    """Install into an environment."""
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([folder / "bin" / "python", *install, *arguments], check=True)


def packages(folder: Path) -> Iterator[Path]:
    """Yield the files of an environment's packages, without those of pip."""
    for path in folder.glob("lib/python*/site-packages/**/*"):
        if path.is_file() and "/site-packages/pip" not in str(path):
            yield path


def drop_from_page_cache(folder: Path) -> None:
    """Drop the packages of an environment from the page cache, and nothing else of this machine."""
    for path in packages(folder):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


# The model.


def make_models(folder: Path) -> list[int]:
    """Fit the model, write it in each format and return the labels of `MANY_ROWS`."""
    import joblib  # noqa: PLC0415 - the tests of the table need no scikit-learn
    import numpy as np  # noqa: PLC0415
    import skl2onnx  # noqa: PLC0415
    import skops.io  # noqa: PLC0415
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    random = np.random.default_rng(20)
    rows = np.repeat(np.array(MANY_ROWS), 50, axis=0)
    rows += random.normal(scale=0.3, size=rows.shape)
    labels = np.repeat(np.arange(len(MANY_ROWS)), 50)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, labels)
    folder.mkdir(parents=True, exist_ok=True)
    joblib.dump(model, folder / "model.joblib")
    skops.io.dump(model, folder / "model.skops")
    converted = skl2onnx.to_onnx(model, rows[:1].astype("float32"), options={"zipmap": False})
    (folder / "model.onnx").write_bytes(converted.SerializeToString())
    found: list[int] = model.predict(np.array(MANY_ROWS)).tolist()
    return found


# A running server.


def prepare(contender: Contender, folder: Path, models: Path, port: int) -> None:
    """Make the working folder: the user's files and the model."""
    shutil.rmtree(folder, ignore_errors=True)
    model = folder / contender.model
    model.parent.mkdir(parents=True)
    shutil.copy(models / model.name, model)
    for name in contender.files:
        text = (PEERS / name).read_text(encoding="utf-8")
        (folder / Path(name).name).write_text(text.replace(LITSERVE_PORT, f"port={port}"), "utf-8")


@contextlib.contextmanager
def serving(contender: Contender, folder: Path, port: int) -> Iterator[float]:
    """Run the server; gives the seconds from the command to the first answer."""
    programs = CACHE / contender.environment / "bin"
    ports = {"{port}": port, "{port+1}": port + 1, "{port+2}": port + 2}
    variables = {name: str(ports[value]) for name, value in contender.variables}
    kept = {name: os.environ[name] for name in ("LANG", "TMPDIR") if name in os.environ}
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    home = CACHE / "home"  # BentoML keeps a store there
    home.mkdir(exist_ok=True)
    program, *arguments = (part.replace("{port}", str(port)) for part in contender.command)
    log_file = folder / "server.log"
    with log_file.open("wb") as log:
        began_s = time.perf_counter()
        server = subprocess.Popen(
            [programs / program, *arguments],
            cwd=folder,
            env={**kept, "PATH": path, "HOME": str(home), **variables},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        while ask(contender, port, contender.body(ROWS))[0] != http.client.OK:
            if server.poll() is not None or time.perf_counter() - began_s > START_TIMEOUT_S:
                sys.exit(f"{contender.name} does not answer:\n{log_file.read_text()[-4000:]}")
            time.sleep(0.01)
        yield time.perf_counter() - began_s
    finally:
        stop(server)


def stop(server: subprocess.Popen[bytes]) -> None:
    """End a server with all its processes."""
    server.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(10)
    # What it left; it was the leader of a group of its own.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def free_port() -> int:
    """Return a port that is free, and whose two successors are."""
    while True:
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            first = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            port: int = first.getsockname()[1]
            for other in (port + 1, port + 2):
                stack.enter_context(socket.create_server(("127.0.0.1", other)))
            return port


def ask(
    contender: Contender, port: int, body: bytes, content_type: str = JSON_TYPE
) -> tuple[int, str]:
    """Return status and body of one request with a connection of its own; 0 without an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        return send(connection, contender, body, content_type)
    except (OSError, http.client.HTTPException) as error:
        return 0, str(error)
    finally:
        connection.close()


def send(
    connection: http.client.HTTPConnection,
    contender: Contender,
    body: bytes,
    content_type: str = JSON_TYPE,
) -> tuple[int, str]:
    """Return status and body of one request."""
    connection.request("POST", contender.path, body, {"Content-Type": content_type})
    response = connection.getresponse()
    return response.status, response.read().decode("utf-8", "replace")


def check_labels(contender: Contender, port: int, expected: list[int]) -> None:
    """End where the server's labels are others than the model's."""
    status, answer = ask(contender, port, contender.body(MANY_ROWS))
    if status != http.client.OK or contender.labels(json.loads(answer)) != expected:
        sys.exit(f"{contender.name} answers {status} {answer}, expected the labels {expected}")


def request_ms(contender: Contender, port: int) -> float:
    """Return the median of one client's requests over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    body = contender.body(ROWS)
    times = []
    for _ in range(WARM_UP + REQUESTS):
        began_s = time.perf_counter()
        status, answer = send(connection, contender, body)
        times.append((time.perf_counter() - began_s) * 1000)
        if status != http.client.OK:
            sys.exit(f"{contender.name} answers {status} {answer}")
    connection.close()
    return statistics.median(times[WARM_UP:])


def requests_per_s(contender: Contender, port: int) -> float:
    """Return how many requests eight clients get answered in a second."""
    body = contender.body(ROWS)
    counts = [0] * CLIENTS
    faults: list[str] = []
    end_s = time.perf_counter() + LOAD_S

    def client(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while time.perf_counter() < end_s:
            status, answer = send(connection, contender, body)
            if status != http.client.OK:
                faults.append(f"{status} {answer}")
                return
            counts[number] += 1
        connection.close()

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        sys.exit(f"{contender.name} answers {faults[0]} to eight clients")
    return sum(counts) / LOAD_S


def measure(measured: Measurements, folder: Path, models: Path, expected: list[int]) -> None:
    """Make one round with one server."""
    contender = measured.contender
    port = free_port()
    prepare(contender, folder, models, port)
    drop_from_page_cache(CACHE / contender.environment)
    with serving(contender, folder, port) as cold_s:
        measured.cold_s.append(cold_s)
    port = free_port()
    prepare(contender, folder, models, port)
    with serving(contender, folder, port) as warm_s:
        measured.warm_s.append(warm_s)
        check_labels(contender, port, expected)
        measured.request_ms.append(request_ms(contender, port))
        measured.requests_per_s.append(requests_per_s(contender, port))
        measured.faults = [
            ask(contender, port, fault.body(contender), fault.content_type) for fault in FAULTS
        ]
    show(
        f"{contender.name}: {cold_s:.1f} s, {warm_s:.1f} s, {measured.request_ms[-1]:.1f} ms, "
        f"{measured.requests_per_s[-1]:.0f} requests/s"
    )


# The table.


def names(fault: Fault, message: str) -> bool:
    """Whether a message says what is wrong with the request."""
    return all(re.search(one, message, re.IGNORECASE) for one in fault.named)


def is_told(fault: Fault, status: int, message: str) -> bool:
    """Whether the client is told that the fault is its own, and which one it is."""
    return 400 <= status < 500 and names(fault, message)


def verdict(fault: Fault, status: int, message: str) -> str:
    """Return the cell of a bad request."""
    if status < 400:
        return f"{status}, answered"
    return f"{status}, {'named' if names(fault, message) else 'not named'}"


def spread(values: Sequence[float], digits: int) -> str:
    """Return the median and the range."""
    least, middle, most = (
        f"{value:,.{digits}f}" for value in (min(values), statistics.median(values), max(values))
    )
    return middle if least == most else f"{middle} ({least} to {most})"


def columns(measured: Measurements, reference: Measurements) -> list[tuple[str, str, float]]:
    """Return head, cell and rank of each column: the lowest rank is the first."""
    found: list[tuple[str, str, float]] = []
    lines = measured.contender.lines()
    found.append(("lines", str(lines), lines))
    for head, digits, name, sign in (
        ("first answer, cold, s", 1, "cold_s", 1),
        ("first answer, warm, s", 1, "warm_s", 1),
        ("a request, ms", 2, "request_ms", 1),
        ("8 clients, requests/s", 0, "requests_per_s", -1),
    ):
        values = getattr(measured, name)
        middle = statistics.median(values)
        ratio = middle / statistics.median(getattr(reference, name))
        found.append((head, f"{spread(values, digits)}; {ratio:.2f}", sign * middle))
    found.append(("installed, MB", f"{measured.installed_mb:,.0f}", measured.installed_mb))
    told = sum(
        is_told(fault, *answer) for fault, answer in zip(FAULTS, measured.faults, strict=True)
    )
    found.append(("bad input: 4xx that names it", f"{told} of {len(FAULTS)}", -told))
    return found


def table(all_measured: Sequence[Measurements], reference: Measurements) -> Iterator[str]:
    """Yield the lines of the table; the first of each column is bold."""
    rows = [columns(one, reference) for one in all_measured]
    best = [min(rank for _, _, rank in column) for column in zip(*rows, strict=True)]
    yield f"| server | {' | '.join(head for head, _, _ in rows[0])} |"
    yield "|---" * (len(rows[0]) + 1) + "|"
    for one, row in zip(all_measured, rows, strict=True):
        cells = [
            f"**{cell}**" if rank == first else cell
            for (_, cell, rank), first in zip(row, best, strict=True)
        ]
        yield f"| {one.contender.name} | {' | '.join(cells)} |"


def not_first(all_measured: Sequence[Measurements], reference: Measurements) -> Iterator[str]:
    """Yield a line for each column and row of BYOI in which another server is before it."""
    rows = [(one, columns(one, reference)) for one in all_measured]
    for number, (head, _, _) in enumerate(rows[0][1]):
        peers = [(row[number][2], one) for one, row in rows if one.contender not in OURS]
        for one, row in rows:
            before = [peer.contender.name for rank, peer in peers if rank < row[number][2]]
            if one.contender in OURS and before:
                yield f"* {one.contender.name}, {head}: after {' and '.join(before)}."


def fault_table(all_measured: Sequence[Measurements]) -> Iterator[str]:
    """Yield the lines of the table of bad requests, and the messages below it."""
    yield f"| server | {' | '.join(fault.name for fault in FAULTS)} |"
    yield "|---" * (len(FAULTS) + 1) + "|"
    for one in all_measured:
        cells = [verdict(f, *answer) for f, answer in zip(FAULTS, one.faults, strict=True)]
        yield f"| {one.contender.name} | {' | '.join(cells)} |"
    for one in all_measured:
        yield f"\n{one.contender.name}:\n"
        for fault, (_, message) in zip(FAULTS, one.faults, strict=True):
            short = " ".join(message.split()).replace("`", "'")
            yield f"* {fault.name}: `{short[:200]}`"


def replace_measured(text: str, measured: str) -> str:
    """Return a file of results with new measurements and its old notes."""
    _, heading, notes = text.partition(f"{NOTES}\n")
    return f"{measured.rstrip()}\n\n{NOTES}\n{notes}" if heading else f"{measured.rstrip()}\n"


def page(all_measured: Sequence[Measurements], rounds: int, load: float) -> str:
    """Return the file of results, without its notes."""
    git = ["git", "describe", "--always", "--dirty"]
    commit = subprocess.check_output(git, cwd=ROOT, text=True).strip()
    reference = next(one for one in reversed(all_measured) if one.contender in OURS)
    versions = ", ".join(
        f"{name} {version(CACHE / name, name)}" for name in ("litserve", "mlserver", "bentoml")
    )
    behind = list(not_first(all_measured, reference))
    return "\n".join(
        [
            "# A model of one's own: BYOI, LitServe, MLServer, BentoML",
            "",
            (
                f"{dt.datetime.now(dt.UTC):%Y-%m-%d}, commit {commit}, "
                f"{os.cpu_count()} cores ({platform.machine()}), "
                f"Python {platform.python_version()}, {versions}, "
                f"scikit-learn {version(CACHE / 'byoi_script', 'scikit-learn')}, "
                f"load {load:.1f} before and {os.getloadavg()[0]:.1f} after, made by"
            ),
            "",
            f"    .venv/bin/python benchmarks/own_model.py --rounds {rounds} --keep",
            "",
            (
                "What each column means, and how it is measured, says the head of that script. "
                f"Values are medians (ranges) of {rounds} rounds; after the semicolon the ratio to "
                f"`{reference.contender.name}`. The first of each column is bold."
            ),
            "",
            *table(all_measured, reference),
            "",
            "Where a peer is before BYOI:" if behind else "BYOI is first in every column.",
            "",
            *behind,
            "",
            "## Bad input",
            "",
            *fault_table(all_measured),
        ]
    )


def version(folder: Path, name: str) -> str:
    """Return the version of a package in an environment."""
    code = f"import importlib.metadata as m; print(m.version({name!r}))"
    return subprocess.check_output([folder / "bin" / "python", "-c", code], text=True).strip()


def show(line: str) -> None:
    """Print progress to stderr; stdout is for the result."""
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="some of the rows")
    parser.add_argument("--keep", action="store_true", help=f"write {RESULT.relative_to(ROOT)}")
    options = parser.parse_args()

    chosen = [one for one in CONTENDERS if options.only is None or one.name in options.only]
    if not any(one in OURS for one in chosen):
        parser.error("--only needs one of " + ", ".join(repr(one.name) for one in OURS))
    all_measured = [Measurements(one) for one in chosen]
    for name in dict.fromkeys(one.environment for one in CONTENDERS):
        environment(name)
    add_project(dict.fromkeys(one.environment for one in OURS))
    for one in all_measured:
        files = packages(CACHE / one.contender.environment)
        one.installed_mb = sum(path.stat().st_size for path in files) / 1e6
    expected = make_models(CACHE / "models")
    load = os.getloadavg()[0]
    for number in range(options.rounds):
        show(f"round {number + 1} of {options.rounds}")
        # Each is the first as often as the last.
        for one in all_measured if number % 2 else reversed(all_measured):
            measure(one, CACHE / "work", CACHE / "models", expected)
    text = page(all_measured, options.rounds, load)
    if options.keep:
        old = RESULT.read_text(encoding="utf-8") if RESULT.exists() else ""
        RESULT.write_text(replace_measured(old, text), encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
