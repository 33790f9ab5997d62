"""Build a user's image from its recipe, with the docker command.

The engine's API cannot pass build secrets to the engine; the docker command can. The scripts
docker_client.sh and docker_build.sh in this folder choose the client and the secrets, also for this
project's own images.
"""

import io
import os
import re
import subprocess
import tarfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from byoi import errors
from byoi.local.image_recipe import DEFAULT_BASE, Recipe
from byoi.local.processes import OWN_IMAGE
from byoi.names import ImageReference

_HERE = Path(__file__).resolve().parent
_BUILD_SCRIPT = _HERE.parents[1] / "container" / "build_image.sh"
# The images of this project that are built if they are missing, and their TARGET.
TARGETS = {DEFAULT_BASE: "serve", "byoi:tensorflow": "tensorflow"}
# The image names that docker accepts; from distribution/reference.
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_TAG = re.compile(rf"(?:[A-Za-z0-9.-]+(?::\d+)?/)?{_PART}(?:/{_PART})*(?::\w[\w.-]{{0,127}})?")
# A variable of every serving image of this project.
_MARK = "PYTHONPATH=/opt/program"
# `#7 12.34 ERROR: No matching distribution`: step and seconds of BuildKit, then a program's output.
# BuildKit's own lines have no seconds.
_OUTPUT = re.compile(r"#\d+ \d+\.\d+ (.*\S)")
_TELLING = re.compile(r"^\s*ERROR: | has requirement | requires \S+, which is not installed")


@dataclass(frozen=True)
class Built:
    """An image that was built.

    Attributes:
        tag: Its tag.
        size_bytes: Size of the image.
        base_bytes: Size of its base image.
        architecture: Its architecture, such as amd64.
    """

    tag: str
    size_bytes: int
    base_bytes: int
    architecture: str


@dataclass(frozen=True)
class _Found:
    """An image of this machine."""

    size_bytes: int
    os: str
    architecture: str
    environment: tuple[str, ...]


