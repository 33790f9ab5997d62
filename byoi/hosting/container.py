"""A container of local mode: started by the SDK's compose file, watched and removed here.

Differences to the SDK's own class (sagemaker 2.257, local/image.py), which copies AWS keys into
the container, mounts the archive's folder writable, publishes port 8080 even if another program
has it, prints the container's log from a thread that outlives its caller, lets compose replace
`$NAME` in variables, and never removes the container or its network.
"""

import contextlib
import json
import logging
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagemaker.local.image import DOCKER_COMPOSE_FILENAME, _SageMakerContainer, _Volume
from sagemaker.local.utils import check_for_studio

from byoi import contract, errors
from byoi.conformance import diagnosis
from byoi.hosting import script, staging
from byoi.local import compose, health, orphans, processes
from byoi.local.docker import ContainerState, Engine
from byoi.names import require_variables

_log = logging.getLogger(__name__)
_CREDENTIALS = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
_FREE_PORT = "or leave serving_port out of the session's config and a free port is taken"
# After its containers have ended, compose has this long to notice.
_COMPOSE_END_S = 5
_POLL_S = 0.05
# At the end of an error; more are read, because servers log the health checks of the wait.
_LOG_LINES = 15
_LOG_LINES_READ = 500


@dataclass(frozen=True)
class Place:
    """Where the containers of one session run.

    Attributes:
        engine: Runs them.
        directory: Of this session; all its files are below.
        startup_timeout_s: Seconds for /ping to turn 200.
    """

    engine: Engine
    directory: Path
    startup_timeout_s: float


def choose_url(wanted: int | None, engine: Engine) -> str:
    """Return the `http://host:port` of a port that a new container can publish.

    Args:
        wanted: The port; None for any free one.
        engine: Runs the container.

    Raises:
        HostingError: As `require_free`.
    """
    port = wanted or processes.find_free_port()
    require_free(port, engine)
    return f"http://{engine.host or processes.LOOPBACK}:{port}"


def require_free(port: int, engine: Engine) -> None:
    """Check that a new container can publish a port.

    The SDK does not check: compose fails unseen, and the old container answers.

    Raises:
        HostingError: The port is taken; the message names the holder and the remedy.
    """
    if (holder := engine.holder_of_port(port)) is not None:
        raise errors.HostingError(
            f"port {port} is taken by the container {holder!r}, which would answer in the new "
            f"one's place; remove it with `docker rm -f {holder}`, {_FREE_PORT}"
        )
    try:
        with socket.socket() as probe:
            # As a server would: a connection that is only fading away is no obstacle.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((processes.LOOPBACK, port))
    except OSError as error:
        raise errors.HostingError(
            f"port {port} cannot be used ({error.strerror}): another program on this machine "
            f"holds it; end it, {_FREE_PORT}"
        ) from error


def require_image(image: str, engine: Engine) -> None:
    """Check that an image is on this machine, because local mode pulls none.

    Raises:
        HostingError: It is not; the message has the commands that get it.
    """
    if not engine.has_image(image):
        raise errors.HostingError(
            f"local mode needs the image {image!r} on this machine and it is not there; "
            f"run `make image` for byoi:latest, or `docker pull {image}`"
        )


def wait_until_healthy(  # noqa: PLR0913 - one caller, keywords
    container: str,
    url: str,
    *,
    engine: Engine,
    log: Path,
    compose_has_ended: Callable[[], bool],
    timeout_s: float,
    diagnose: Callable[[], str] = str,
) -> None:
    """Return once the running container answers /ping with 200.

    Args:
        container: Its name.
        url: `http://host:port` where it is published.
        engine: Answers in which state the container is.
        log: Output of compose, read for the last lines if there is no container.
        compose_has_ended: Whether compose gave up, for example because a port is taken.
        timeout_s: Seconds for /ping to turn 200.
        diagnose: Returns why it is not healthy, as the end of a sentence; "" where nothing is seen.

    Raises:
        EndpointFailedError: The container ended, was never started, or did not become
            healthy in time; the message has the cause and the end of its log.
    """
    state = ContainerState("absent")

    def cause_of_end() -> str | None:
        nonlocal state
        is_over = compose_has_ended()
        state = engine.state(container)
        return _cause(state) if state.has_ended or is_over else None

    cause = health.wait_until_healthy(
        url,
        cause_of_end=cause_of_end,
        may_ping=lambda: state.status == "running",
        timeout_s=timeout_s,
        poll_s=_POLL_S,
    )
    if cause is None:
        return
    written = engine.log(container, _LOG_LINES_READ)
    if not written.strip() and log.exists():
        written = log.read_text(errors="replace")
    ending = "\n".join(f"  {line}" for line in health.tail(written, _LOG_LINES)) or "  (nothing)"
    cause += diagnose()
    raise errors.EndpointFailedError(
        f"the container {cause}\nThe end of its log (all of it in {log}):\n{ending}"
    )


