"""The docker command, asked about this machine's images, containers and networks.

What endpoints ask the engine beside the rest: to pull, to follow, to cut off.

What local mode asks the engine beside the rest: compose, and what stands in its way.

Containers whose process is gone: a notebook kernel that was killed cleans up nothing.
"""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import urllib.parse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from byoi import errors

# One question to the engine; it answers in tens of milliseconds unless it hangs.
COMMAND_TIMEOUT_S = 60
_TERMINAL_CODES = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class ContainerState:
    """What `docker inspect` says of a container.

    Attributes:
        status: Docker's word: created, running, exited, dead ...; `absent` without container.
        exit_code: Meaningful once it has ended.
        is_out_of_memory: The kernel ended it for its memory limit.
        error: Docker's own reason for not starting it, or "".
    """

    status: str
    exit_code: int = 0
    is_out_of_memory: bool = False
    error: str = ""

    @property
    def has_ended(self) -> bool:
        """Whether it ran and will not run on."""
        return self.status in {"exited", "dead"}


class Engine:
    """The container engine that one environment's PATH and variables lead to."""

    def __init__(
        self, environ: Mapping[str, str], *, command_timeout_s: float = COMMAND_TIMEOUT_S
    ) -> None:
        """Remember the environment; nothing runs yet.

        Args:
            environ: Every command gets these variables and is looked for on their PATH.
            command_timeout_s: Seconds after which a question to the engine is given up.
        """
        self.environ = dict(environ)
        self._timeout_s = command_timeout_s

    def require(self) -> None:
        """Check that docker is there and its engine answers.

        Raises:
            MissingProgramError: It is not, or does not.
        """
        if self._find("docker") is None:
            raise errors.MissingProgramError(
                "the docker command is needed here, which is not on PATH; install Docker"
            )
        version = self._docker("version", "--format", "{{.Server.Version}}")
        if version.returncode != 0:
            raise errors.MissingProgramError(
                f"docker does not answer ({last_line(version.stderr)}); start the Docker engine, "
                "or give this user the right to use it"
            )

    def has_image(self, image: str) -> bool:
        """Whether the image is on this machine."""
        return bool(self.image_id(image))

    def image_id(self, image: str) -> str:
        """Return the id of an image on this machine, "" where it is not, or docker is not."""
        if self._find("docker") is None:
            return ""
        done = self._docker("image", "inspect", "--format", "{{.Id}}", image)
        return done.stdout.strip() if done.returncode == 0 else ""

    def run(self, image: str, command: str, options: Iterable[str]) -> str:
        """Start a container in the background; return "" or the reason why it did not start."""
        done = self._docker("run", "--detach", *options, image, command)
        # Without docker's hint to --help.
        lines = [line for line in plain_lines(done.stderr) if "--help" not in line]
        reason = last_line("\n".join(lines)).removeprefix("docker: ")
        return "" if done.returncode == 0 else reason

    def address(self, container: str, port: int) -> tuple[str, int] | None:
        """Return where this machine reaches a container's port, None once it has ended.

        That is where the port is published; else, on a network of its own, the container itself.
        """
        done = self._docker(
            "container", "inspect", "--format", "{{json .NetworkSettings}}", container
        )
        settings = json.loads(done.stdout) if done.returncode == 0 else {}
        for published in (settings.get("Ports") or {}).get(f"{port}/tcp") or ():
            return self.find_host() or published["HostIp"], int(published["HostPort"])
        for network in (settings.get("Networks") or {}).values():
            if network["IPAddress"]:
                return network["IPAddress"], port
        return None

    def state(self, container: str) -> ContainerState:
        """Return how the container is now."""
        done = self._docker("container", "inspect", "--format", "{{json .State}}", container)
        if done.returncode != 0:
            return ContainerState("absent")
        state = json.loads(done.stdout)
        return ContainerState(
            state["Status"], state["ExitCode"], state["OOMKilled"], state.get("Error", "")
        )

    def last_lines(self, container: str, lines: int) -> list[str]:
        """Return the end of what the container wrote, without colours and blank lines."""
        done = self._docker("logs", "--tail", str(lines), container)
        return plain_lines(done.stdout + done.stderr)

    def find_host(self) -> str | None:
        """Return the address of published ports, or None where it is this machine's own.

        Source of both cases: sagemaker 2.257, local/utils.py `get_docker_host`.
        """
        if self._docker("info", "--format", "{{.CgroupDriver}}").stdout.strip() == "none":
            return "172.17.0.1"  # rootless, as on SageMaker Studio
        form = "{{.Endpoints.docker.Host}}"
        url = urllib.parse.urlsplit(self._docker("context", "inspect", "--format", form).stdout)
        return url.hostname if url.scheme == "tcp" else None

    def find_labels(self, name: str) -> dict[str, str]:
        """Return id to value for all containers that carry the label `name`."""
        form = f'{{{{.ID}}}} {{{{.Label "{name}"}}}}'
        done = self._docker("ps", "--all", "--filter", f"label={name}", "--format", form)
        return dict(line.split(" ", 1) for line in done.stdout.splitlines())

    def find_networks(self, name: str) -> dict[str, str]:
        """Return network to value for all networks that carry the label `name`."""
        form = f'{{{{.Name}}}} {{{{.Label "{name}"}}}}'
        done = self._docker("network", "ls", "--filter", f"label={name}", "--format", form)
        return dict(line.split(" ", 1) for line in done.stdout.splitlines())

    def networks_of(self, containers: Iterable[str]) -> set[str]:
        """Return the names of the networks the containers are attached to."""
        form = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}"
        done = self._docker("container", "inspect", "--format", form, *containers)
        return set(done.stdout.split())

    def stop(self, containers: Iterable[str], grace_s: int) -> None:
        """Send SIGTERM, and SIGKILL `grace_s` later to what has not ended."""
        self._docker("stop", "-t", str(grace_s), *containers, more_s=grace_s)

    def remove(self, containers: Iterable[str], networks: Iterable[str]) -> None:
        """Remove containers, running or not, with their volumes, and then networks."""
        if containers := list(containers):
            self._docker("rm", "--force", "--volumes", *containers)
        if networks := list(networks):
            self._docker("network", "rm", *networks)

    def _find(self, program: str) -> str | None:
        return shutil.which(program, path=self.environ.get("PATH", ""))

    def _docker(self, *arguments: str, more_s: float = 0) -> subprocess.CompletedProcess[str]:
        timeout_s = self._timeout_s + more_s
        try:
            return subprocess.run(
                ["docker", *arguments],
                env=self.environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise errors.HostingError(
                f"`docker {' '.join(arguments[:2])}` did not answer within {timeout_s:g} s; "
                "look after the Docker engine, restart it if need be"
            ) from error


def plain_lines(text: str) -> list[str]:
    """Return the lines of a terminal's output that say something, without colours."""
    lines = (_TERMINAL_CODES.sub("", line).rstrip() for line in text.splitlines())
    return [line for line in lines if line]


def last_line(text: str) -> str:
    """Return the last line of a program's complaint."""
    return (plain_lines(text) or ["no reason given"])[-1]


# Gigabytes, from a registry on this machine.
PULL_TIMEOUT_S = 600
_LOG_OUT_TIMEOUT_S = 10


class ServingEngine(Engine):
    """An engine whose containers serve until they are stopped."""

    def pull(self, image: str, docker_config: Path | None = None) -> str:
        """Pull an image; return "" or the reason why that failed.

        Args:
            image: Its reference.
            docker_config: Directory with the login to use; the user's own by default.
        """
        engine = self
        if docker_config is not None:
            engine = ServingEngine({**self.environ, "DOCKER_CONFIG": str(docker_config)})
        done = engine._docker("pull", "--quiet", image, more_s=PULL_TIMEOUT_S)
        return "" if done.returncode == 0 else last_line(done.stderr)

    def log_out(self, registry: str) -> None:
        """Remove what `docker login` stored for a registry, in its file or its helper."""
        if self._find("docker") is not None:
            # A helper that hangs must not keep the rest from being removed.
            engine = ServingEngine(self.environ, command_timeout_s=_LOG_OUT_TIMEOUT_S)
            with contextlib.suppress(errors.HostingError):
                engine._docker("logout", registry)

    def follow_log(self, container: str, file: Path) -> subprocess.Popen[bytes]:
        """Start to append all the container writes to a file; ends when the container does."""
        with file.open("ab") as log:
            return subprocess.Popen(
                ["docker", "logs", "--follow", container],
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def create_isolated_network(self, network: str, labels: Mapping[str, str]) -> None:
        """Create a network whose containers reach nothing outside of it."""
        marks = [f"--label={name}={value}" for name, value in labels.items()]
        done = self._docker("network", "create", "--internal", *marks, network)
        if done.returncode != 0:
            raise errors.HostingError(
                f"no network without a way out could be made: {last_line(done.stderr)}"
            )


class ComposeEngine(Engine):
    """An engine that runs containers by way of compose."""

    def find_compose(self) -> list[str]:
        """Return the words that start compose.

        The plugin is taken where it works, whatever its version text says (the SDK wants
        to read "v2" there, which Debian's 2.26 and every v5 do not print).

        Raises:
            MissingProgramError: docker or compose is not there, or does not answer.
        """
        self.require()
        if self._docker("compose", "version").returncode == 0:
            return ["docker", "compose"]
        if (path := self._find("docker-compose")) is not None:
            return [path]
        raise errors.MissingProgramError(
            "local mode starts containers with compose, and neither `docker compose` nor "
            "docker-compose works here; install the package docker-compose or docker-compose-plugin"
        )

    def require_image(self, image: str) -> None:
        """Check that the image is on this machine, since nothing here may pull it.

        Raises:
            HostingError: It is not; the message says how to get it.
        """
        if not self.has_image(image):
            raise errors.HostingError(
                f"local mode needs the image {image!r} on this machine and it is not there; "
                f"run `make image` for byoi:latest, or `docker pull {image}`"
            )

    def holder_of_port(self, port: int) -> str | None:
        """Return the name of the container that publishes a port, if one does."""
        done = self._docker("ps", "--filter", f"publish={port}", "--format", "{{.Names}}")
        return done.stdout.strip() or None

    def existing(self, containers: Iterable[str]) -> list[str]:
        """Return those of the names that a container has, running or not."""
        return [name for name in containers if self.state(name).status != "absent"]

    def has_network(self, network: str) -> bool:
        """Whether a network of this name exists."""
        return self._docker("network", "inspect", network).returncode == 0

    def unlock(self, directory: Path, image: str) -> None:
        """Let this user delete what a container wrote as root into a mounted directory."""
        mount = f"{directory}:/unlock"
        command = ("run", "--rm", "--network", "none", "--volume", mount, "--entrypoint", "chmod")
        self._docker(*command, image, "-R", "a+rwX", "/unlock")


OWNER_LABEL = "byoi.owner"


def owner() -> str:
    """Return the label's value for containers of this process."""
    return f"{socket.gethostname()}:{os.getpid()}"


def is_owner_gone(label: str) -> bool:
    """Whether the process that a label names ran on this machine and has ended."""
    host, _, pid = label.rpartition(":")
    return host == socket.gethostname() and not _is_alive(int(pid))


def remove_orphans(engine: Engine) -> list[str]:
    """Remove containers, with their networks, of processes that ended on this machine.

    Returns:
        Ids of the containers removed. Those of other machines' processes stay, since
        several may share one engine.
    """
    removed = []
    for container, label in engine.find_labels(OWNER_LABEL).items():
        if is_owner_gone(label):
            engine.remove([container], engine.networks_of([container]))
            removed.append(container)
    return removed


def remove_orphaned_networks(engine: Engine) -> list[str]:
    """Remove networks of processes that ended on this machine, and return their names."""
    found = engine.find_networks(OWNER_LABEL)
    removed = [name for name, label in found.items() if is_owner_gone(label)]
    engine.remove([], removed)
    return removed


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # another user's
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return True  # a system without /proc
    # Ended, and nobody asks for its status: in a container without an init, for ever.
    return state != "Z"
