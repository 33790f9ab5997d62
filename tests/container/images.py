"""The images of the tests: `tests/run images` builds them, tests check that they are current.

    .venv/bin/python tests/container/images.py [NAME ...]

A test is stopped after 300 s, and on a busy machine a build takes longer. Each image carries a
digest of the files it was built from: after a change, its tests name the command that builds it.
"""

import concurrent.futures
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from containers import ROOT, docker, script_environ

from byoi import errors
from byoi.local.image import ImageBuilder
from byoi.local.image_recipe import Recipe
from byoi.project import Project

SCRIPT = ROOT / "container" / "build_image.sh"
DOCKERFILE = ROOT / "container" / "Dockerfile"
# Of the images on top of the serving image.
CONTEXT = ROOT / "tests" / "byoi" / "emulator"
FAULTY = ROOT / "tests" / "byoi" / "conformance"
LOGS = ROOT / "build" / "images"
LABEL = "byoi.test.sources"
# Of this checkout: two on one machine would take each other's images away.
REPOSITORY = f"byoi-test-{hashlib.sha256(bytes(ROOT)).hexdigest()[:8]}"
# What users build, and what the emulator's tests and the notebooks deploy. The emulator's runner
# without an engine serves it too, whatever its tag.
OWN_IMAGE = "byoi:latest"
# Stands in every file that is a secret of a build.
SECRET = "secret-73c1f0a9d2be"


