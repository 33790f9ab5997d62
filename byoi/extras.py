"""The extras of this project: which Python packages each step needs, and how to get them.

pyproject.toml names distributions, this module what they are imported as; a test compares
the two. The project is on no package index, so the only way to install an extra is from
a checkout.
"""

import importlib.machinery
import importlib.util
from collections.abc import Callable, Iterable, Mapping

from byoi import errors

# Packages by extra, as they are imported. Where several extras bring a package, the first
# one is suggested, unless another brings more of what is missing.
EXTRAS: Mapping[str, tuple[str, ...]] = {
    "serve": ("flask", "gunicorn", "httptools", "onnxruntime"),
    "train": ("matplotlib", "onnx", "onnxruntime", "tensorflow", "tqdm"),
    "aws": ("boto3", "docker", "jsonpath_ng", "sagemaker"),
    "emulator": (
        *("airspeed", "boto3", "docker", "flask", "flask_cors", "gunicorn", "httptools"),
        *("jsonschema", "moto"),
    ),
}
# Modules that only the version we need has, where a later one is another library of that name:
# SageMaker's SDK of version 3 is in several distributions, of which any may be missing.
_ONLY_OURS = {"sagemaker": "model"}
_VERSIONS = {"sagemaker": ("below version 3", ("sagemaker", "sagemaker-core"))}
# Come with a package above and are imported by name as well.
_BROUGHT = {"botocore": "boto3", "keras": "tensorflow"}


def find(package: str) -> object:
    """Return what `importlib` knows of a package, None where it cannot be used.

    Nothing is imported, and a package of another version than ours is not what is meant.

    Args:
        package: Name of a package, as it is imported.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or package not in _ONLY_OURS:
        return spec
    inner = f"{package}.{_ONLY_OURS[package]}"
    return importlib.machinery.PathFinder.find_spec(inner, spec.submodule_search_locations)


def require(user: str, *packages: str, find: Callable[[str], object] = find) -> None:
    """Check that packages are installed, in a version of ours, without importing them.

    Call it before work that takes long, not where the package is used.

    Args:
        user: What needs them, the first words of the message.
        packages: Names of packages in `EXTRAS`.
        find: Tells whether a package can be used; None is no.

    Raises:
        MissingPackageError: At least one is not there; the message names the extras.
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


def _error(user: str, missing: Iterable[str]) -> errors.MissingPackageError:
    others = {package: version for package in missing if (version := _other_version(package))}
    absent = [package for package in missing if package not in others]
    needed, where = [], ""
    if absent:
        needed.append(
            f"{', '.join(absent)}, which {'are' if len(absent) > 1 else 'is'} not installed"
        )
    for package, version in others.items():
        needed.append(f"{package} {_VERSIONS[package][0]}, and found {version}")
        where = "in an environment of its own, "
    return errors.MissingPackageError(
        f"{user} needs the Python package{'s' if len(absent) + len(others) > 1 else ''} "
        f"{', and '.join(needed)}; {where}in the folder of this project's checkout: "
        f"pip install '.[{','.join(sorted(_choose(missing)))}]'"
    )


def _other_version(package: str) -> str:
    """Return the version of a package that is installed and not ours, "" where there is none."""
    import importlib.metadata  # noqa: PLC0415 - as long as all of a verb's other imports

    for distribution in _VERSIONS.get(package, ("", ()))[1]:
        try:
            found = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
        if find(package) is None:
            return f"{distribution} {found}"
    return ""


def _choose(missing: Iterable[str]) -> set[str]:
    """Return as few extras as bring all of these packages."""
    left, chosen = set(missing), set[str]()
    while left:
        best = max(EXTRAS, key=lambda extra: len(left.intersection(EXTRAS[extra])))
        chosen.add(best)
        left -= set(EXTRAS[best])
    return chosen
