"""The libraries of a model that the server imports once, before its workers are forked.

The workers then share their memory, and none waits for its own import. A library that starts
threads of its own at its import must not be here: a fork does not copy them. NumPy, SciPy and
scikit-learn start OpenBLAS's, which start again in a fork; TensorFlow's do not, and PyTorch was
not tried.
"""

import ast
import importlib.util
from collections.abc import Callable, Iterable
from pathlib import Path

from byoi.models import files

# By the names of their packages: what is imported.
PACKAGES = {
    "lightgbm": "lightgbm",
    "numpy": "numpy",
    "onnxruntime": "onnxruntime",
    "pandas": "pandas",
    "scikit-learn": "sklearn",
    "scipy": "scipy",
    "xgboost": "xgboost",
    "xgboost-cpu": "xgboost",
}
_LIBRARIES = frozenset(PACKAGES.values())
# What loads models of scikit-learn, which the file of the model asks for.
_LOADERS = {"joblib": {"sklearn"}, "skops": {"sklearn", "skops.io"}}
_OF_FILE = {
    files.Kind.LIGHTGBM: {"lightgbm"},
    files.Kind.ONNX: {"onnxruntime"},
    files.Kind.SKOPS: _LOADERS["skops"],
    files.Kind.XGBOOST: {"xgboost"},
}


def for_module(module: Path, find: Callable[[str], object] = importlib.util.find_spec) -> list[str]:
    """Return what an inference module and the modules beside it import, of what may be preloaded.

    Args:
        module: A `.py` file.
        find: Tells whether a package is installed; None is no.
    """
    found = imported(module)
    for name in tuple(found):
        beside = module.parent / f"{name}.py"
        if beside.is_file():
            found |= imported(beside)
    wanted = found & _LIBRARIES
    for loader, libraries in _LOADERS.items():
        if loader in found:
            wanted |= libraries
    return _installed(wanted, find)


def for_model(
    model_dir: Path, find: Callable[[str], object] = importlib.util.find_spec
) -> list[str]:
    """Return what the one model file of a directory needs, of what may be preloaded.

    Args:
        model_dir: The directory; the server says so where it cannot be served.
        find: Tells whether a package is installed; None is no.

    Raises:
        ConfigurationError: There are several, or the directory cannot be read.
    """
    file = files.find(model_dir)
    wanted = _OF_FILE.get(file.kind, set[str]()) if file else set[str]()
    return _installed({"numpy", *wanted} if wanted else wanted, find)


def imported(file: Path) -> set[str]:
    """Return the top names that a module imports; none where it cannot be parsed."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return set()  # the server says so, with the line
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def _installed(modules: Iterable[str], find: Callable[[str], object]) -> list[str]:
    return sorted(name for name in modules if find(name.partition(".")[0]) is not None)
