"""One local-mode container: the SDK starts it, this watches it, and nothing of it stays.

What the SDK's own class does otherwise (sagemaker 2.257, local/image.py): copies AWS keys
into the container, mounts the archive's folder writable, publishes port 8080 whoever
holds it, prints the container's log from a thread that outlives its caller, and never
removes the container or its network.

Where the containers of one local-mode session run.

TCP ports of this machine for local-mode endpoints.
"""

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagemaker.local.image import DOCKER_COMPOSE_FILENAME, _SageMakerContainer, _Volume
from sagemaker.local.utils import check_for_studio

from byoi import contract, errors
from byoi.hosting import staging
from byoi.local import docker, health, processes
from byoi.local.docker import ComposeEngine


@dataclass(frozen=True)
class Place:
    """Where containers of one session run and leave their traces.

    Attributes:
        engine: Runs docker and compose.
        directory: Of this session; everything written is under it.
        startup_timeout_s: Seconds for /ping to turn 200.
    """

    engine: ComposeEngine
    directory: Path
    startup_timeout_s: float


_REMEDY = "or leave serving_port out of the session's config and a free port is taken"


def choose_url(wanted: int | None, engine: ComposeEngine) -> str:
    """Return the `http://host:port` that a new container can have.

    Args:
        wanted: The port that is asked for; None for any free one.
        engine: Runs the container.

    Raises:
        HostingError: As `require_free`.
    """
    port = wanted or processes.find_free_port()
    require_free(port, engine)
    return f"http://{engine.find_host() or processes.LOOPBACK}:{port}"


def require_free(port: int, engine: ComposeEngine) -> None:
    """Check that a new container can have the port.

    The SDK does not: compose fails where nobody looks, and the old container answers.

    Raises:
        HostingError: Someone has it; the message says who and how to get it.
    """
    if (holder := engine.holder_of_port(port)) is not None:
        raise errors.HostingError(
            f"port {port} is taken by the container {holder!r}, which would answer in the new "
            f"one's place; remove it with `docker rm -f {holder}`, {_REMEDY}"
        )
    try:
        with socket.socket() as probe:
            # As a server would: a connection that is only fading away is no obstacle.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((processes.LOOPBACK, port))
    except OSError as error:
        raise errors.HostingError(
            f"port {port} cannot be used ({error.strerror}): another program on this machine "
            f"holds it; end it, {_REMEDY}"
        ) from error


_CREDENTIALS = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
# After its containers have ended, compose has this long to notice.
_COMPOSE_END_S = 5


