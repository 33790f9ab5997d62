"""What many cycles of create, predict and delete leave behind: nothing, and how long they take.

    .venv/bin/python benchmarks/cycles.py [--runner containers|processes] [--cycles N]

The tests run the same with fewer cycles in containers, because fifty take minutes.
"""

import argparse
import json
import os
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from byoi import emulator

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests" / "byoi" / "emulator"))

from emulated_aws import Aws
from leftovers import everything_at_rest

ECHO = Path(__file__).resolve().parent.parent / "tests" / "toys" / "echo.py"


def main() -> None:
    """Run the cycles and print one line of JSON; exit status 1 where something is left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runner", default="containers", choices=("containers", "processes"))
    parser.add_argument("--cycles", type=int, default=50)
    options = parser.parse_args()
    with emulator.running(runner=options.runner, environ=dict(os.environ)) as running:
        aws = Aws(running)
        with tempfile.TemporaryDirectory() as folder:
            archive = Path(folder) / "model.tar.gz"
            with tarfile.open(archive, "w:gz") as tar:
                tar.add(ECHO, "echo.py")
            config = aws.config(aws.model(aws.upload(archive)))
        before, _ = run(aws, config, 1)
        after, took_s = run(aws, config, options.cycles)
    print(
        json.dumps(
            {
                "runner": options.runner,
                "cycles": options.cycles,
                "load": round(os.getloadavg()[0], 1),
                "s_per_cycle": round(took_s / options.cycles, 2),
                "compared": {kind: len(found) for kind, found in before.items()},
                "left": {kind: after[kind] for kind in before if after[kind] != before[kind]},
            }
        )
    )
    sys.exit(after != before)


def run(aws: Aws, config: str, cycles: int) -> tuple[dict[str, list[object]], float]:
    """Return what there is after some cycles, and how many seconds they took."""
    started_s = time.perf_counter()
    for _ in range(cycles):
        with aws.endpoint(config) as name:
            aws.invoke(name)
    took_s = time.perf_counter() - started_s
    return everything_at_rest(aws.emulator), took_s


if __name__ == "__main__":
    main()
