"""What the server imports before it forks: what the model needs, is installed, and is safe."""

import subprocess
import sys
from pathlib import Path

import pytest

from byoi import errors, preloading


def everything(name: str) -> str:
    return name


def nothing(name: str) -> None:
    del name


def test_a_modules_own_imports_are_taken_also_those_of_its_neighbours(tmp_path: Path) -> None:
    module = tmp_path / "inference.py"
    module.write_text("import json\nimport numpy as np\nimport features\nimport torch\n")
    (tmp_path / "features.py").write_text("def build():\n    from pandas import DataFrame\n")
    (tmp_path / "unused.py").write_text("import xgboost\n")
    assert preloading.for_module(module, everything) == ["numpy", "pandas"]
    assert preloading.for_module(module, nothing) == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("import joblib", ["sklearn"]),
        ("import skops.io", ["sklearn", "skops.io"]),
        ("import tensorflow, keras", []),
        ("from . import numpy", []),
        ("this is no Python", []),
    ],
)
def test_what_loads_a_model_brings_its_library(line: str, expected: list[str], tmp_path) -> None:
    (tmp_path / "inference.py").write_text(line)
    assert preloading.for_module(tmp_path / "inference.py", everything) == expected


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("model.onnx", b"", ["numpy", "onnxruntime"]),
        ("model.ubj", b"", ["numpy", "xgboost"]),
        ("model.skops", b"", ["numpy", "sklearn", "skops.io"]),
        ("model.txt", b"tree\nversion=v4\n", ["lightgbm", "numpy"]),
        ("model.keras", b"", []),
        ("notes.md", b"", []),
    ],
)
def test_a_model_file_brings_its_library(name, content, expected, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    assert preloading.for_model(tmp_path, everything) == expected


def test_two_model_files_are_refused(tmp_path: Path) -> None:
    for name in ("a.onnx", "b.onnx"):
        (tmp_path / name).touch()
    with pytest.raises(errors.ConfigurationError, match=r"a\.onnx, b\.onnx"):
        preloading.for_model(tmp_path, everything)


@pytest.mark.parametrize("library", sorted(set(preloading.PACKAGES.values())))
def test_a_library_imported_before_a_fork_computes_after_it(library: str) -> None:
    """OpenBLAS and OpenMP keep threads, which a fork does not copy."""
    program = f"""
import os, {library}
import numpy as np
pid = os.fork()
if pid == 0:
    a = np.ones((300, 300))
    if "{library}" == "sklearn":
        from sklearn.cluster import KMeans
        KMeans(3, n_init=1, random_state=0).fit(np.random.default_rng(0).normal(size=(500, 4)))
    if "{library}" == "lightgbm":
        import lightgbm
        lightgbm.train(dict(verbose=-1), lightgbm.Dataset(a[:, :4], a[:, 0]), 2)
    if "{library}" == "xgboost":
        import xgboost
        xgboost.train(dict(), xgboost.DMatrix(a[:, :4], a[:, 0]), 2)
    os._exit(int((a @ a)[0, 0]) - 300)
_, status = os.waitpid(pid, 0)
raise SystemExit(os.waitstatus_to_exitcode(status))
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        timeout=60,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
