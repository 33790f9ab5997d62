"""The container engine of this machine: its images, containers and networks, by the Docker SDK.

The engine is the one that the docker command would use (DOCKER_HOST, DOCKER_CONTEXT, the current
context). Values of variables are passed by its API, so they never appear in a process list.
"""

import contextlib
import functools
import secrets
import threading
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from byoi import errors
from byoi.local.docker_config import DockerConfig
from byoi.local.processes import LOOPBACK
from byoi.names import ImageReference, require_variables

# Time-out of one request to the engine, which answers in milliseconds unless it hangs.
TIMEOUT_S = 60
# Maximum time between two messages of a pull: unpacking a large layer sends none.
PULL_TIMEOUT_S = 600
# Seconds to wait for the end of a log after its container was removed.
_LOG_END_S = 5


@dataclass(frozen=True)
class ContainerState:
    """The state of a container, as the engine describes it.

    Attributes:
        status: Docker's status: created, running, exited, dead ...; `absent` without a container.
        exit_code: Exit status; valid after the end.
        is_out_of_memory: Whether the kernel killed it because of its memory limit.
        error: Docker's reason for not starting it, or "".
    """

    status: str
    exit_code: int = 0
    is_out_of_memory: bool = False
    error: str = ""

    @property
    def has_ended(self) -> bool:
        """Whether it ran and has ended."""
        return self.status in {"exited", "dead"}


@dataclass(frozen=True)
class FileStatus:
    """The permissions of a file or a directory.

    Attributes:
        mode: Its permission bits.
        uid: Number of its owner.
        gid: Number of its group.
        is_directory: Whether it is a directory.
    """

    mode: int
    uid: int = 0
    gid: int = 0
    is_directory: bool = False


@dataclass(frozen=True)
class Confinement:
    """Limits of a container, in addition to those of the engine.

    Attributes:
        memory_bytes: Memory of all its processes, without swap; 0 is no limit.
        user: `UID:GID` of its processes; "" is the image's user.
        is_root_read_only: Whether only `/tmp` is writable, which is then in memory.
        has_writable_mounts: Whether the mounted directories are writable.
    """

    memory_bytes: int = 0
    user: str = ""
    is_root_read_only: bool = False
    has_writable_mounts: bool = False


FREE = Confinement()