class ImageBuilder:
    """Builds images with the docker client that the variables of one environment select.

    Args:
        show: Called with each line of progress.
        environ: The variables: DOCKER, CA_BUNDLE, PIP_CERT and PIP_CONF as for `make image`, and
            those that select an engine.
        build_script: The script that builds this project's own images; it may be missing.
        targets: Those images, and the TARGET of each.
    """

    def __init__(
        self,
        show: Callable[[str], None],
        environ: Mapping[str, str] | None = None,
        build_script: Path = _BUILD_SCRIPT,
        targets: Mapping[str, str] = TARGETS,
    ) -> None:
        self._show = show
        self._environ = dict(os.environ if environ is None else environ)
        self._build_script = build_script
        self._targets = targets

    def build(self, recipe: Recipe, tag: str, labels: Mapping[str, str] | None = None) -> Built:
        """Build an image; if its base is a missing image of this project, build that first.

        Args:
            recipe: The content of the image.
            tag: Name of the image.
            labels: Labels of the image.

        Raises:
            ConfigurationError: The tag cannot be used, or the base is missing or not a serving
                image of this project.
            MissingProgramError: There is no docker client with BuildKit, or no engine answers.
            HostingError: The build failed; the message has the line with the cause.
        """
        require_tag(tag, recipe.base)
        client = self._find_client()
        base = self._require_base(client, recipe.base)
        platform = f"{base.os}/{base.architecture}"
        environ = {**self._environ, "DOCKER": client, "PLATFORM": platform}
        script = _HERE / "docker_build.sh"
        options = [f"--label={name}={value}" for name, value in (labels or {}).items()]
        options += ["--progress=plain", "--pull=false", f"--tag={tag}", "-"]
        command = ["bash", str(script), *options]
        self._run(command, environ, lambda stream: _write_context(recipe, stream), tag)
        made = self._find_image(client, tag)
        if made is None:
            raise errors.HostingError(
                f"{tag} was built, and the engine does not have it: the builder keeps its images "
                "to itself; choose the engine's own: docker buildx use default"
            )
        return Built(tag, made.size_bytes, base.size_bytes, made.architecture)

    def _find_client(self) -> str:
        found = self._ask(["bash", str(_HERE / "docker_client.sh")])
        if found.returncode:
            raise errors.MissingProgramError(found.stderr.strip())
        client = found.stdout.strip()
        answer = self._ask([client, "version", "--format", "{{.Server.Version}}"])
        if answer.returncode:
            raise errors.MissingProgramError(
                f"the container engine does not answer: {_last_line(answer.stderr)}; start it, or "
                "name another one with DOCKER_HOST or DOCKER_CONTEXT"
            )
        return client

    def _require_base(self, client: str, base: str) -> _Found:
        found = self._find_image(client, base)
        if found is None and base in self._targets and self._build_script.is_file():
            self._show(f"{base} is not on this machine yet: {self._build_script} builds it first")
            environ = {
                name: value
                for name, value in self._environ.items()
                if name not in ("MODEL_DIR", "PLATFORM", "BASE_IMAGE")
            }
            environ |= {"DOCKER": client, "TAG": base, "TARGET": self._targets[base]}
            self._run([str(self._build_script), "--progress=plain"], environ, None, base)
            found = self._find_image(client, base)
        if found is None:
            remedy = (
                "build it in a checkout of this project, with `make image`"
                if base in self._targets
                else "build or pull it first"
            )
            raise errors.ConfigurationError(
                f"the serving image {base} is not on this machine, and nothing is pulled in its "
                f"place; {remedy}"
            )
        if _MARK not in found.environment:
            raise errors.ConfigurationError(
                f"{base} is not based on this project's serving image, so it contains no server; "
                f"pass --base with {DEFAULT_BASE}, byoi:tensorflow or an image built on one of them"
            )
        return found

    def _find_image(self, client: str, image: str) -> _Found | None:
        form = "{{.Size}}|{{.Os}}|{{.Architecture}}|{{range .Config.Env}}{{println .}}{{end}}"
        answer = self._ask([client, "image", "inspect", "--format", form, image])
        if answer.returncode:
            return None
        size, system, architecture, environment = answer.stdout.split("|", 3)
        return _Found(int(size), system, architecture, tuple(environment.splitlines()))

    def _ask(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def _run(
        self,
        command: Sequence[str],
        environ: Mapping[str, str],
        write: Callable[[IO[bytes]], None] | None,
        what: str,
    ) -> None:
        """Run a build and show its lines; if it fails, raise an error with the relevant line."""
        lines = []
        failures: list[BaseException] = []
        with subprocess.Popen(
            command,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process:
            assert process.stdin is not None  # noqa: S101 - for mypy
            assert process.stdout is not None  # noqa: S101 - for mypy
            stream = process.stdin
            writer = threading.Thread(target=_feed, args=(stream, write, failures))
            writer.start()
            for raw in process.stdout:
                line = raw.decode("utf-8", "replace").rstrip()
                if line:
                    lines.append(line)
                    self._show(line)
            writer.join()
        if failures:
            raise failures[0]
        if process.returncode:
            raise errors.HostingError(f"{what} cannot be built: {telling(lines)}")


def require_tag(tag: str, base: str) -> None:
    """Check the name of an image to build.

    Raises:
        ConfigurationError: The name is not valid, or it is the name of a serving image.
    """
    if not _TAG.fullmatch(tag):
        raise errors.ConfigurationError(
            f"--tag {tag!r} is not a name of an image; expected [REGISTRY/]NAME[:TAG], in "
            "lower-case letters but for TAG, such as my-model:1"
        )
    reference = ImageReference.parse(tag)
    same = ImageReference.parse(base)
    if reference.base_name == OWN_IMAGE or (reference.address, reference.version) == (
        same.address,
        same.version,
    ):
        raise errors.ConfigurationError(
            f"--tag {tag!r} is the name of a serving image, which others stand on; choose another, "
            "such as my-model:1"
        )


def telling(lines: Sequence[str]) -> str:
    """Return the line of a build's output with the cause of a failure: pip's, else the last."""
    output = [match[1] for line in lines if (match := _OUTPUT.match(line))]
    found = [line for line in output if _TELLING.search(line)] or output or list(lines)
    return found[-1].strip() if found else "it said nothing"


def _feed(
    stream: IO[bytes],
    write: Callable[[IO[bytes]], None] | None,
    failures: list[BaseException],
) -> None:
    """Write a program's input, in a thread; errors are stored for the waiting thread."""
    try:
        with stream:
            if write is not None:
                write(stream)
    except BrokenPipeError:
        pass  # the program has ended; its last lines have the cause
    except (OSError, errors.ByoiError) as error:
        failures.append(error)


def _write_context(recipe: Recipe, stream: IO[bytes]) -> None:
    """Write the build context as an archive; the same files always give the same bytes.

    Modes are set, so that the serving user can read all files.
    """
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        dockerfile = recipe.dockerfile().encode()
        member = tarfile.TarInfo("Dockerfile")
        member.size = len(dockerfile)
        tar.addfile(member, io.BytesIO(dockerfile))
        for file, name in recipe.files():
            with _opened(file) as content:
                status = os.fstat(content.fileno())
                member = tarfile.TarInfo(name.as_posix())  # owner 0, time 0
                member.size = status.st_size
                member.mode = 0o755 if status.st_mode & 0o100 else 0o644
                tar.addfile(member, content)


def _opened(file: Path) -> IO[bytes]:
    try:
        return file.open("rb")
    except OSError as error:
        raise errors.ConfigurationError(
            f"{file} cannot be read: {error.strerror}; make it readable, or remove it"
        ) from error


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it said nothing"
