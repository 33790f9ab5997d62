"""Inputs that nobody meant: decoders, /openapi.json and malformed HTTP.

    .venv/bin/python benchmarks/fuzz.py [--seed N] [--inputs 200000] [--requests 5000] [--only PART]

* `decoders`: in this machine's Python, a process for each core (`fuzz_decoders.py`). Only a
  `RequestError` may be raised; no decoder takes long, and the memory of the processes stays.
* `openapi`: schemathesis asks a running stack what its /openapi.json allows and what it does not,
  for the classifier of reviews and for its network served without a script. All checks of
  schemathesis but one: a body may fit the schema and be refused, because the schema of CSV and of
  text is any text. It has an environment of its own, `benchmarks/peers/schemathesis.txt`.
* `http`: malformed requests through nginx to a running stack (`fuzz_http.py`): no status that says
  the server failed, no hang, /ping is 200 all the time, memory and descriptors stay.

Exit status 1 where a part has found a fault. Each prints the seed that makes it find that again.
"""

import argparse
import collections
import concurrent.futures
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import fuzz_decoders
import fuzz_http
from own_model import ROOT, environment

from byoi.local import ProcessStack

NETWORK = ROOT / "benchmarks" / "fixtures" / "network"
# Between the seeds of two processes, and above the number of batches of one.
_SEEDS_APART = 1_000_000
DECODERS_GROWTH_MB, SERVER_GROWTH_MB = 30, 20
_EXAMPLES = 200


def decoders(options: argparse.Namespace) -> Iterator[str]:
    """Fuzz the decoders; yield what is wrong."""
    cores = os.cpu_count() or 1
    seeds = [options.seed + number * _SEEDS_APART for number in range(cores)]
    began_s = time.monotonic()
    # Spawned: a fork would take over what this process holds.
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(cores, mp_context=context) as pool:
        share = -(-options.inputs // cores)
        runs = [pool.submit(fuzz_decoders.run, seed, share) for seed in seeds]
        reports = []
        for run in runs:
            try:
                reports.append(run.result())
            except Exception:  # noqa: BLE001 - whatever a decoder raised, is the fault
                yield traceback.format_exc()
    took_s = time.monotonic() - began_s
    inputs = sum(report.inputs for report in reports)
    outcomes: collections.Counter[str] = collections.Counter()
    for report in reports:
        outcomes.update(report.outcomes)
    calls = ", ".join(f"{name} {count:,}" for name, count in outcomes.most_common())
    print(f"decoders: {inputs:,} inputs to {len(fuzz_decoders.DECODERS)} decoders: {calls}")
    growth_mb = max((report.growth_mb() for report in reports), default=0.0)
    print(f"decoders: seeds {seeds}, {took_s:.0f} s, memory {growth_mb:+.1f} MB")
    if growth_mb > DECODERS_GROWTH_MB:
        yield f"decoders: a process grew by {growth_mb:.0f} MB, at most {DECODERS_GROWTH_MB}"


def openapi(options: argparse.Namespace) -> Iterator[str]:
    """Ask what /openapi.json allows; yield what is wrong."""
    program = environment("schemathesis") / "bin" / "st"
    with tempfile.TemporaryDirectory() as folder:
        alone = Path(folder) / "alone"
        alone.mkdir()
        shutil.copy(NETWORK / "model.onnx", alone)
        for model in (NETWORK, alone):
            with ProcessStack(model, environ={"BYOI_PAGE": "on"}) as stack:
                found = ["--no-color", "run", f"{stack.url}/openapi.json", "--no-shrink"]
                found += [f"--seed={options.seed}", f"--max-examples={_EXAMPLES}"]
                found += ["--continue-on-failure", "--exclude-checks=positive_data_acceptance"]
                done = subprocess.run(
                    [program, *found], cwd=folder, capture_output=True, text=True, check=False
                )
                lines = done.stdout.splitlines()
                (generated,) = [line.strip() for line in lines if " generated, " in line] or [""]
                print(f"openapi: {model.name}, seed {options.seed}: {generated}")
                if done.returncode or not generated or not stack.is_ready():
                    yield f"openapi: {model.name}:\n{done.stdout[-6000:]}{done.stderr[-2000:]}"


def malformed_http(options: argparse.Namespace) -> Iterator[str]:
    """Send malformed requests; yield what is wrong."""
    began_s = time.monotonic()
    with ProcessStack(NETWORK, environ=fuzz_http.ENVIRON) as stack:
        report = fuzz_http.run(stack.port, stack.pid or 0, options.seed, options.requests)
        yield from (f"http: {fault}" for fault in report.faults[:20])
        yield from fuzz_http.faults_of_server(report, SERVER_GROWTH_MB)
        if not stack.is_ready():
            yield f"http: /ping is not 200 at the end; the log:\n{stack.log[-3000:]}"
    statuses = ", ".join(f"{status}: {count:,}" for status, count in report.statuses.most_common())
    print(
        f"http: {report.sent:,} connections, seed {options.seed}, "
        f"{time.monotonic() - began_s:.0f} s: {statuses}; closed without an answer: "
        f"{report.silent:,}; pages in HTML: {report.pages}; slowest {report.slowest_s:.1f} s"
    )
    before, after = report.descriptors
    print(
        f"http: memory {report.memory_mb[0]:.0f} MB after a tenth, {report.memory_mb[-1]:.0f} MB "
        f"at the end; descriptors {before} before, {after} after; "
        f"/ping {dict(report.pings)}"
    )


PARTS: dict[str, Callable[[argparse.Namespace], Iterator[str]]] = {
    "decoders": decoders,
    "openapi": openapi,
    "http": malformed_http,
}


def main() -> None:
    """Run the parts; exit status 1 where one has found a fault."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=int(time.time()) % _SEEDS_APART)
    parser.add_argument("--inputs", type=int, default=200_000)
    parser.add_argument("--requests", type=int, default=5_000)
    parser.add_argument("--only", choices=PARTS, help="one part")
    options = parser.parse_args()
    print(f"seed {options.seed}")
    faults = []
    for name, part in PARTS.items():
        if options.only in {None, name}:
            for fault in part(options):
                faults.append(fault)
                print(fault, flush=True)
    print(f"{len(faults)} faults")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
