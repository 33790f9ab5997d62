"""The server as processes of this machine: the same stack as in the container.

Used by the emulator, the demo, the tests and the benchmarks.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from byoi import contract, errors
from byoi.local import health
from byoi.names import ImageReference, require_variables

LOOPBACK = "127.0.0.1"
# The container's own start limit on the platform is 480 s; a process on this machine is faster.
START_TIMEOUT_S = 60.0
# -P: a module in the current folder must not hide one of Python's.
SERVE_COMMAND = (sys.executable, "-P", "-m", "byoi.server")
# The repository of this project's image: the only one whose server can also run as processes.
OWN_IMAGE = "byoi"
_ROOT = Path(__file__).resolve().parents[2]
# Matches the path itself or one below it, also in a list of paths or a URI; not /opt/ml/models.
_MODEL_DIR = re.compile(rf"(?:(?<![\w./-])|(?<=://)){contract.MODEL_DIR}(?![\w.-])")


def find_free_port() -> int:
    """Return a free TCP port; another program may take it before it is used."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def with_this_package(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which another Python process finds this package."""
    if _ROOT.name in {"site-packages", "dist-packages"}:
        return dict(environ)
    paths = [str(_ROOT), *filter(None, [environ.get("PYTHONPATH")])]
    return {**environ, "PYTHONPATH": os.pathsep.join(paths)}


def is_own_image(image: str) -> bool:
    """Whether an image is this project's, with any registry, tag and digest."""
    return ImageReference.parse(image).base_name == OWN_IMAGE


def with_model_dir(environment: Mapping[str, str], model_dir: Path) -> dict[str, str]:
    """Return a container's variables with the path of its model directory replaced.

    Args:
        environment: Variables that may have `/opt/ml/model`, or paths below, in their values.
        model_dir: The model directory on this machine.
    """
    return {
        name: _MODEL_DIR.sub(lambda _: str(model_dir), value) for name, value in environment.items()
    }


class ProcessStack:
    """nginx, gunicorn and Flask as processes, for one model directory.

    A context manager: starts on entry and waits until /ping answers 200, stops on exit.

    Attributes:
        url: Its URL, for example `http://127.0.0.1:8080`.
        port: Its TCP port.
        log_file: The file for stdout and stderr of the processes.
    """

    def __init__(  # noqa: PLR0913 - keywords with a default
        self,
        model_dir: Path,
        *,
        port: int = 0,
        environ: Mapping[str, str] | None = None,
        inherited: Mapping[str, str] | None = None,
        log_file: Path | None = None,
        start_timeout_s: float = START_TIMEOUT_S,
    ) -> None:
        """Prepare; nothing runs yet.

        Args:
            model_dir: The argument of the inference module's `model_fn`.
            port: TCP port; 0 is any free one.
            environ: Variables as for a container, for example the server's settings; in their
                values, /opt/ml/model is replaced by `model_dir`.
            inherited: Further variables, which `environ` overrides; by default this process's own.
            log_file: File for the log; by default a file in a temporary directory that `stop`
                removes.
            start_timeout_s: Seconds until /ping must answer 200.
        """
        require_variables(environ or {})
        self.port = port or find_free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        self._own_dir = Path(tempfile.mkdtemp(prefix="byoi-log-")) if log_file is None else None
        self.log_file = log_file or Path(f"{self._own_dir}/server.log")
        self._start_timeout_s = start_timeout_s
        self._environ = {
            **with_this_package(os.environ if inherited is None else inherited),
            "BYOI_BIND_ADDRESS": LOOPBACK,
            **with_model_dir(environ or {}, model_dir),
            "BYOI_MODEL_DIR": str(model_dir),
            contract.BIND_TO_PORT_VARIABLE: str(self.port),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        try:
            self.wait()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def log(self) -> str:
        """The log so far."""
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    @property
    def pid(self) -> int | None:
        """Process id of the supervisor, None before the start and after the stop."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the processes without waiting for them."""
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                SERVE_COMMAND,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C ends the caller, which then ends the stack in order.
                start_new_session=True,
            )

    def wait(self) -> None:
        """Wait until /ping answers 200.

        Raises:
            EndpointFailedError: The server ended, or /ping did not answer 200 in time.
        """
        cause = health.wait_until_healthy(
            self.url, cause_of_end=self._cause_of_end, timeout_s=self._start_timeout_s
        )
        if cause is not None:
            raise errors.EndpointFailedError(f"the server {cause}; its log:\n{self.log}")

    def poll(self) -> int | None:
        """Return the exit status, None while it runs or if it was not started."""
        return self._process.poll() if self._process else None

    def is_ready(self) -> bool:
        """Whether /ping answers 200 now."""
        return health.is_healthy(self.url)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the supervisor, if it runs."""
        if self._process is not None:
            self._process.send_signal(number)

    def stop(self, grace_s: float = contract.STOP_GRACE_S) -> int | None:
        """Stop as the platform does, SIGTERM and SIGKILL 30 s later.

        Args:
            grace_s: Seconds between the two.

        Returns:
            Exit status, 0 after an orderly stop; None if it did not run.
        """
        process, self._process = self._process, None
        status = None
        if process is not None:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                status = process.wait(grace_s)
            except subprocess.TimeoutExpired:
                process.kill()
                status = process.wait()
        if self._own_dir is not None:
            shutil.rmtree(self._own_dir, ignore_errors=True)
        return status

    def _cause_of_end(self) -> str | None:
        status = self.poll()
        return None if status is None else f"ended with status {status}"
