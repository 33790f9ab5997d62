"""Environments that hold some of the locked packages and no others.

An `Environment` is made without a network: an empty virtual environment with links to the
packages of this one. What is not among the requirements, or required by them, cannot be imported
there. `installed` is an environment of a lock of its own, kept until that lock changes.
"""

import contextlib
import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import time
import tomllib
import venv
from collections.abc import Iterable, Iterator
from pathlib import Path

from packaging.requirements import Requirement

from byoi.local import health, processes

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]


def distributions(requirements: Iterable[str]) -> set[str]:
    """Names of the distributions that pip would install for these requirements."""
    found: set[tuple[str, str]] = set()
    left = [Requirement(text) for text in requirements]
    while left:
        wanted = left.pop()
        for extra in ("", *wanted.extras):
            if (wanted.name, extra) in found:
                continue
            found.add((wanted.name, extra))
            for text in importlib.metadata.requires(wanted.name) or ():
                needed = Requirement(text)
                if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                    left.append(needed)
    return {name for name, _ in found}


def installed(name: str, *options: str) -> Path:
    """Return the folder of an environment with a lock of its own, which is made where it is new.

    Args:
        name: Of the lock in `requirements/`, without its ending.
        options: Of pip.
    """
    lock = ROOT / "requirements" / f"{name}.txt"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    folder = ROOT / "build" / f"{name}-{digest}"
    # Written last: what was interrupted is made again.
    done = folder / "installed"
    if not done.exists():
        venv.create(folder, with_pip=True, clear=True)
        # Its programs compile what they import, which is the smaller part.
        quietly = ["--quiet", "--disable-pip-version-check", "--no-compile"]
        install = ["-m", "pip", "install", *quietly, *options]
        command = [folder / "bin" / "python", *install, "--require-hashes", "--requirement", lock]
        subprocess.run(command, check=True, timeout=600)
        done.touch()
    return folder


def add_project(folder: Path) -> None:
    """Put both packages of this project and its entry points into a folder of Python's path."""
    for package in ("byoi", "byoi_lib"):
        shutil.copytree(ROOT / package, folder / package)
    info = folder / f"byoi-{PROJECT['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Name: byoi\nVersion: {PROJECT['version']}\n", "utf-8")
    verbs = PROJECT["entry-points"]["byoi.verbs"]
    lines = "".join(f"{name} = {value}\n" for name, value in verbs.items())
    (info / "entry_points.txt").write_text(f"[byoi.verbs]\n{lines}", "utf-8")


class Environment:
    """A virtual environment with the packages of some distributions.

    Attributes:
        folder: Where it lies; commands run here.
    """

    def __init__(self, folder: Path, requirements: Iterable[str]) -> None:
        self.folder = folder
        venv.create(folder / "env", with_pip=False)
        self.python = folder / "env" / "bin" / "python"
        (self._site,) = (folder / "env" / "lib").glob("python*/site-packages")
        for name in distributions(requirements):
            self._link(importlib.metadata.distribution(name))

    def _link(self, distribution: importlib.metadata.Distribution) -> None:
        tops = {path.parts[0] for path in distribution.files or ()}
        for top in tops - {"..", "__pycache__"}:
            link = self._site / top
            if not link.exists():
                link.symlink_to(Path(str(distribution.locate_file(top))).absolute())

    def add_project(self) -> None:
        """Install both packages of this project and its entry points."""
        add_project(self._site)

    def run(
        self, *command: object, stdin: bytes = b"", **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """Run Python with these arguments, without this process's own variables."""
        done = subprocess.run(
            [self.python, *map(str, command)],
            cwd=self.folder,
            env=_kept() | environ,
            input=stdin,
            capture_output=True,
            check=False,
        )
        return subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
        )

    @contextlib.contextmanager
    def serving(self, *arguments: object, **environ: str) -> Iterator[str]:
        """Run `byoi serve` with one worker; gives its URL."""
        port = processes.find_free_port()
        command = [self.python, "-m", "byoi.cli", "serve", "--port", port, *arguments]
        log_file = self.folder / "serve.log"
        with log_file.open("wb") as log:
            server = subprocess.Popen(
                list(map(str, command)),
                cwd=self.folder,
                env=_kept() | {"SAGEMAKER_MODEL_SERVER_WORKERS": "1"} | environ,
                stdout=log,
                stderr=log,
            )
        try:
            deadline = time.monotonic() + 60
            while not health.is_healthy(f"http://{processes.LOOPBACK}:{port}"):
                assert server.poll() is None, log_file.read_text()
                assert time.monotonic() < deadline, log_file.read_text()
                time.sleep(0.05)
            yield f"http://{processes.LOOPBACK}:{port}"
        finally:
            server.terminate()
            server.wait(30)

    def byoi(self, *arguments: object, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run the command."""
        return self.run("-m", "byoi.cli", *arguments, **environ)


def _kept() -> dict[str, str]:
    names = ("PATH", "HOME", "LANG", "TMPDIR")
    return {name: os.environ[name] for name in names if name in os.environ}
