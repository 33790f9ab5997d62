"""What a worker takes for a model of some size, while it loads it and afterwards.

    .venv/bin/python benchmarks/worker_memory.py > benchmarks/results/worker_memory.md

The factor and the number of bytes in byoi/server/sizing.py come from here. A model of ONNX Runtime
is one multiplication by a matrix; one of scikit-learn a forest, pickled. Of each there is a small
one, which shows what the libraries take, and a large one. At the end: `Private` of smaps_rollup,
so without what workers share. Most: VmHWM, which includes it.
"""

import datetime as dt
import os
import pickle
import platform
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.ensemble import RandomForestRegressor

from byoi.local.processes import ProcessStack

MB = 2**20
SEED = 7


def write_matrix(folder: Path, size_mb: int) -> None:
    """Write a model whose one matrix takes `size_mb`."""
    side = int((size_mb * MB / 4) ** 0.5)
    values = np.random.default_rng(SEED).random((side, side), np.float32)
    shape = [None, side]
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["rows", "matrix"], ["products"])],
        "matrix",
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("products", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(values, "matrix")],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), folder / "model.onnx")


def write_forest(folder: Path, trees: int) -> None:
    """Write a forest of `trees` trees, of about 1.7 MB each."""
    random = np.random.default_rng(SEED)
    forest = RandomForestRegressor(n_estimators=trees, random_state=SEED)
    forest.fit(random.random((20_000, 8)), random.random(20_000))
    (folder / "model.pkl").write_bytes(pickle.dumps(forest))


MODELS: tuple[tuple[str, Callable[[Path, int], None], int], ...] = (
    ("ONNX Runtime", write_matrix, 1),
    ("ONNX Runtime", write_matrix, 200),
    ("scikit-learn", write_forest, 1),
    ("scikit-learn", write_forest, 60),
)


def measured(folder: Path) -> tuple[float, float]:
    """Return what a worker takes once it has loaded a model, and took at most, in MB."""
    environ = {"BYOI_ALLOW_PICKLE": "1", "SAGEMAKER_MODEL_SERVER_WORKERS": "2", "BYOI_NGINX": "off"}
    with ProcessStack(folder, environ=environ) as stack:
        (master,) = _children(stack.pid)
        worker = Path(f"/proc/{_children(master)[0]}")
        private_kb = sum(_kb(worker / "smaps_rollup", "Private_"))
        return private_kb / 1024, sum(_kb(worker / "status", "VmHWM")) / 1024


def _children(pid: int | None) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _kb(file: Path, start: str) -> list[int]:
    lines = [line for line in file.read_text().splitlines() if line.startswith(start)]
    return [int(line.split()[1]) for line in lines]


def main() -> None:
    """Measure each model, and print the table."""
    today = dt.datetime.now(dt.UTC).date()
    print(f"# What a worker takes\n\n{today}, {os.cpu_count()} CPUs, {platform.platform()}\n")
    print("| library | model on disk | at the end | at most, with shared pages |")
    print("|---|---|---|---|")
    for library, write, size in MODELS:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write(folder, size)
            on_disk_mb = sum(file.stat().st_size for file in folder.iterdir()) / MB
            private_mb, most_mb = measured(folder)
        print(f"| {library} | {on_disk_mb:.0f} MB | {private_mb:.0f} MB | {most_mb:.0f} MB |")


if __name__ == "__main__":
    main()
