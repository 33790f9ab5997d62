"""How large is an image, how soon does it serve, and how much memory does it take?

    .venv/bin/python benchmarks/image.py --model-dir DIR [--image byoi:latest ...] [--runs 5]
        [--body '[[1, 2, 3]]']

Size: as `docker images` counts it, and what lies above the base image. Cold start: the
time from `docker run IMAGE serve` to the first 200 of /ping, less that of a bare
`docker run IMAGE true`, which is what docker itself takes; the two alternate. Memory:
the sum of the proportional set sizes of all processes of the container after 1,000
requests; read from /proc on this machine, so Linux and root (or the engine's owner).
Several images are measured in turns, so that what else runs disturbs all of them alike, and
each is compared with the last. Prints a table in Markdown; benchmarks/results/image.md keeps one.
"""

import argparse
import concurrent.futures
import http.client
import json
import os
import platform
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

REQUESTS, CLIENTS = 1_000, 4
REVIEW = "I had not hoped for much, and yet the film was a delight from start to end. " * 12
START_TIMEOUT_S = 60.0


def docker(*arguments: str) -> str:
    """Run docker and return its answer."""
    return subprocess.check_output(["docker", *arguments], text=True).strip()


def size_bytes(image: str) -> tuple[int, int]:
    """Return the image's size and the part that its Dockerfile added to the base."""
    total = int(docker("image", "inspect", "--format", "{{.Size}}", image))
    history = docker("history", "--human=false", "--format", "{{.Comment}}\t{{.Size}}", image)
    rows = [line.split("\t") for line in history.splitlines()]
    return total, sum(int(size) for comment, size in rows if comment.startswith("buildkit"))


@contextmanager
def serving(image: str, model_dir: Path) -> Iterator[tuple[str, int, float]]:
    """Run the container; give its name, its port and the seconds to the first 200 of /ping."""
    name = f"byoi-bench-{uuid.uuid4().hex[:8]}"
    port = 18_000 + uuid.uuid4().int % 10_000
    options = ["--name", name, "--publish", f"127.0.0.1:{port}:8080"]
    options += ["--env", "SAGEMAKER_CONTAINER_LOG_LEVEL=WARNING"]
    mount = ["--volume", f"{model_dir.resolve()}:/opt/ml/model:ro"]
    began_s = time.perf_counter()
    process = subprocess.Popen(
        ["docker", "run", "--rm", *options, *mount, image, "serve"], stdout=subprocess.DEVNULL
    )
    try:
        while ping(port) != http.client.OK:
            if process.poll() is not None or time.perf_counter() - began_s > START_TIMEOUT_S:
                sys.exit(f"{image} does not serve {model_dir}; its log is above")
            time.sleep(0.01)
        yield name, port, time.perf_counter() - began_s
    finally:
        subprocess.run(["docker", "rm", "--force", name], capture_output=True, check=False)
        process.wait()


def ping(port: int) -> int:
    """Return the status of /ping, 0 without an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def bare_s(image: str) -> float:
    """Return the seconds of a container that does nothing."""
    began_s = time.perf_counter()
    subprocess.run(["docker", "run", "--rm", image, "true"], check=True)
    return time.perf_counter() - began_s


def invoke(port: int, requests: int, body: str) -> None:
    """Send one JSON body, again and again, over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=70)
    for _ in range(requests):
        connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
        if response.status != http.client.OK:
            sys.exit(f"status {response.status}: {answer.decode()}")
    connection.close()


def pss_mb(name: str) -> dict[str, float]:
    """Return the proportional set size of each process of a container, by command, in MB."""
    sizes: dict[str, float] = {}
    for row in docker("top", name, "-eo", "pid,args").splitlines()[1:]:
        pid, command = row.split(None, 1)
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
        kilobytes = next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        sizes[f"{pid} {command[:60]}"] = kilobytes * 1024 / 1e6
    return sizes


