"""An image registry on this machine, to push images without an account.

Runs the program `docker-registry` (CNCF Distribution, packaged by Debian). The engine trusts
127.0.0.0/8 without a certificate, so it needs no configuration.
"""

import http.client
import json
import shutil
import subprocess
import tempfile
import time
import weakref
from pathlib import Path
from typing import Self

from byoi import errors, proxies
from byoi.local import processes

_START_TIMEOUT_S = 15


class LocalRegistry:
    """A registry that listens on 127.0.0.1 and keeps its images in a temporary folder.

    Use it as a context manager, or call `stop` when it is no longer needed.

    Attributes:
        address: `127.0.0.1:port`, the beginning of an image's name.
        stop: Stops it and deletes its images; a second call has no effect.
    """

    def __init__(self, *, port: int = 0, htpasswd: str = "", parent: Path | None = None) -> None:
        """Start it and wait until it answers.

        Args:
            port: TCP port; 0 is any free one.
            htpasswd: Users and bcrypt digests, one per line; if not empty, it asks for a login.
            parent: Parent of its temporary folder; by default the system's folder for those.

        Raises:
            MissingProgramError: `docker-registry` is not installed.
            ConfigurationError: The registry ended or did not answer; the message has its log.
        """
        program = shutil.which("docker-registry")
        if program is None:
            raise errors.MissingProgramError(
                "a registry of your own needs the program docker-registry, which is not on PATH; "
                "install Debian's package docker-registry, or name another: REGISTRY=host:port"
            )
        self._directory = Path(tempfile.mkdtemp(prefix="byoi-registry-", dir=parent))
        self.address = f"127.0.0.1:{port or processes.find_free_port()}"
        settings = {
            "version": "0.1",
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {
                "filesystem": {"rootdirectory": str(self._directory / "images")},
                "delete": {"enabled": True},
            },
            "http": {"addr": self.address},
        }
        if htpasswd:
            users = self._directory / "htpasswd"
            users.write_text(f"{htpasswd}\n", encoding="utf-8")
            settings["auth"] = {"htpasswd": {"realm": "byoi", "path": str(users)}}
        # JSON is valid YAML.
        (self._directory / "registry.yml").write_text(json.dumps(settings), encoding="utf-8")
        self._log_file = self._directory / "log"
        with self._log_file.open("wb") as log:
            self._process = subprocess.Popen(
                [program, "serve", str(self._directory / "registry.yml")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C ends the caller, which then stops the registry.
                start_new_session=True,
            )
        # If a notebook forgets to stop it, it ends with the kernel.
        self.stop = weakref.finalize(self, _stop, self._process, self._directory)
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The id of its process, which leads its own process group."""
        return self._process.pid

    def _wait(self) -> None:
        end_s = time.monotonic() + _START_TIMEOUT_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end_s:
                raise errors.ConfigurationError(
                    f"docker-registry does not serve at {self.address}; choose another port; "
                    f"its log:\n{self._log_file.read_text(encoding='utf-8', errors='replace')}"
                )
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            answer = proxies.exchange("GET", f"http://{self.address}/v2/", timeout_s=2)
        except (OSError, http.client.HTTPException):
            return False
        # 401 if it asks for a login.
        return answer.status in {200, 401}


def _stop(process: subprocess.Popen[bytes], directory: Path) -> None:
    process.terminate()
    process.wait()
    shutil.rmtree(directory, ignore_errors=True)