@dataclass(frozen=True)
class Image:
    """An image of the tests, and how it is built.

    Attributes:
        tag: Its tag.
        sources: Files and folders it is built from.
        options: Options of docker build.
        settings: Variables of the build script.
        dockerfile: For an image on top of the serving image: its instructions, and no script.
        has_secrets: Whether the build gets secrets, which hold `SECRET`.
        context: With `dockerfile`: the folder it copies from.
        project: For an image that `byoi image` builds on the serving image: the folder.
    """

    tag: str
    sources: Sequence[Path]
    options: Sequence[str] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    dockerfile: str = ""
    has_secrets: bool = False
    context: Path = CONTEXT
    project: Path | None = None

    @property
    def log(self) -> Path:
        """What its build printed."""
        return LOGS / f"{self.tag.replace(':', '-')}.log"

    def digest(self) -> str:
        """Return the digest of all that decides what is in the image."""
        found = hashlib.sha256(repr((self.options, self.settings, self.dockerfile)).encode())
        for path in _files(self.sources):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            found.update(f"{path.relative_to(ROOT)} {content}\n".encode())
        return found.hexdigest()[:16]

    def is_current(self) -> bool:
        """Tell whether it was built, from the files as they are now."""
        form = f'{{{{index .Config.Labels "{LABEL}"}}}}'
        found = docker("image", "inspect", "--format", form, self.tag, check=False).strip()
        return self.log.exists() and found == self.digest()

    def require(self) -> None:
        """Fail the test that asks for it where it is not current."""
        if not self.is_current():
            pytest.fail(
                f"{self.tag} is missing, or was built from other files than those here now; "
                "build the images first: tests/run images",
                pytrace=False,
            )

    def build(self) -> bool:
        """Build it, show the progress and keep it in `log`; tell whether that succeeded."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.project:
            return self._build_project(self.project)
        with (
            tempfile.TemporaryDirectory() as folder,
            self.log.open("w") as log,
            subprocess.Popen(
                self._command(),
                env=self._environ(Path(folder)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            ) as process,
        ):
            process.stdin.write(self.dockerfile)
            process.stdin.close()
            for line in process.stdout:
                log.write(line)
                print(f"{self.tag}: {line}", end="", flush=True)
        return process.returncode == 0

    def _build_project(self, folder: Path) -> bool:
        recipe = Recipe.of(Project.find(folder), f"{REPOSITORY}:serve")
        with self.log.open("w") as log:

            def show(line: str) -> None:
                log.write(f"{line}\n")
                print(f"{self.tag}: {line}", flush=True)

            try:
                built = ImageBuilder(show).build(recipe, self.tag, {LABEL: self.digest()})
            except errors.ByoiError as error:
                show(str(error))
                return False
            above_mb = (built.size_bytes - built.base_bytes) / 1e6
            show(f"{built.size_bytes / 1e6:.1f} MB, {above_mb:.1f} MB above the serving image")
        return True

    def _command(self) -> Sequence[str | Path]:
        label = f"--label={LABEL}={self.digest()}"
        options = [*self.options, "--progress=plain", label]
        if self.dockerfile:
            return [
                docker_client(),
                "build",
                *options,
                f"--tag={self.tag}",
                "--file=-",
                self.context,
            ]
        return [SCRIPT, *options]

    def _environ(self, folder: Path) -> Mapping[str, str]:
        if self.dockerfile:
            return os.environ | {"DOCKER_BUILDKIT": "1"}
        secrets = write_secrets(folder) if self.has_secrets else {}
        return script_environ(**self.settings, **secrets, TAG=self.tag)


def docker_client() -> str:
    """Return the docker client that has BuildKit."""
    return subprocess.check_output([ROOT / "container" / "docker_client.sh"], text=True).strip()


def write_secrets(folder: Path) -> dict[str, str]:
    """Write the files that are secrets of a build, and return the settings that name them."""
    pip_conf = folder / "pip.conf"
    # pip tells what it collects only where it has read this.
    pip_conf.write_text(f"# {SECRET}\n[global]\nverbose = 1\n")
    settings = {"PIP_CONF": str(pip_conf)}
    if authorities := os.environ.get("CA_BUNDLE") or os.environ.get("PIP_CERT"):
        bundle = folder / "ca.pem"
        bundle.write_text(f"# {SECRET}\n{Path(authorities).read_text()}")
        settings["CA_BUNDLE"] = str(bundle)
    return settings


def copied() -> list[Path]:
    """Return what the Dockerfile copies from this project."""
    lines = DOCKERFILE.read_text().replace("\\\n", " ").splitlines()
    words = [line.split() for line in lines if line.startswith("COPY ") and "--from=" not in line]
    return [ROOT / source for line in words for source in line[1:-1]]


def _files(sources: Sequence[Path]) -> list[Path]:
    """Return the files themselves, those of folders included, in one order."""
    found = {path for source in sources for path in (source, *source.rglob("*"))}
    return sorted(path for path in found if path.is_file() and path.suffix != ".pyc")


LIBRARIES = ROOT / "tests" / "toys" / "three_libraries"
_PROGRAM = (
    SCRIPT,
    ROOT / "byoi" / "local" / "docker_build.sh",
    ROOT / "container" / "make_base_image.sh",
    DOCKERFILE,
    *copied(),
)

IMAGES = {
    # Without the cache, so that every command really runs with the secrets.
    "secrets": Image(
        f"{REPOSITORY}:secrets",
        (SCRIPT, DOCKERFILE, ROOT / "requirements" / "serve.txt", Path(__file__).resolve()),
        options=("--no-cache",),
        has_secrets=True,
    ),
    "serve": Image(f"{REPOSITORY}:serve", _PROGRAM),
    "tensorflow": Image(f"{REPOSITORY}:tensorflow", _PROGRAM, settings={"TARGET": "tensorflow"}),
    "bookworm": Image(
        f"{REPOSITORY}:bookworm", _PROGRAM, settings={"BASE_IMAGE": "debian:bookworm-slim"}
    ),
    # Of another make: it has nothing of this project but its Python.
    "stranger": Image(
        f"{REPOSITORY}-stranger:latest",
        (*_PROGRAM, CONTEXT / "stranger.py"),
        dockerfile=f"FROM {REPOSITORY}:serve\nCOPY stranger.py /\n"
        'ENTRYPOINT ["python3", "/stranger.py"]\n',
    ),
    # Of another make too: it keeps the contract, but for the fault that a layer on it names.
    "faulty": Image(
        f"{REPOSITORY}-faulty:latest",
        (*_PROGRAM, FAULTY / "faulty.py"),
        dockerfile=f"FROM {REPOSITORY}:serve\nCOPY faulty.py /\n"
        'ENTRYPOINT ["python3", "/faulty.py"]\n'
        "LABEL com.amazonaws.sagemaker.capabilities.bidirectional-streaming=true\n"
        "LABEL com.amazonaws.sagemaker.capabilities.multi-models=true\n",
        context=FAULTY,
    ),
    # What a user with scikit-learn, XGBoost and LightGBM gets from `byoi image`.
    "libraries": Image(
        f"{REPOSITORY}-libraries:latest",
        (*_PROGRAM, ROOT / "byoi" / "local" / "image_recipe.py", LIBRARIES),
        project=LIBRARIES,
    ),
    # It has no `serve`.
    "mute": Image(
        f"{REPOSITORY}-mute:latest",
        _PROGRAM,
        dockerfile=f"FROM {REPOSITORY}:serve\nENTRYPOINT []\nENV PATH=/bin\n",
    ),
}
# One after the other: the first fills the cache that the second uses, the others stand on that.
_FIRST = ("secrets", "serve")


def current(name: str) -> str:
    """Return the tag of an image; fail the test where it is not there or is of other files."""
    IMAGES[name].require()
    return IMAGES[name].tag


def main(names: Sequence[str]) -> int:
    """Build the images that are not current; return how many builds failed."""
    if not shutil.which("docker") or "Server:" not in docker("version", check=False):
        print("no image is built: there is no docker engine that answers; tests that need one skip")
        return int(os.environ.get("BYOI_REQUIRE_ALL") == "1")
    wanted = names or IMAGES
    succeeded = [_bring_up_to_date(IMAGES[name]) for name in _FIRST if name in wanted]
    # Two at once: pip unpacks with one processor.
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        others = [IMAGES[name] for name in wanted if name not in _FIRST]
        succeeded += pool.map(_bring_up_to_date, others)
    if IMAGES["serve"].is_current():
        docker("tag", IMAGES["serve"].tag, OWN_IMAGE)
    return succeeded.count(False)


def _bring_up_to_date(image: Image) -> bool:
    """Build an image that is not current; tell whether it is now."""
    if image.is_current():
        print(f"{image.tag}: current", flush=True)
        return True
    began_s = time.monotonic()
    is_built = image.build()
    outcome = "built" if is_built else f"FAILED, see {image.log},"
    print(f"{image.tag}: {outcome} after {time.monotonic() - began_s:.0f} s", flush=True)
    return is_built


if __name__ == "__main__":
    if unknown := set(sys.argv[1:]) - set(IMAGES):
        sys.exit(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(IMAGES)}")
    sys.exit(main(sys.argv[1:]))