class Measurements:
    """What was measured of one image.

    Attributes:
        image: Its reference.
        total_mb: Its size.
        above_mb: The part of it that lies above the base image.
        bare_s: Of each run, the seconds of a container that does nothing.
        start_s: Of each run, the seconds to the first 200 of /ping.
        memory_mb: Of each run, the memory of all processes.
        processes_mb: Of the last run, the memory of each process.
    """

    def __init__(self, image: str) -> None:
        self.image = image
        self.total_mb, self.above_mb = (size / 1e6 for size in size_bytes(image))
        self.bare_s: list[float] = []
        self.start_s: list[float] = []
        self.memory_mb: list[float] = []
        self.processes_mb: dict[str, float] = {}

    def measure(self, model_dir: Path, body: str) -> None:
        """Make one run."""
        self.bare_s.append(bare_s(self.image))
        with serving(self.image, model_dir) as (name, port, start_s):
            self.start_s.append(start_s)
            with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
                counts = [REQUESTS // CLIENTS] * CLIENTS
                list(pool.map(invoke, [port] * CLIENTS, counts, [body] * CLIENTS))
            self.processes_mb = pss_mb(name)
        self.memory_mb.append(sum(self.processes_mb.values()))

    def rows(self) -> dict[str, tuple[str, Sequence[float]]]:
        """Return unit and values of each line of the table."""
        cold_s = [start - none for start, none in zip(self.start_s, self.bare_s, strict=True)]
        return {
            "size of the image": ("MB", [self.total_mb]),
            "of which above the base image": ("MB", [self.above_mb]),
            "`docker run IMAGE true`": ("s", self.bare_s),
            "`docker run IMAGE serve` to /ping 200": ("s", self.start_s),
            "cold start, the difference of the two": ("s", cold_s),
            f"memory (PSS) after {REQUESTS:,} requests": ("MB", self.memory_mb),
        }


def spread(unit: str, values: Sequence[float]) -> str:
    """Return the median and the range."""
    digits = 2 if unit == "s" else 0
    least, middle, most = (
        f"{value:.{digits}f}" for value in (min(values), statistics.median(values), max(values))
    )
    return f"{middle} {unit}" + (f" ({least} to {most})" if len(values) > 1 else "")


def table(measured: Sequence[Measurements]) -> Iterator[str]:
    """Yield the lines of the table: medians and ranges, and ratios to the last image."""
    *compared, last = measured
    head = ["what", *(one.image for one in measured), *(f"{one.image} / last" for one in compared)]
    yield f"| {' | '.join(head)} |"
    yield "|---" * len(head) + "|"
    for what, (_, reference) in last.rows().items():
        cells = [spread(*one.rows()[what]) for one in measured]
        for one in compared:
            ratio = statistics.median(one.rows()[what][1]) / statistics.median(reference)
            cells.append(f"{ratio:.2f}")
        yield f"| {' | '.join([what, *cells])} |"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--image", nargs="+", default=["byoi:latest"])
    parser.add_argument("--model-dir", type=Path, required=True)
    parser.add_argument("--body", default=json.dumps({"review": REVIEW}), help="JSON")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()

    measured = [Measurements(image) for image in options.image]
    load_before = os.getloadavg()[0]
    for run in range(options.runs):
        # Each is the first as often as the last.
        for one in measured if run % 2 else reversed(measured):
            one.measure(options.model_dir, options.body)
    commit = subprocess.check_output(["git", "describe", "--always", "--dirty"], text=True).strip()
    engine = docker("version", "--format", "{{.Server.Version}}")
    print(
        f"commit {commit}, docker {engine}, {platform.platform()}, medians of {options.runs}, "
        f"load {load_before:.1f} before and {os.getloadavg()[0]:.1f} after\n"
    )
    print("\n".join(table(measured)))
    for one in measured:
        print(f"\n{one.image}")
        print("\n".join(f"    {mb:6.1f} MB  {name}" for name, mb in one.processes_mb.items()))


if __name__ == "__main__":
    main()
