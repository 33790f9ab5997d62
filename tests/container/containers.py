"""Containers of the tests, always removed, and the project's own build script."""

import contextlib
import json
import os
import subprocess
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from byoi.local import health

ROOT = Path(__file__).resolve().parent.parent.parent
TOYS = ROOT / "tests" / "toys"
START_TIMEOUT_S = 90
# Not root, as on serverless endpoints; what it leaves can be removed by who runs the tests.
ANY_USER = os.getuid() or 12345
RESTRICTED = ("--read-only", "--tmpfs", "/tmp", "--user", f"{ANY_USER}:{ANY_USER}")


def docker(*arguments: str, check: bool = True) -> str:
    """Run docker and return what it printed on both streams."""
    done = subprocess.run(
        ["docker", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    output = done.stdout.decode(errors="replace")
    assert done.returncode == 0 or not check, f"docker {' '.join(arguments)}: {output}"
    return output


def script_environ(**settings: str) -> dict[str, str]:
    """Return the environment of the build script: of its settings, only these."""
    names = ("TARGET", "MODEL_DIR", "BASE_IMAGE", "PLATFORM", "CA_BUNDLE", "PIP_CONF", "DOCKER")
    return {name: value for name, value in os.environ.items() if name not in names} | settings


def build(*options: str, **settings: str) -> str:
    """Run the build script with these settings and return its log."""
    done = subprocess.run(
        [ROOT / "container" / "build_image.sh", *options],
        env=script_environ(**settings),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    return done.stderr


class Container:
    """A container that runs, until the block of `started` ends.

    Attributes:
        name: As docker knows it.
        port: Port of this machine that leads to 8080, 0 where nothing is published.
    """

    def __init__(self, name: str, port: int) -> None:
        self.name = name
        self.port = port

    @property
    def log(self) -> str:
        return docker("logs", self.name, check=False)

    @property
    def state(self) -> dict[str, Any]:
        return json.loads(docker("inspect", "--format", "{{json .State}}", self.name))

    def run(self, *command: str) -> str:
        return docker("exec", self.name, *command)

    def wait(self, timeout_s: float = 30) -> int:
        """Wait for its end and return its exit status."""
        end_s = time.monotonic() + timeout_s
        while self.state["Running"]:
            assert time.monotonic() < end_s, f"still running after {timeout_s} s:\n{self.log}"
            time.sleep(0.1)
        return self.state["ExitCode"]

    def wait_until_ready(self) -> None:
        end_s = time.monotonic() + START_TIMEOUT_S
        while not health.is_healthy(f"http://127.0.0.1:{self.port}"):
            assert self.state["Running"], self.log
            assert time.monotonic() < end_s, self.log
            time.sleep(0.05)

    def wait_for_log(self, text: str) -> None:
        """Wait until it has written this."""
        end_s = time.monotonic() + START_TIMEOUT_S
        while text not in self.log:
            assert self.state["Running"], self.log
            assert time.monotonic() < end_s, self.log
            time.sleep(0.2)

    def processes(self) -> list[tuple[int, str, str]]:
        """Return id, state, and name with command line of each process, by the container."""
        # The image has no ps; a stat line is `pid (name) state ...`, a zombie's command is empty.
        listed = self.run(
            "sh",
            "-c",
            "for p in /proc/[0-9]*; do read -r line < $p/stat || continue;"
            ' echo "${p#/proc/}|${line##*) }|$(cat $p/comm) $(tr "\\0" " " < $p/cmdline)"; done',
        )
        rows = [line.split("|", 2) for line in listed.splitlines()]
        return [(int(pid), state[0], command) for pid, state, command in rows]

    def pids(self, part: str) -> list[int]:
        """Return the ids inside the container of processes whose name or command has `part`."""
        return [pid for pid, _, command in self.processes() if part in command]


@contextlib.contextmanager
def started(
    image: str, *options: str, command: Sequence[str] = ("serve",), ready: bool = True
) -> Iterator[Container]:
    """Run a container; wait for /ping where it is to be `ready`; remove it at the end."""
    name = f"byoi-test-{uuid.uuid4().hex[:12]}"
    isolated = "none" in options
    publish = () if isolated else ("--publish", "127.0.0.1::8080")
    docker("run", "--detach", "--name", name, *publish, *options, image, *command)
    try:
        port = 0
        if ready and not isolated:
            port = int(docker("port", name, "8080").rpartition(":")[2])
        container = Container(name, port)
        if port:
            container.wait_until_ready()
        yield container
    finally:
        docker("rm", "--force", "--volumes", name)


def mounted(directory: Path, place: str = "/opt/ml/model", mode: str = "ro") -> tuple[str, str]:
    """Return docker's options for a directory of this machine."""
    return "--volume", f"{directory}:{place}:{mode}"
