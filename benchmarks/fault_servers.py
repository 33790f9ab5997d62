"""The servers of `faults.py`: the stack as processes, or a container where the fault needs one."""

import contextlib
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import process_tree

from byoi.local import ProcessStack, health

MODULE = Path(__file__).with_name("misbehaving.py")
# Of a container's start, which has docker's own time in it.
_START_S = 60.0
# The platform's SIGTERM is followed by SIGKILL after 30 s.
END_S = 40.0


class Server(Protocol):
    """A server that a fault is done to.

    Attributes:
        port: Where it listens on this machine.
    """

    port: int

    @property
    def pid(self) -> int:
        """Process id of the supervisor on this machine."""

    def status(self) -> int | None:
        """Return its exit status, None while it runs."""

    def start_again(self) -> None:
        """Start it again after it has ended, as the platform does, and wait until it is healthy."""

    def run(self, *command: str) -> None:
        """Run a command beside the server, in the container if there is one; it may fail."""


class Processes:
    """The stack as processes.

    Args:
        environ: Variables of the server.
        folder: For its log and its empty model directory.
    """

    def __init__(self, environ: Mapping[str, str], folder: Path) -> None:
        model = folder / "model"
        model.mkdir()
        variables = {"BYOI_INFERENCE_MODULE": str(MODULE), **environ}
        self.stack = ProcessStack(model, environ=variables, log_file=folder / "log")
        self.port = self.stack.port

    @property
    def pid(self) -> int:
        """Process id of the supervisor."""
        return self.stack.pid or 0

    def status(self) -> int | None:
        """Return its exit status, None while it runs."""
        return self.stack.poll()

    def start_again(self) -> None:
        """Start it again."""
        self.stack.start()
        self.stack.wait()

    def run(self, *command: str) -> None:
        """Run a command on this machine."""
        subprocess.run(command, capture_output=True, check=False)


class InContainer:
    """A container of the image.

    Args:
        image: Its reference.
        environ: Variables of the server.
        options: Of `docker run`.
    """

    def __init__(self, image: str, environ: Mapping[str, str], options: Sequence[str]) -> None:
        self.name = f"byoi-faults-{uuid.uuid4().hex[:8]}"
        variables = {"BYOI_INFERENCE_MODULE": "/misbehaving.py", **environ}
        settings = [f"--env={name}={value}" for name, value in variables.items()]
        place = ["--publish=127.0.0.1::8080", f"--volume={MODULE}:/misbehaving.py:ro"]
        begin = ["run", "--detach", f"--name={self.name}", *place, *settings, *options]
        docker(*begin, image, "serve")
        self.port = int(docker("port", self.name, "8080").rpartition(":")[2])
        self._wait()

    @property
    def pid(self) -> int:
        """Process id of the supervisor, as this machine has it."""
        return int(docker("inspect", "--format={{.State.Pid}}", self.name))

    def status(self) -> int | None:
        """Return its exit status, None while it runs."""
        asked = "{{.State.Running}} {{.State.ExitCode}}"
        is_running, status = docker("inspect", f"--format={asked}", self.name).split()
        return None if is_running == "true" else int(status)

    def start_again(self) -> None:
        """Start the container again."""
        docker("start", self.name)
        self._wait()

    def run(self, *command: str) -> None:
        """Run a command in the container."""
        subprocess.run(["docker", "exec", self.name, *command], capture_output=True, check=False)

    def _wait(self) -> None:
        def cause_of_end() -> str | None:
            status = self.status()
            return None if status is None else f"ended with status {status}"

        url = f"http://127.0.0.1:{self.port}"
        cause = health.wait_until_healthy(url, cause_of_end=cause_of_end, timeout_s=_START_S)
        if cause is not None:
            raise RuntimeError(f"{self.name} {cause}: {docker('logs', self.name)}")


@contextlib.contextmanager
def as_processes(environ: Mapping[str, str]) -> Iterator[Processes]:
    """Run the stack as processes."""
    with tempfile.TemporaryDirectory(prefix="byoi-faults-") as folder:
        server = Processes(environ, Path(folder))
        try:
            with server.stack:
                yield server
        except BaseException:
            print(server.stack.log[-3000:])
            raise


@contextlib.contextmanager
def in_container(
    image: str, environ: Mapping[str, str], options: Sequence[str]
) -> Iterator[InContainer]:
    """Run a container, and remove it at the end."""
    server = InContainer(image, environ, options)
    try:
        yield server
    finally:
        subprocess.run(["docker", "rm", "--force", server.name], capture_output=True, check=False)


def docker(*arguments: str) -> str:
    """Run docker and return its answer."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True)
    return (done.stdout or done.stderr).strip()


def why_no_image(image: str) -> str:
    """Return why an image cannot be run here, empty if it can."""
    if shutil.which("docker") is None:
        return "there is no docker here"
    done = subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False)
    return f"there is no image {image}, `make image` builds it" if done.returncode else ""


def wait_for_end(server: Server) -> int | None:
    """Wait until the server has ended; return its exit status, None if it has not."""
    end_s = time.monotonic() + END_S
    while (status := server.status()) is None and time.monotonic() < end_s:
        time.sleep(0.01)
    return status


# Its processes, found as the kernel has them.


def processes_of(server: Server, part: str) -> list[int]:
    """Return the process ids of one part of a server.

    Args:
        server: The server.
        part: `gunicorn`, its master; `worker`; `nginx`, its master; `nginx worker`.
    """
    tree = process_tree.tree(server.pid)
    below = {one.pid: one.parent for one in tree}
    nginx = {pid for pid in below if b"nginx:" in command_line(pid)}
    masters = {pid for pid, parent in below.items() if parent == server.pid}
    found = {
        "gunicorn": masters - nginx,
        "nginx": masters & nginx,
        "worker": {pid for pid, parent in below.items() if parent in masters - nginx},
        "nginx worker": {pid for pid, parent in below.items() if parent in masters & nginx},
    }[part]
    if not found:
        raise LookupError(f"the server {server.pid} has no {part}; it has {tree}")
    return sorted(found)


def command_line(pid: int) -> bytes:
    """Return the command line of a process, empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
