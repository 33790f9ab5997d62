"""Install the packages of a script's requirements.txt at each start, if the setting asks for it.

AWS's toolkits always do so. Here it is a setting, for containers only: it adds seconds to each
start, and an endpoint under network isolation cannot reach a package index.

Sources: pip documentation, `pip install` (--target; a file with hashes is checked as with
--require-hashes) and "Configuration"; sagemaker-inference-toolkit 1.10.1, model_server.py.
"""

import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from byoi import contract, errors
from byoi.server.requirements import FILE

VARIABLE = "BYOI_INSTALL_REQUIREMENTS"
PIP = (sys.executable, "-m", "pip")
_CAUSE_CHARACTERS = 700


def folder(state_dir: Path) -> Path:
    """Return the directory of the installed packages."""
    return state_dir / "packages"


def is_image() -> bool:
    """Whether this program runs from the image's folder, not on a developer's machine."""
    return Path(__file__).is_relative_to(contract.PROGRAM_DIR)


def install(
    code_dir: Path,
    target: Path,
    environ: Mapping[str, str],
    *,
    in_image: bool,
    pip: Sequence[str] = PIP,
) -> str | None:
    """Install the packages of a script's requirements.txt.

    Args:
        code_dir: The directory of the script.
        target: Directory of the packages; it is created.
        environ: Environment of pip, with its variables.
        in_image: As `is_image`.
        pip: The command.

    Returns:
        A log line with the time it took and the alternative; None without a requirements.txt.

    Raises:
        ConfigurationError: This is not the image, there is no pip, or pip failed.
    """
    file = code_dir / FILE
    if not in_image:
        raise errors.ConfigurationError(
            f"{VARIABLE}=1 works only in a container of this project's image; unset it and run: "
            f"pip install -r {file}"
        )
    if not file.is_file():
        return None
    if pip == PIP and importlib.util.find_spec("pip") is None:
        raise errors.ConfigurationError(
            f"{VARIABLE}=1: there is no pip in this image, so {file} cannot be installed; "
            f"build on the serving image of this project, which has it for {sys.executable}"
        )
    began_s = time.monotonic()
    command = [*pip, "install", "--target", str(target), "--requirement", str(file)]
    command += ["--no-input", "--no-cache-dir", "--disable-pip-version-check"]
    with _stopped_by_a_signal():
        done = subprocess.run(
            command,
            cwd=code_dir,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        raise errors.ConfigurationError(
            f"pip cannot install {file} (status {done.returncode}): "
            f"{cause(done.stdout.decode(errors='replace'))}"
        )
    target.mkdir(exist_ok=True)  # pip makes none for a file without packages
    number, took_s = len(list(target.glob("*.dist-info"))), time.monotonic() - began_s
    return (
        f"installed {number} package{'s' * (number != 1)} of {file} in {took_s:.1f} s; each start "
        "takes that long, and fails under network isolation or without the index: "
        "`byoi image` builds an image that has them"
    )


def cause(output: str) -> str:
    """Return pip's messages about a failure in one line, from its first error to the end."""
    lines = output.splitlines()
    first = next((number for number, line in enumerate(lines) if line.startswith("ERROR:")), None)
    told = " ".join(lines[-5:] if first is None else lines[first:])
    told = re.sub(r"\s+", " ", told).strip() or "it said nothing"
    return told if len(told) <= _CAUSE_CHARACTERS else told[:_CAUSE_CHARACTERS] + "…"


def make_importable(target: Path, paths: list[str]) -> None:
    """Put the installed packages before those of the image, if there are any.

    Args:
        target: Directory of the packages.
        paths: `sys.path`, which is changed.
    """
    if target.is_dir() and str(target) not in paths:
        paths.insert(0, str(target))


def for_programs(environ: Mapping[str, str], target: Path) -> dict[str, str]:
    """Return an environment in which other Python programs also find the packages."""
    if not target.is_dir():
        return dict(environ)
    paths = [str(target), environ.get("PYTHONPATH", "")]
    return {**environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


@contextmanager
def _stopped_by_a_signal() -> Iterator[None]:
    """Let SIGTERM end the program: process 1 of a container ignores it unless there is a handler.

    `subprocess.run` kills its child when an exception leaves it.
    """

    def stop(*_: object) -> None:
        raise SystemExit(0)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
