"""The extras of this project: which Python packages each step needs, and how to get them.

pyproject.toml names distributions, this module what they are imported as; a test compares
the two. The project is on no package index, so the only way to install an extra is from
a checkout.
"""

import importlib.util
from collections.abc import Callable, Mapping, Sequence

from byoi import errors

# Packages by extra, as they are imported. Where several extras bring a package, the first
# one is suggested, unless another brings more of what is missing.
EXTRAS: Mapping[str, tuple[str, ...]] = {
    "serve": ("flask", "gunicorn", "onnxruntime"),
    "train": ("matplotlib", "onnx", "onnxruntime", "tensorflow", "tf2onnx", "tqdm"),
    "aws": ("boto3", "docker", "jsonpath_ng", "sagemaker"),
    "emulator": (
        *("airspeed", "boto3", "docker", "flask", "flask_cors", "gunicorn", "jsonschema", "moto"),
    ),
}
# Come with a package above and are imported by name as well.
_BROUGHT = {"botocore": "boto3", "keras": "tensorflow"}


def require(
    user: str, *packages: str, find: Callable[[str], object] = importlib.util.find_spec
) -> None:
    """Check that packages are installed, without importing them.

    Call it before work that takes long, not where the package is used.

    Args:
        user: What needs them, the first words of the message.
        packages: Names of packages in `EXTRAS`.
        find: Tells whether a package is installed; None is no.

    Raises:
        MissingPackageError: At least one is not installed; the message names the extras.
    """
    missing = sorted({package for package in packages if find(package) is None})
    if missing:
        raise _error(user, missing)


def explain(error: ModuleNotFoundError) -> errors.MissingPackageError | None:
    """Return the error to show instead, None where the module belongs to no extra."""
    top = (error.name or "").partition(".")[0]
    package = _BROUGHT.get(top, top)
    if not any(package in packages for packages in EXTRAS.values()):
        return None
    return _error("this", [package])


def _error(user: str, missing: Sequence[str]) -> errors.MissingPackageError:
    several = len(missing) > 1
    return errors.MissingPackageError(
        f"{user} needs the Python package{'s' if several else ''} {', '.join(missing)}, which "
        f"{'are' if several else 'is'} not installed; in the folder of this project's checkout: "
        f"pip install '.[{','.join(sorted(_choose(missing)))}]'"
    )


def _choose(missing: Sequence[str]) -> set[str]:
    """Return as few extras as bring all of these packages."""
    left, chosen = set(missing), set[str]()
    while left:
        best = max(EXTRAS, key=lambda extra: len(left.intersection(EXTRAS[extra])))
        chosen.add(best)
        left -= set(EXTRAS[best])
    return chosen
