"""A subject for the tests: faulty_life.py as a process of this machine, with mounts of its own.

It is what an engine does: read-only mounts below /opt/ml, another user. Root alone may do it.
"""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from byoi import contract
from byoi.conformance import causes
from byoi.conformance.proc import Process, read_handler, read_listeners, read_processes
from byoi.conformance.server import Listener, Server
from byoi.conformance.subjects import Conditions
from byoi.conformance.verdict import Broken, NotTested

PROGRAM = Path(__file__).with_name("faulty_life.py")
# What a killed one would be waited for is not what is tested.
LONGEST_GRACE_S = 3
# Its arguments: pairs of a folder and the path where it is seen, "--", the command.
MOUNT = """mount -t tmpfs none /opt
while [ "$1" != -- ]; do
    mkdir -p "$2"; mount --bind "$1" "$2"; mount -o "remount,bind,$MODE" "$2"; shift 2
done
shift; exec "$@"
"""


class LifeSight:
    sees_start = True

    def __init__(self, process: subprocess.Popen, folder: Path, made: Sequence[str]) -> None:
        self._process = process
        self._made = made
        self._folder = folder

    def log(self) -> str:
        return (self._folder / "log").read_text()

    def listeners(self) -> list[Listener]:
        try:
            opened = Path(f"/proc/{self._process.pid}/fd").iterdir()
            sockets = {str(one.readlink()) for one in opened}
            table = Path(f"/proc/{self._process.pid}/net/tcp").read_text()
        except OSError as error:
            raise NotTested("it has ended") from error
        own = [line for line in table.splitlines() if _inode(line) in sockets]
        return [Listener(*one) for one in read_listeners("\n".join(["head", *own]))]

    def unix_sockets(self) -> list[str]:
        return []

    def nginx_configuration(self) -> str:
        return ""

    def changes(self) -> list[str]:
        written = [f"/var/lib/{one.name}" for one in (self._folder / "scratch").iterdir()]
        return [*self._made, *written]

    def children(self) -> list[Process]:
        found = []
        for file in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                found += read_processes(file.read_text())
        return [one for one in found if one.parent == self._process.pid]

    def kill(self, process: Process) -> None:
        os.kill(process.pid, 9)

    def terminate(self, grace_s: int) -> None:
        self._process.terminate()
        try:
            self._process.wait(min(grace_s, LONGEST_GRACE_S))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def exit_code(self) -> int | None:
        code = self._process.poll()
        return 128 - code if code is not None and code < 0 else code

    def handles(self, number: int) -> bool:
        return read_handler(Path(f"/proc/{self._process.pid}/status").read_text(), number)

    def is_out_of_memory(self) -> bool:
        return False


def _inode(line: str) -> str:
    fields = line.split()
    return f"socket:[{fields[9]}]" if len(fields) > 9 else ""


class LifeSubject:
    start_limit_s = 20.0

    def __init__(
        self,
        fault: str = "",
        *,
        model: Path | None = None,
        name: str = "image:latest",
        files: Mapping[str, bytes] | None = None,
        made: Sequence[str] = (),
        **described: Any,
    ) -> None:
        self.name = name
        self.model = model
        self._fault = fault
        self._files = files or {}
        self._made = made
        self._described = {"Architecture": "amd64", "Os": "linux", **described}

    @contextlib.contextmanager
    def launched(self, conditions: Conditions) -> Iterator[Server]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            # Of any user.
            folder.chmod(0o755)
            for one in ("scratch", "empty"):
                (folder / one).mkdir()
            model = self.model if self.model and conditions.has_model else folder / "empty"
            mounts = conditions.mounts or {model: contract.MODEL_DIR}
            port = conditions.port if conditions.port != contract.PORT else _free_port()
            environment = {
                "PATH": os.environ["PATH"],
                "MODE": "rw" if conditions.confinement.has_writable_mounts else "ro",
                **conditions.environment,
                "SCRATCH": str(folder / "scratch"),
                "FAULT": self._fault,
                "SAGEMAKER_BIND_TO_PORT": str(port),
            }
            with (folder / "log").open("wb") as log:
                process = subprocess.Popen(
                    _command(conditions, mounts, folder / "scratch", self._user(conditions)),
                    env=environment,
                    stdout=log,
                    stderr=log,
                )
            try:
                yield Server("127.0.0.1", port, LifeSight(process, folder, self._made))
            finally:
                process.kill()
                process.wait()

    def _user(self, conditions: Conditions) -> str:
        image = (self._described.get("Config") or {}).get("User") or ""
        return (conditions.confinement.user or image).partition(":")[0]

    def explain_end(self, server: Server) -> Broken:
        code, log = server.sight.exit_code() or 0, server.sight.log()
        return causes.problem_in_log(log) or causes.of_end(code, log)

    def described(self) -> dict[str, Any]:
        return self._described

    def read_file(self, path: str) -> bytes | None:
        return self._files.get(path)

    def has_files(self, folder: str) -> bool:
        return any(path.startswith(f"{folder}/") for path in self._files)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _command(
    conditions: Conditions, mounts: Mapping[Path, Path], scratch: Path, user: str
) -> list[str]:
    """Return the command that mounts, changes the user, and becomes the server."""
    command = [sys.executable, "-B", str(PROGRAM), conditions.argument]
    if user:
        command = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *command]
    seen = [str(one) for pair in mounts.items() for one in pair]
    if conditions.confinement.is_root_read_only:
        seen += [str(scratch), str(scratch)]
    return ["unshare", "--mount", "sh", "-ec", MOUNT, "sh", *seen, "--", *command]