class LocalContainer(_SageMakerContainer):  # type: ignore[misc] # the SDK ships no types
    """The containers of one endpoint, batch transform or, in its subclass, training job.

    Attributes:
        place: Where it runs.
        url: `http://host:port` while it serves, else "".
        log: File that receives all its containers write.
        container_names: As docker knows them, once started.
        network: The docker network of its own.
    """

    def __init__(
        self, place: Place, instance_type: str, instance_count: int, image: str, session: Any
    ) -> None:
        """Check what it will need; nothing is started yet.

        Raises:
            MissingProgramError: docker or compose does not work.
            HostingError: The image is not on this machine.
        """
        # In place of the SDK's own __init__, which reads compose's version text.
        self.place = place
        self.compose_cmd_prefix = [*place.engine.find_compose(), "--ansi", "never"]
        place.engine.require_image(image)
        self.sagemaker_session = session
        self.instance_type = instance_type
        self.instance_count = instance_count
        self.image = image
        self.container_entrypoint: list[str] | None = None
        self.container_arguments: list[str] | None = None
        self.is_studio = check_for_studio()
        name = secrets.token_hex(4)
        self.hosts = [f"algo-{number}-{name}" for number in range(1, instance_count + 1)]
        self.network = f"sagemaker-local-{name}"
        self.workspace = place.directory / name
        self.workspace.mkdir()
        self.log = place.directory / f"{name}.log"
        self.container_root = self._create_tmp_folder()
        self.container_names: list[str] = []
        self.url = ""
        self._asked_for: set[str] = set()
        self._compose_process: subprocess.Popen[bytes] | None = None

    def serve(self, model_dir: str | None, environment: Mapping[str, str]) -> None:
        """Start the container with the model data and return once it is healthy.

        Args:
            model_dir: Where the model data is, see `staging.stage_model_data`.
            environment: Variables for the container, and the only ones it gets.

        Raises:
            ModelDataError: The model data cannot be used.
            HostingError: The port that is asked for is taken.
            EndpointFailedError: The container did not become healthy.
        """
        try:
            model = self.workspace / "model"
            staging.stage_model_data(model_dir, model, self.sagemaker_session)
            volume = _Volume(str(model), str(contract.MODEL_DIR))
            # Read-only, as on the platform (DG your-algorithms-inference-code).
            volume.map += ",ro" if volume.map.endswith(":z") else ":ro"
            self._find_url()
            self._generate_compose_file("serve", [volume], dict(environment))
            self._start()
            health.wait_until_healthy(
                self.container_names[0],
                self.url,
                engine=self.place.engine,
                log=self.log,
                compose_has_ended=self._has_compose_ended,
                timeout_s=self.place.startup_timeout_s,
            )
        except BaseException:
            self.stop_serving(grace_s=0)
            raise

    def stop_serving(self, grace_s: int = contract.STOP_GRACE_S) -> None:
        """Stop and remove container, network and files; safe to call again.

        Args:
            grace_s: Seconds from SIGTERM to SIGKILL.
        """
        if self.container_names and grace_s:
            self.place.engine.stop(self.container_names, grace_s)
        if self._compose_process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._compose_process.wait(_COMPOSE_END_S if grace_s else 0)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._compose_process.pid, signal.SIGKILL)
            self._compose_process.wait()
        self.remove()
        shutil.rmtree(self.workspace, ignore_errors=True)
        self.url = ""

    def remove(self) -> None:
        """Remove containers and network, and leave the files."""
        self.place.engine.remove(self.container_names, [self.network])

    def remains(self) -> list[str]:
        """Return what is still there of it, apart from the log."""
        running = self.place.engine.existing(self.container_names)
        network = [self.network] if self.place.engine.has_network(self.network) else []
        files = [self.workspace] if self.workspace.exists() else []
        return [
            *(f"container {name}" for name in running),
            *(f"network {name}" for name in network),
            *(f"directory {path}" for path in files),
        ]

    def _generate_compose_file(
        self,
        command: str,
        additional_volumes: list[Any] | None = None,
        additional_env_vars: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        self._asked_for = {f"{key}={value}" for key, value in (additional_env_vars or {}).items()}
        content: dict[str, Any] = super()._generate_compose_file(
            command, additional_volumes, additional_env_vars
        )
        if "networks" in content:
            # Its own, so that removing it never meets another endpoint's.
            content["networks"]["sagemaker-local"]["name"] = self.network
        self.container_names = [each["container_name"] for each in content["services"].values()]
        # JSON is YAML.
        Path(self.container_root, DOCKER_COMPOSE_FILENAME).write_text(json.dumps(content, indent=1))
        return content

    def _create_docker_host(
        self, host: str, environment: list[str], subdirs: set[str], command: str, volumes: list[Any]
    ) -> dict[str, Any]:
        kept = [
            variable
            for variable in environment
            if variable in self._asked_for or variable.split("=", 1)[0] not in _CREDENTIALS
        ]
        content: dict[str, Any] = super()._create_docker_host(host, kept, subdirs, command, volumes)
        content["labels"] = {docker.OWNER_LABEL: docker.owner()}
        if "ports" in content:
            host, _, port = self.url.removeprefix("http://").rpartition(":")
            published = f"{host}:{port}" if host == processes.LOOPBACK else port
            content["ports"] = [f"{published}:{contract.PORT}"]
        return content

    def _create_tmp_folder(self) -> str:
        return tempfile.mkdtemp(prefix="byoi-", dir=self.workspace)

    def _find_url(self) -> None:
        if self.is_studio:
            self.url = f"http://sagemaker-local:{contract.PORT}"
            return
        local = (self.sagemaker_session.config or {}).get("local") or {}
        self.url = choose_url(local.get("serving_port"), self.place.engine)

    def _start(self) -> None:
        with self.log.open("ab") as log:
            # A session of its own: the Ctrl-C of a terminal or notebook is not for it.
            self._compose_process = subprocess.Popen(
                self._compose(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.place.engine.environ,
                start_new_session=True,
            )

    def _has_compose_ended(self) -> bool:
        return self._compose_process is None or self._compose_process.poll() is not None