def _cause(state: ContainerState) -> str:
    if state.is_out_of_memory:
        return "was ended by the kernel for lack of memory; give it more, or load a smaller model"
    if state.has_ended:
        return f"ended with exit code {state.exit_code} before it was healthy"
    return f"was not started{': ' + state.error if state.error else ''}"


def _read_only(directory: Path, mounted: Path) -> Any:
    """Return the SDK's volume, read-only as on the platform (DG your-algorithms-inference-code)."""
    volume = _Volume(str(directory), str(mounted))
    volume.map += ",ro" if volume.map.endswith(":z") else ":ro"
    return volume


class LocalContainer(_SageMakerContainer):  # type: ignore[misc] # the SDK ships no types
    """The containers of one endpoint, batch transform or, in its subclass, training job.

    Attributes:
        place: Where it runs.
        url: `http://host:port` while it serves, else "".
        log: File that receives the output of its containers.
        container_names: Their names, once started.
        network: Its own Docker network.
        stop_problem: What was wrong with its end, "" for nothing.
    """

    def __init__(
        self, place: Place, instance_type: str, instance_count: int, image: str, session: Any
    ) -> None:
        """Check the requirements; nothing is started yet.

        Raises:
            MissingProgramError: No engine answers, or compose does not work.
            HostingError: The image is not on this machine.
        """
        # In place of the SDK's own __init__, which reads compose's version text.
        self.place = place
        place.engine.require()
        self.compose_cmd_prefix = [*compose.find_command(place.engine.environ), "--ansi", "never"]
        require_image(image, place.engine)
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
        self.stop_problem = ""
        self._wanted: set[str] = set()
        self._compose_process: subprocess.Popen[bytes] | None = None

    def serve(
        self,
        model_dir: str | None,
        environment: Mapping[str, str],
        *,
        startup_timeout_s: float | None = None,
    ) -> None:
        """Start the container with the model data and return once it is healthy.

        Args:
            model_dir: Location of the model data, see `staging.stage_model_data`.
            environment: All variables of the container; what they name by `script` is given to it.
            startup_timeout_s: Seconds for /ping to turn 200; by default the session's.

        Raises:
            ModelDataError: The model data cannot be used.
            ConfigurationError: The script that the variables name is not there.
            HostingError: The port in the session's config is taken.
            EndpointFailedError: The container did not become healthy.
        """
        require_variables(environment)
        try:
            model, code = self.workspace / "model", self.workspace / "code"
            staging.stage_model_data(model_dir, model, self.sagemaker_session)
            variables = script.stage(
                environment, model_dir=model, directory=code, session=self.sagemaker_session
            )
            volumes = [_read_only(model, contract.MODEL_DIR)]
            if code.exists():
                volumes.append(_read_only(code, contract.CODE_DIR))
            self._find_url()
            self._generate_compose_file("serve", volumes, variables)
            self._start()
            wait_until_healthy(
                self.container_names[0],
                self.url,
                engine=self.place.engine,
                log=self.log,
                compose_has_ended=self._has_compose_ended,
                timeout_s=startup_timeout_s or self.place.startup_timeout_s,
                diagnose=self._diagnose,
            )
        except BaseException:
            self.stop_serving(grace_s=0)
            raise

    def stop_serving(self, grace_s: int = contract.STOP_GRACE_S) -> None:
        """Stop and remove container, network and files; safe to call again.

        `stop_problem` has what was wrong with the container's end.

        Args:
            grace_s: Seconds from SIGTERM to SIGKILL.
        """
        if self.container_names and grace_s:
            found = diagnosis.stopped(self.place.engine, self.container_names, grace_s)
            if found:
                told = (f"container {name}: {problem}" for name, problem in found.items())
                self.stop_problem = "; ".join(told)
        if self._compose_process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._compose_process.wait(_COMPOSE_END_S if grace_s else 0)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._compose_process.pid, signal.SIGKILL)
            self._compose_process.wait()
        self.remove()
        shutil.rmtree(self.workspace, ignore_errors=True)
        self.url = ""

    def report_stop(self) -> None:
        """Log what was wrong with its end: SIGTERM did not end it, for example."""
        if self.stop_problem:
            _log.warning("%s (its log: %s)", self.stop_problem, self.log)

    def remove(self) -> None:
        """Remove the containers and the network, and keep the files."""
        self.place.engine.remove(self.container_names, [self.network])

    def remains(self) -> list[str]:
        """Return what still exists of its containers, network and files, except the log."""
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
        self._wanted = {f"{key}={value}" for key, value in (additional_env_vars or {}).items()}
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
            # Compose would put the value of a variable of this process in place of $NAME.
            variable.replace("$", "$$")
            for variable in environment
            if variable in self._wanted or variable.split("=", 1)[0] not in _CREDENTIALS
        ]
        content: dict[str, Any] = super()._create_docker_host(host, kept, subdirs, command, volumes)
        content["labels"] = {orphans.OWNER_LABEL: orphans.owner()}
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

    def _diagnose(self) -> str:
        return diagnosis.of_container(
            self.place.engine, self.container_names[0], self.image, self.url
        )

    def _has_compose_ended(self) -> bool:
        return self._compose_process is None or self._compose_process.poll() is not None
