"""The images of the tests: `tests/run images` builds them, tests check that they are current.

    .venv/bin/python tests/container/images.py [NAME ...]

A test is stopped after 300 s, and on a busy machine a build takes longer. Each image carries a
digest of the files it was built from: after a change, its tests name the command that builds it.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from containers import ROOT, docker, script_environ

SCRIPT = ROOT / "container" / "build_image.sh"
DOCKERFILE = ROOT / "container" / "Dockerfile"
# Of the images on top of the serving image.
CONTEXT = ROOT / "tests" / "byoi" / "emulator"
LOGS = ROOT / "build" / "images"
LABEL = "byoi.test.sources"
# What users build, and what the emulator's tests and the notebooks deploy. The emulator's runner
# without an engine serves it too, whatever its tag.
OWN_IMAGE = "byoi:latest"
# Stands in every file that is a secret of the build of `secrets`.
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
    """

    tag: str
    sources: Sequence[Path]
    options: Sequence[str] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    dockerfile: str = ""

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
        """Tell whether the engine has it, built from the files as they are now."""
        form = f'{{{{index .Config.Labels "{LABEL}"}}}}'
        return docker("image", "inspect", "--format", form, self.tag, check=False).strip() == (
            self.digest()
        )

    def require(self) -> None:
        """Fail the test that asks for it where it is not current."""
        if not self.is_current():
            pytest.fail(
                f"{self.tag} is missing, or was built from other files than those here now; "
                "build the images first: tests/run images",
                pytrace=False,
            )

    def build(self) -> int:
        """Build it, show the progress and keep it in `log`; return docker's exit status."""
        label = f"{LABEL}={self.digest()}"
        options = [*self.options, "--progress=plain", f"--label={label}"]
        if not self.dockerfile:
            with tempfile.TemporaryDirectory() as folder:
                secrets = write_secrets(Path(folder)) if self is IMAGES["secrets"] else {}
                environ = script_environ(**self.settings, **secrets, TAG=self.tag)
                return _run([SCRIPT, *options], environ, self.log)
        client = docker_client()
        command = [client, "build", *options, f"--tag={self.tag}", "--file=-", CONTEXT]
        return _run(command, os.environ | {"DOCKER_BUILDKIT": "1"}, self.log, self.dockerfile)


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


def _run(
    command: Sequence[str | Path], environ: Mapping[str, str], log: Path, text: str = ""
) -> int:
    """Run a build; print each line when it comes, and keep it."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("w") as kept,
        subprocess.Popen(
            command,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process,
    ):
        process.stdin.write(text)
        process.stdin.close()
        for line in process.stdout:
            kept.write(line)
            print(line, end="", flush=True)
    return process.returncode


_PROGRAM = (SCRIPT, ROOT / "container" / "make_base_image.sh", DOCKERFILE, *copied())

# In the order in which they are built: the first fills the cache that the others use.
IMAGES = {
    # Without the cache, so that every command really runs with the secrets.
    "secrets": Image(
        "byoi-test:secrets",
        (SCRIPT, DOCKERFILE, ROOT / "requirements" / "serve.txt", Path(__file__).resolve()),
        options=("--no-cache",),
    ),
    "serve": Image("byoi-test:serve", _PROGRAM),
    # Of another make: it has nothing of this project but its Python.
    "stranger": Image(
        "byoi-test-stranger:latest",
        (*_PROGRAM, CONTEXT / "stranger.py"),
        dockerfile="FROM byoi-test:serve\nCOPY stranger.py /\n"
        'ENTRYPOINT ["python3", "/stranger.py"]\n',
    ),
    # It has no `serve`.
    "mute": Image(
        "byoi-test-mute:latest",
        _PROGRAM,
        dockerfile="FROM byoi-test:serve\nENTRYPOINT []\nENV PATH=/bin\n",
    ),
    "tensorflow": Image("byoi-test:tensorflow", _PROGRAM, settings={"TARGET": "tensorflow"}),
    "bookworm": Image(
        "byoi-test:bookworm", _PROGRAM, settings={"BASE_IMAGE": "debian:bookworm-slim"}
    ),
}


def current(name: str) -> str:
    """Return the tag of an image; fail the test where it is not there or is of other files."""
    IMAGES[name].require()
    return IMAGES[name].tag


def main(names: Sequence[str]) -> int:
    """Build the images that are not current; return how many builds failed."""
    engine = subprocess.run(["docker", "version"], capture_output=True, text=True, check=False)
    if engine.returncode:
        print(f"no image is built, the docker engine does not answer: {engine.stderr.strip()}")
        return int(os.environ.get("BYOI_REQUIRE_ALL") == "1")
    failures = 0
    for name in names or IMAGES:
        image = IMAGES[name]
        if image.is_current():
            print(f"--- {image.tag} is current", flush=True)
            continue
        print(f"--- {image.tag}: building", flush=True)
        began_s = time.monotonic()
        status = image.build()
        failures += status != 0
        outcome = f"FAILED with {status}, see {image.log}" if status else "built"
        print(f"--- {image.tag}: {outcome} after {time.monotonic() - began_s:.0f} s", flush=True)
    if IMAGES["serve"].is_current():
        docker("tag", IMAGES["serve"].tag, OWN_IMAGE)
    return failures


if __name__ == "__main__":
    if unknown := set(sys.argv[1:]) - set(IMAGES):
        sys.exit(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(IMAGES)}")
    sys.exit(main(sys.argv[1:]))
