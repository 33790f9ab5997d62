"""A subject for the tests: faulty.py as a process of this machine, without an image."""

import contextlib
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from byoi.conformance import causes
from byoi.conformance.proc import Process, read_handler
from byoi.conformance.server import Listener, Server
from byoi.conformance.subjects import Conditions
from byoi.conformance.verdict import NotTested

PROGRAM = Path(__file__).with_name("faulty.py")


class LocalSight:
    """A process."""

    sees_start = True

    def __init__(self, process: subprocess.Popen, folder: Path) -> None:
        self._process = process
        self._folder = folder

    def log(self) -> str:
        return (self._folder / "log").read_text()

    def listeners(self) -> list[Listener]:
        raise NotTested("give an image")

    def unix_sockets(self) -> list[str]:
        return []

    def nginx_configuration(self) -> str:
        return ""

    def children(self) -> list[Process]:
        return []

    def changes(self) -> list[str]:
        return [str(one) for one in (self._folder / "scratch").iterdir()]

    def terminate(self, grace_s: int) -> None:
        self._process.terminate()
        try:
            self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def exit_code(self) -> int | None:
        return self._process.poll()

    def handles(self, number: int) -> bool:
        return read_handler(Path(f"/proc/{self._process.pid}/status").read_text(), number)

    def is_out_of_memory(self) -> bool:
        return False


class LocalSubject:
    """faulty.py with one fault, or none."""

    start_limit_s = 20.0
    model = None

    def __init__(
        self, fault: str = "", labels: Mapping[str, str] | None = None, program: Path = PROGRAM
    ) -> None:
        self.name = fault or "without a fault"
        self._fault = fault
        self._labels = dict(labels or {})
        self._program = program

    @contextlib.contextmanager
    def launched(self, conditions: Conditions) -> Iterator[Server]:
        with tempfile.TemporaryDirectory() as name, socket.socket() as taken:
            folder = Path(name)
            (folder / "scratch").mkdir()
            (folder / "model").mkdir()
            if conditions.has_model:
                (folder / "model" / "weights").touch()
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            taken.close()
            environment = {
                "SCRATCH": str(folder / "scratch"),
                "MODEL_DIR": str(folder / "model"),
                "FAULT": self._fault,
                "SAGEMAKER_BIND_TO_PORT": str(port),
            }
            with (folder / "log").open("wb") as log:
                process = subprocess.Popen(
                    [sys.executable, self._program, conditions.argument],
                    env={**conditions.environment, **environment},
                    stdout=log,
                    stderr=log,
                )
            try:
                yield self.server(port, LocalSight(process, folder))
            finally:
                process.kill()
                process.wait()

    def server(self, port: int, sight: LocalSight) -> Server:
        return Server("127.0.0.1", port, sight)

    def explain_end(self, server: Server):
        return causes.of_end(server.sight.exit_code() or 0, server.sight.log())

    def has_files(self, folder: str) -> bool:
        return False

    def read_file(self, path: str) -> bytes | None:
        return None

    def described(self):
        return {"Config": {"Labels": self._labels}}
