"""The settings of the docker command: the engine's address, stored logins, proxies of containers.

The Docker SDK reads them from this process's environment; here the environment is an argument.

Sources: docker/cli, cli/command/cli.go (`resolveContextName`: DOCKER_HOST before DOCKER_CONTEXT
before `currentContext`) and cli/context/store (names of the files of a context).
"""

import contextlib
import hashlib
import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from byoi import errors

# The default address of the engine.
DEFAULT_HOST = "unix:///var/run/docker.sock"
_DEFAULT_CONTEXT = "default"
_LOG_OUT_TIMEOUT_S = 10


@dataclass(frozen=True)
class EngineAddress:
    """The address of a container engine.

    Attributes:
        url: For example `unix:///var/run/docker.sock` or `tcp://10.1.2.3:2376`.
        certificates: Directory of ca.pem, cert.pem and key.pem, None for a connection without TLS.
        is_verified: Whether the engine's certificate is verified.
    """

    url: str
    certificates: Path | None = None
    is_verified: bool = True


class DockerConfig:
    """The settings that the docker command would read in one environment.

    Attributes:
        directory: The directory of config.json and the contexts.
        environ: The environment.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Store the environment; no file is read yet.

        Args:
            environ: May have DOCKER_HOST, DOCKER_CONTEXT, DOCKER_CONFIG, DOCKER_TLS_VERIFY,
                DOCKER_CERT_PATH and HOME.
        """
        self.environ = environ
        home = Path(environ.get("HOME") or Path.home())
        self.directory = Path(environ.get("DOCKER_CONFIG") or home / ".docker")

    def read(self) -> dict[str, Any]:
        """Return the content of config.json, empty if it is absent or not JSON."""
        try:
            content = json.loads((self.directory / "config.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def proxies(self, engine: str) -> dict[str, str]:
        """Return the proxies of config.json for the containers of an engine, in its own form."""
        proxies = self.read().get("proxies") or {}
        return dict(proxies.get(engine) or proxies.get("default") or {})

    def find_engine(self) -> EngineAddress:
        """Return the address of the engine that the docker command would use.

        Raises:
            MissingProgramError: The selected docker context is absent or not readable.
        """
        if url := self.environ.get("DOCKER_HOST"):
            if not self.environ.get("DOCKER_TLS_VERIFY"):
                return EngineAddress(url)
            certificates = Path(self.environ.get("DOCKER_CERT_PATH") or self.directory)
            return EngineAddress(url, certificates)
        context = self.environ.get("DOCKER_CONTEXT") or self.read().get("currentContext")
        if not context or context == _DEFAULT_CONTEXT:
            return EngineAddress(DEFAULT_HOST)
        return self._read_context(context)

    def log_out(self, registry: str) -> None:
        """Remove the stored login for a registry, from config.json or its credential helper.

        Args:
            registry: `host:port`.
        """
        program = shutil.which("docker", path=self.environ.get("PATH", ""))
        if program is not None:
            # A credential helper that hangs must not block the rest of a clean-up.
            with contextlib.suppress(subprocess.TimeoutExpired):
                subprocess.run(
                    [program, "logout", registry],
                    env=dict(self.environ),
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    timeout=_LOG_OUT_TIMEOUT_S,
                    check=False,
                )

    def _read_context(self, name: str) -> EngineAddress:
        folder = hashlib.sha256(name.encode()).hexdigest()
        contexts = self.directory / "contexts"
        try:
            meta = json.loads((contexts / "meta" / folder / "meta.json").read_bytes())
            endpoint = meta["Endpoints"]["docker"]
            url = endpoint["Host"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise errors.MissingProgramError(
                f"the docker context {name!r} cannot be read from {contexts} "
                f"({type(error).__name__}: {error}); choose another with `docker context use`, or "
                "set DOCKER_HOST"
            ) from error
        certificates = contexts / "tls" / folder / "docker"
        return EngineAddress(
            url,
            certificates if certificates.is_dir() else None,
            is_verified=not endpoint.get("SkipTLSVerify", False),
        )