class LogFollower:
    """Appends a container's log to a file, in a thread, until the container ends."""

    def __init__(self, stream: Any, file: Path) -> None:
        """Start the thread.

        Args:
            stream: The SDK's stream of the log.
            file: The file for the log.
        """
        self._stream = stream
        self._file = file
        # A daemon thread: it does not delay the end of the process.
        self._thread = threading.Thread(target=self._copy, name=f"log {file.name}", daemon=True)
        self._thread.start()

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will be written, usually because the container has ended."""
        return not self._thread.is_alive()

    def close(self, wait_s: float = _LOG_END_S) -> None:
        """Release the connection.

        Args:
            wait_s: Seconds to wait for the end of the log, which ends with its container.
        """
        self._thread.join(wait_s)
        if self._thread.is_alive():
            with contextlib.suppress(OSError):
                self._stream.close()
            self._thread.join(_LOG_END_S)

    def _copy(self) -> None:
        # ValueError and AttributeError: `close` closed the stream while this thread reads.
        with (
            self._file.open("ab", buffering=0) as log,
            contextlib.suppress(OSError, ValueError, AttributeError),
        ):
            for chunk in self._stream:
                log.write(chunk)
        with contextlib.suppress(OSError):
            self._stream.close()


class Engine:
    """The container engine that the variables of one environment select.

    Unless its docstring says otherwise, each method raises MissingProgramError if no engine
    answers, EngineRefusedError if it answers with an error, and HostingError if it does not answer
    in time.

    Attributes:
        environ: The environment, also for programs that should use the same engine.
    """

    def __init__(self, environ: Mapping[str, str], *, timeout_s: float = TIMEOUT_S) -> None:
        """Store the environment; nothing is sent to the engine yet.

        Args:
            environ: Variables that select an engine, see `DockerConfig`.
            timeout_s: The time-out of a request to the engine in seconds.
        """
        self.environ = dict(environ)
        self._config = DockerConfig(self.environ)
        self._timeout_s = timeout_s
        self._client: Any = None

    def require(self) -> None:
        """Check that an engine answers.

        Raises:
            MissingProgramError: No engine answers; the message has the reason and the remedy.
            HostingError: The engine does not answer in time.
        """
        with self._asked("tell its version") as client:
            client.version(api_version=False)

    @property
    def version(self) -> str:
        """The engine's name and version, such as `Docker Engine 27.1.1`."""
        with self._asked("tell its version") as client:
            content = client.version(api_version=False)
        components = content.get("Components") or ()
        # Docker's own component is `Engine`, Podman's `Podman Engine`.
        name = "Docker Engine" if components else "Engine"
        if components and components[0].get("Name") != "Engine":
            name = str(components[0].get("Name"))
        return f"{name} {content.get('Version')}"

    @functools.cached_property
    def host(self) -> str | None:
        """The host of published ports, None for this machine's loopback address.

        Source of both cases: sagemaker 2.257, local/utils.py `get_docker_host`.
        """
        with self._asked("describe itself") as client:
            if client.info().get("CgroupDriver") == "none":
                return "172.17.0.1"  # rootless, as on SageMaker Studio
        address = urllib.parse.urlsplit(self._config.find_engine().url)
        return address.hostname if address.scheme == "tcp" else None

    def has_image(self, image: str) -> bool:
        """Whether the image is on this machine; False if no engine answers."""
        return bool(self.image_id(image))

    def image_id(self, image: str) -> str:
        """Return the id of an image on this machine, "" if the image or the engine is absent."""
        try:
            with self._asked(f"inspect the image {image}") as client:
                return str(client.inspect_image(image)["Id"])
        except (errors.MissingProgramError, errors.EngineRefusedError):
            return ""

    def describe_image(self, image: str) -> dict[str, Any]:
        """Return the description of an image, as `docker inspect` shows it.

        Raises:
            EngineRefusedError: The image is not on this machine.
        """
        with self._asked(f"inspect the image {image}") as client:
            return dict(client.inspect_image(image))

    def pull(self, image: str, auth: Mapping[str, str] | None = None) -> None:
        """Pull an image.

        Args:
            image: Its reference; without tag and digest, `latest` is pulled.
            auth: `username` and `password` for its registry; by default the login that
                `docker login` has stored.

        Raises:
            EngineRefusedError: The registry does not have the image, or refuses the login.
        """
        reference = ImageReference.parse(image)
        login = dict(auth) if auth else self._sdk.stored_login(self._config, reference.registry)
        with self._asked(f"pull {image}", PULL_TIMEOUT_S) as client:
            for message in client.pull(
                reference.address,
                reference.version,
                stream=True,
                decode=True,
                auth_config=login,
            ):
                if "error" in message:
                    raise errors.EngineRefusedError(str(message["error"]))

    def log_out(self, registry: str) -> None:
        """Remove the stored login for a registry; see `DockerConfig.log_out`."""
        self._config.log_out(registry)

    def start(  # noqa: PLR0913 - keywords with a default
        self,
        image: str,
        command: str,
        *,
        name: str,
        environment: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
        mounts: Mapping[Path, Path] | None = None,
        network: str | None = None,
        published: int | None = None,
        confinement: Confinement = FREE,
    ) -> None:
        """Start a container; if that fails, remove it.

        Args:
            image: An image of this machine; nothing is pulled.
            command: The only argument of its entry point.
            name: Name of the container.
            environment: Its variables.
            labels: Its labels.
            mounts: Directories of this machine and their paths inside; read-only unless
                `confinement` allows writing.
            network: Its network instead of the default one.
            published: TCP port of the container to publish on a free port of the loopback address,
                or of all addresses if the engine runs on another machine.
            confinement: Limits of the container.

        Raises:
            EngineRefusedError: The container did not start; the message is the engine's reason.
        """
        require_variables(environment or {})
        bindings = {}
        if published is not None:
            bindings[f"{published}/tcp"] = (LOOPBACK,) if self._is_here() else None
        sdk = self._sdk
        with self._asked(f"start the image {image}") as client:
            container = client.create_container(
                image,
                [command],
                name=name,
                # As on the platform, the image's STOPSIGNAL and HEALTHCHECK are ignored.
                stop_signal="SIGTERM",
                healthcheck={"test": ["NONE"]},
                user=confinement.user or None,
                environment=self._with_proxies(environment or {}),
                labels=dict(labels or {}),
                ports=[(published, "tcp")] if published else None,
                host_config=client.create_host_config(
                    mounts=[
                        sdk.bind_mount(
                            outside, inside, is_read_only=not confinement.has_writable_mounts
                        )
                        for outside, inside in (mounts or {}).items()
                    ],
                    port_bindings=bindings,
                    network_mode=network,
                    mem_limit=confinement.memory_bytes or None,
                    memswap_limit=confinement.memory_bytes or None,
                    read_only=confinement.is_root_read_only,
                    tmpfs={"/tmp": ""} if confinement.is_root_read_only else None,  # noqa: S108
                ),
                use_config_proxy=False,
            )["Id"]
            try:
                client.start(container)
            except BaseException:
                client.remove_container(container, v=True, force=True)
                raise

    def address(self, container: str, port: int) -> tuple[str, int] | None:
        """Return the host and port by which this machine reaches a container's port.

        The published port, else the container's own address in its network. None after its end.
        """
        settings = self._inspected(container).get("NetworkSettings") or {}
        for published in (settings.get("Ports") or {}).get(f"{port}/tcp") or ():
            return self.host or published["HostIp"], int(published["HostPort"])
        for network in (settings.get("Networks") or {}).values():
            if network["IPAddress"]:
                return network["IPAddress"], port
        return None

    def state(self, container: str) -> ContainerState:
        """Return the state of a container."""
        state = self._inspected(container).get("State")
        if state is None:
            return ContainerState("absent")
        return ContainerState(
            state["Status"], state["ExitCode"], state["OOMKilled"], state.get("Error", "")
        )

    def container_id(self, container: str) -> str:
        """Return the id of a container, "absent" without one."""
        return str(self._inspected(container).get("Id") or "absent")

    def process_id(self, container: str) -> int:
        """Return the id of a container's first process on the engine's machine; 0 after its end."""
        return int((self._inspected(container).get("State") or {}).get("Pid") or 0)

    def changes(self, container: str) -> list[str]:
        """Return the paths that a container created, changed or deleted outside of its mounts."""
        with self._asked("list what a container changed") as client:
            return [str(change["Path"]) for change in client.diff(container) or ()]

    def run_in(self, container: str, command: list[str]) -> tuple[int, str]:
        """Run a program inside a container; return its exit status and output.

        Raises:
            EngineRefusedError: The container does not run.
        """
        with self._asked("run a program in a container") as client:
            started = client.exec_create(container, command)["Id"]
            output = client.exec_start(started).decode("utf-8", "replace")
            return int(client.exec_inspect(started)["ExitCode"] or 0), output

    def read_file(self, container: str, path: str, limit_bytes: int = 1 << 20) -> bytes | None:
        """Return the beginning of a file of a container, running or not.

        Args:
            container: Name of the container.
            path: Absolute path; links are followed inside the container.
            limit_bytes: Maximum size; more is cut off.

        Returns:
            The content; None if the file does not exist.
        """
        with self._absences(), self._asked("read a file of a container") as client:
            chunks, described = client.get_archive(container, path)
            if described["linkTarget"]:
                chunks.close()
                return self.read_file(container, described["linkTarget"], limit_bytes)
            content: bytes | None = self._sdk.first_file(chunks, limit_bytes)
            return content
        return None

    def read_image_file(self, image: str, path: str, limit_bytes: int = 1 << 20) -> bytes | None:
        """Return the beginning of a file of an image, None if it does not exist (not run)."""
        with self._opened_image(image) as container:
            return self.read_file(container, path, limit_bytes)

    def image_file_status(self, image: str, path: str) -> FileStatus | None:
        """Return the permissions of a file of an image, None if it does not exist (not run)."""
        with self._opened_image(image) as container:
            return self._file_status(container, path)

    def _file_status(self, container: str, path: str) -> FileStatus | None:
        with self._absences(), self._asked("look into an image") as client:
            chunks, described = client.get_archive(container, path)
            with contextlib.closing(chunks):
                if not described["linkTarget"]:
                    found = self._sdk.first_status(chunks)
                    return FileStatus(*found) if found else None
            return self._file_status(container, described["linkTarget"])
        return None

    def command_lines(self, container: str) -> list[str]:
        """Return the command lines of a container's processes, empty after its end."""
        with self._absences(), self._asked("list the processes of a container") as client:
            rows = client.top(container, "-eo pid,args").get("Processes") or ()
            return [str(row[-1]) for row in rows]
        return []

    def has_image_files(self, image: str, folder: str, limit_bytes: int = 1 << 20) -> bool:
        """Whether an image has files in a folder or below; does not run it."""
        with (
            self._opened_image(image) as container,
            self._absences(),
            self._asked("look into an image") as client,
        ):
            chunks, _ = client.get_archive(container, folder)
            return bool(self._sdk.has_file(chunks, limit_bytes))
        return False

    def existing(self, containers: Iterable[str]) -> list[str]:
        """Return the names for which a container exists, running or not."""
        return [name for name in containers if self._inspected(name)]

    def log(self, container: str, lines: int) -> str:
        """Return the end of a container's log, "" without a container."""
        with self._absences(), self._asked("read a log") as client:
            return str(client.logs(container, tail=lines).decode("utf-8", "replace"))
        return ""

    def follow_log(self, container: str, file: Path) -> LogFollower:
        """Start to append a container's log to a file."""
        with self._asked("follow a log") as client:
            return LogFollower(client.logs(container, stream=True, follow=True), file)

    def find_labels(self, name: str) -> dict[str, str]:
        """Return the label `name` of all containers that have it, by container id."""
        with self._asked("list containers") as client:
            found = client.containers(all=True, filters={"label": name})
        return {container["Id"]: container["Labels"][name] for container in found}

    def holder_of_port(self, port: int) -> str | None:
        """Return the name of the container that publishes a port, None if no container does."""
        with self._asked("list containers") as client:
            for container in client.containers(filters={"publish": str(port)}):
                return str(container["Names"][0]).removeprefix("/")
        return None

    def networks_of(self, containers: Iterable[str]) -> set[str]:
        """Return the names of the networks of the containers."""
        settings = [self._inspected(name).get("NetworkSettings") or {} for name in containers]
        return {network for one in settings for network in one.get("Networks") or {}}

    def stop(self, containers: Iterable[str], grace_s: int) -> None:
        """Send SIGTERM, and SIGKILL if a container has not ended `grace_s` seconds later.

        Containers that do not exist are skipped.
        """

        def stop(container: str) -> None:
            with self._absences(), self._asked("stop a container", more_s=grace_s) as client:
                client.stop(container, timeout=grace_s)

        self._for_each(stop, containers)

    def remove(self, containers: Iterable[str] = (), networks: Iterable[str] = ()) -> None:
        """Remove containers, running or not, with their volumes, and then networks.

        Continues after a failure and does not report it: what is already gone is not an error, and
        what cannot be removed keeps the label of its owner.
        """

        def remove(container: str) -> None:
            with self._absences(), self._asked("remove a container") as client:
                client.remove_container(container, v=True, force=True)

        self._for_each(remove, containers)
        for network in networks:
            with self._absences(), self._asked("remove a network") as client:
                client.remove_network(network)

    def unlock(self, directory: Path, image: str) -> None:
        """Let this user delete files that a container wrote as root to a mounted directory.

        Args:
            directory: The directory.
            image: Any image of this machine that has `chmod`.
        """
        inside = Path("/unlock")
        with self._asked("change permissions") as client:
            container = client.create_container(
                image,
                ["-R", "a+rwX", str(inside)],
                entrypoint="chmod",
                name=f"byoi-unlock-{secrets.token_hex(4)}",
                host_config=client.create_host_config(
                    mounts=[self._sdk.bind_mount(directory, inside, is_read_only=False)],
                    network_mode="none",
                ),
                use_config_proxy=False,
            )["Id"]
            try:
                client.start(container)
                client.wait(container)
            finally:
                client.remove_container(container, v=True, force=True)

    def create_isolated_network(self, network: str, labels: Mapping[str, str]) -> None:
        """Create a network whose containers cannot reach anything outside of it."""
        with self._asked("create a network") as client:
            client.create_network(network, internal=True, labels=dict(labels))

    def has_network(self, network: str) -> bool:
        """Whether a network of this name exists."""
        with self._absences(), self._asked("inspect a network") as client:
            return bool(client.inspect_network(network))
        return False

    def find_networks(self, name: str) -> dict[str, str]:
        """Return the label `name` of all networks that have it, by name of the network."""
        with self._asked("list networks") as client:
            found = client.networks(filters={"label": name})
        return {network["Name"]: network["Labels"][name] for network in found}

    @contextlib.contextmanager
    def _opened_image(self, image: str) -> Iterator[str]:
        """Yield a container of an image, without starting it."""
        with self._asked("look into an image") as client:
            container = client.create_container(image, ["none"], use_config_proxy=False)["Id"]
        try:
            yield container
        finally:
            self.remove([container])

    @functools.cached_property
    def _sdk(self) -> ModuleType:
        try:
            from byoi.local import _docker_sdk  # noqa: PLC0415 - loads the SDK, 0.3 s
        except ModuleNotFoundError as error:
            raise errors.MissingProgramError(
                f"the Python package {error.name} is needed to use the Docker engine; install it "
                "from this checkout: pip install '.[aws]'"
            ) from error
        return _docker_sdk

    @contextlib.contextmanager
    def _asked(
        self, question: str, timeout_s: float | None = None, *, more_s: float = 0
    ) -> Iterator[Any]:
        """Yield the SDK's client for one request, and translate its errors."""
        address = self._config.find_engine()
        waited_s = (timeout_s or self._timeout_s) + more_s
        with self._sdk.translated(address.url, question, waited_s):
            if timeout_s:
                with contextlib.closing(self._sdk.connect(address, timeout_s)) as client:
                    yield client
                return
            if self._client is None:
                self._client = self._sdk.connect(address, self._timeout_s)
            yield self._client

    @contextlib.contextmanager
    def _absences(self) -> Iterator[None]:
        """Ignore errors of the engine, and a missing engine."""
        with contextlib.suppress(errors.MissingProgramError, errors.EngineRefusedError):
            yield

    def _inspected(self, container: str) -> dict[str, Any]:
        """Return the engine's description of a container, empty if it does not exist."""
        try:
            with self._asked("inspect a container") as client:
                return dict(client.inspect_container(container))
        except errors.EngineRefusedError as error:
            if error.is_absent:
                return {}
            raise

    def _is_here(self) -> bool:
        return self.host in {None, LOOPBACK, "localhost", "::1"}

    def _with_proxies(self, environment: Mapping[str, str]) -> dict[str, str]:
        proxies = self._config.proxies(self._config.find_engine().url)
        return {**self._sdk.proxy_variables(proxies), **environment}

    def _for_each(self, act: Any, containers: Iterable[str]) -> None:
        names = list(containers)
        if len(names) > 1:
            with ThreadPoolExecutor(len(names)) as pool:
                list(pool.map(act, names))
        elif names:
            act(names[0])
