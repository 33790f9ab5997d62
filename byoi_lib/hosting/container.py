"""One local-mode container: the SDK starts it, this watches it, and nothing of it stays.

What the SDK's own class does otherwise (sagemaker 2.257, local/image.py): copies AWS keys
into the container, mounts the archive's folder writable, publishes port 8080 whoever
holds it, prints the container's log from a thread that outlives its caller, and never
removes the container or its network.
"""

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sagemaker.local.image import DOCKER_COMPOSE_FILENAME, _SageMakerContainer, _Volume
from sagemaker.local.utils import check_for_studio

from byoi_lib import contract, free_port, orphans
from byoi_lib.hosting import health, ports, staging
from byoi_lib.hosting.place import Place

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
        content["labels"] = {orphans.OWNER_LABEL: orphans.owner()}
        if "ports" in content:
            host, _, port = self.url.removeprefix("http://").rpartition(":")
            published = f"{host}:{port}" if host == free_port.LOOPBACK else port
            content["ports"] = [f"{published}:{contract.PORT}"]
        return content

    def _create_tmp_folder(self) -> str:
        return tempfile.mkdtemp(prefix="byoi-", dir=self.workspace)

    def _find_url(self) -> None:
        if self.is_studio:
            self.url = f"http://sagemaker-local:{contract.PORT}"
            return
        local = (self.sagemaker_session.config or {}).get("local") or {}
        self.url = ports.choose_url(local.get("serving_port"), self.place.engine)

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
