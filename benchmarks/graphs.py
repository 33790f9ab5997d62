"""Microseconds of the network in process, for several graphs of the same weights.

    .venv/bin/python benchmarks/graphs.py [MODEL_DIR ...]

One thread and the options of `byoi_lib.runtime.OnnxNetwork`; in each round the graphs take turns.
The median of all rounds, and the least in parentheses. Shapes are reviews times ids; "padded" ones
have reviews of random lengths, on the right edge.
"""

import statistics
import sys
import time
from pathlib import Path

import numpy as np

from byoi_lib.manifest import ONNX_FILE, Manifest
from byoi_lib.runtime import OnnxNetwork

FIXTURES = Path(__file__).resolve().parent / "fixtures"
SHAPES = ((1, 12), (1, 200), (1, 512), (8, 12), (8, 200), (2, 512))
ROUNDS, CALLS = 60, 20


def main() -> None:
    """Print a row for each shape, a column for each graph."""
    folders = [Path(name) for name in sys.argv[1:]] or [
        FIXTURES / "network",
        FIXTURES / "network_small",
    ]
    networks = {folder.name: OnnxNetwork(folder / ONNX_FILE, threads=1) for folder in folders}
    size = min(Manifest.read(folder).config["vocabulary_size"] for folder in folders)
    print("| reviews x ids |", *(f"{name} |" for name in networks))
    print("|---|" + "--:|" * len(networks))
    random = np.random.default_rng(0)
    for shape, padded in [(s, False) for s in SHAPES] + [(s, True) for s in SHAPES if s[0] > 1]:
        ids = random.integers(1, size, shape, np.int32)
        for row in ids[1:] if padded else []:
            row[: random.integers(0, shape[1])] = 0
        spent: dict[str, list[float]] = {name: [] for name in networks}
        for _ in range(ROUNDS):
            for name, network in networks.items():
                network.predict(ids)
                started = time.perf_counter()
                for _ in range(CALLS):
                    network.predict(ids)
                spent[name].append((time.perf_counter() - started) / CALLS * 1e6)
        cells = (f"{statistics.median(t):.0f} ({min(t):.0f}) |" for t in spent.values())
        print(f"| {shape[0]} x {shape[1]}{', padded' if padded else ''} |", *cells)


if __name__ == "__main__":
    main()
