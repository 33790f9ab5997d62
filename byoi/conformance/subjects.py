"""The subjects of a check: an image, a URL, or a project's folder, served by processes.

An image is run as the platform runs it: argument `serve`, read-only model, isolated network, no
credentials, only the variables of the check, memory of the instance.

Sources: DG your-algorithms-inference-code (how the container is run, /opt/ml/model read-only);
DG mkt-algo-model-internet-free (no calls in or out but the platform's).
"""

import contextlib
import os
import secrets
import socket
import tempfile
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from byoi import contract, errors, model_data
from byoi.conformance import causes
from byoi.conformance.container import ContainerSight
from byoi.conformance.proc import Process
from byoi.conformance.server import Listener, Server, Unseen
from byoi.conformance.verdict import Broken, NotTested
from byoi.local import orphans, processes
from byoi.local.docker import FREE, Confinement, Engine, FileStatus

# Longer than most models need; with `--full` it is the platform's limit of 8 minutes.
START_TIMEOUT_S = 150.0
_LISTENS_NOWHERE = (processes.LOOPBACK, 0)
_FOR_ALL = 0o755
# Seconds to connect to a URL.
_CONNECT_S = 5.0


@dataclass(frozen=True)
class Conditions:
    """How a server is started.

    Attributes:
        environment: All of its variables.
        argument: `serve` or `train`.
        port: The port on which it should listen.
        has_model: Whether it has model data.
        model_dir: Path of the model data inside.
        confinement: Limits of a container; processes have none.
        mounts: For a training job, directories of this machine and their paths inside, instead of
            the model's. None mounts the model.
    """

    environment: Mapping[str, str] = field(default_factory=dict)
    argument: str = "serve"
    port: int = contract.PORT
    has_model: bool = True
    model_dir: Path = contract.MODEL_DIR
    confinement: Confinement = FREE
    mounts: Mapping[Path, Path] | None = None


class Subject(Protocol):
    """What is checked.

    Attributes:
        name: The user's name for it.
        start_limit_s: Seconds to wait until its server is healthy.
        model: The model's directory on this machine; None for a model in the image, or of a
            running server.
    """

    name: str
    start_limit_s: float
    model: Path | None

    def launched(self, conditions: Conditions) -> contextlib.AbstractContextManager[Server]:
        """Start a server and end it afterwards; does not wait until it is healthy.

        Raises:
            NotTested: The subject cannot be started under these conditions.
            Broken: The engine could not start it; the text has the cause.
        """
        ...

    def explain_end(self, server: Server) -> Broken:
        """Return why a server of this subject ended by itself."""
        ...

    def described(self) -> Mapping[str, Any]:
        """Return the description of the image, as `docker inspect` shows it; it is not run.

        Raises:
            NotTested: The subject is not an image.
        """
        ...

    def read_file(self, path: str) -> bytes | None:
        """Return the beginning of a file of the image, None if it does not exist; it is not run.

        Raises:
            NotTested: The subject is not an image.
        """
        ...

    def has_files(self, folder: str) -> bool:
        """Whether the image has files in a folder or below; it is not run.

        Raises:
            NotTested: The subject is not an image.
        """
        ...


class ImageSubject:
    """An image of this machine, run by the container engine."""

    def __init__(self, engine: Engine, image: str, model: Path | None) -> None:
        """Store the arguments; nothing is run yet.

        Args:
            engine: The engine that has the image; nothing is pulled.
            image: Name of the image.
            model: The model's directory on this machine; None for a model in the image.
        """
        self.name = image
        self.start_limit_s = START_TIMEOUT_S
        self.model = model
        self._engine = engine

    @contextlib.contextmanager
    def launched(self, conditions: Conditions) -> Iterator[Server]:
        """Start a container and remove it afterwards."""
        name = f"byoi-check-{secrets.token_hex(4)}"
        labels = {orphans.OWNER_LABEL: orphans.owner()}
        with tempfile.TemporaryDirectory(prefix="byoi-check-") as empty:
            # As on the platform, any user of the image can read the folder.
            Path(empty).chmod(_FOR_ALL)
            model = self.model if conditions.has_model else None
            # The folder exists on the platform even without model data.
            if model is None and not (conditions.has_model and self._is_model_inside):
                model = Path(empty)
            mounts = {model: conditions.model_dir} if model else {}
            if conditions.mounts is not None:
                mounts = dict(conditions.mounts)
            try:
                self._engine.create_isolated_network(name, labels)
                try:
                    self._engine.start(
                        self.name,
                        conditions.argument,
                        name=name,
                        environment=conditions.environment,
                        labels=labels,
                        mounts=mounts,
                        network=name,
                        confinement=conditions.confinement,
                    )
                except errors.EngineRefusedError as refused:
                    cause = causes.of_refusal(
                        str(refused), self.described(), self.read_file, self._read_status
                    )
                    raise cause from refused
                host, port = self._engine.address(name, conditions.port) or _LISTENS_NOWHERE
                yield Server(host, port, ContainerSight(self._engine, name))
            finally:
                self._engine.remove([name], [name])
                if conditions.confinement.has_writable_mounts:
                    self._unlock(mounts)

    def explain_end(self, server: Server) -> Broken:
        """Return why a container ended by itself."""
        code, log = server.sight.exit_code() or 0, server.sight.log()
        known = causes.known_of_end(
            code,
            log,
            is_out_of_memory=server.sight.is_out_of_memory(),
            described=self.described(),
            read_file=self.read_file,
            read_status=self._read_status,
        )
        return known or causes.of_end(code, log)

    @property
    def _is_model_inside(self) -> bool:
        """Whether the image has a model in a folder that a mount would hide."""
        return self.has_files(str(contract.MODEL_DIR))

    def read_file(self, path: str) -> bytes | None:
        """Return the beginning of a file of the image, None if it does not exist."""
        return self._engine.read_image_file(self.name, path)

    def _read_status(self, path: str) -> FileStatus | None:
        return self._engine.image_file_status(self.name, path)

    def has_files(self, folder: str) -> bool:
        """Whether the image has files in a folder."""
        return self._engine.has_image_files(self.name, folder)

    def described(self) -> Mapping[str, Any]:
        """Return the engine's description of the image."""
        return self._engine.describe_image(self.name)

    def _unlock(self, mounts: Iterable[Path]) -> None:
        """Let this user read and delete files that a container wrote as root."""
        if os.geteuid():
            for folder in mounts:
                # Fails for an image without `chmod`: the files then stay in a temporary directory.
                with contextlib.suppress(errors.EngineRefusedError):
                    self._engine.unlock(folder, self.name)


class UrlSubject:
    """A running server on any machine."""

    def __init__(self, url: str) -> None:
        """Check and store the URL.

        Raises:
            ConfigurationError: The URL is not `http://host[:port]`.
        """
        parts = urllib.parse.urlsplit(url)
        if parts.scheme != "http" or not parts.hostname or parts.path not in {"", "/"}:
            raise errors.ConfigurationError(
                f"expected http://HOST:PORT, as /ping and /invocations are below it, received {url}"
            )
        self.name = url
        # Short, because the server runs already.
        self.start_limit_s = 5.0
        self.model: Path | None = None
        self._host, self._port = parts.hostname, parts.port or 80

    @contextlib.contextmanager
    def launched(self, conditions: Conditions) -> Iterator[Server]:
        """Yield the running server; other conditions raise NotTested."""
        if conditions != Conditions():
            raise NotTested("give an image instead of a URL: this rule needs a start of its own")
        yield Server(self._host, self._port, Unseen())

    def require(self) -> None:
        """Check that the server can be reached.

        Raises:
            ConfigurationError: Nothing listens there.
        """
        try:
            socket.create_connection((self._host, self._port), _CONNECT_S).close()
        except OSError as error:
            raise errors.ConfigurationError(
                f"nothing answers at {self.name}: {error.strerror or error}; start the server, "
                "then check it"
            ) from error

    def explain_end(self, server: Server) -> Broken:
        """Return the problem that nothing answers; the cause cannot be seen."""
        return Broken(f"nothing answers at {server.url}", "start the server, then check it")

    def described(self) -> Mapping[str, Any]:
        """Raise: it is not an image."""
        raise NotTested("give an image instead of a URL")

    def read_file(self, path: str) -> bytes | None:  # noqa: ARG002 - a Subject's
        """Raise: it is not an image."""
        raise NotTested("give an image instead of a URL")

    def has_files(self, folder: str) -> bool:  # noqa: ARG002 - a Subject's
        """Raise: it is not an image."""
        raise NotTested("give an image instead of a URL")


class ProcessSight(Unseen):
    """Processes of this machine."""

    sees_start = True

    def __init__(self, stack: processes.ProcessStack) -> None:
        """Store the processes."""
        self._stack = stack
        self._status: int | None = None

    def log(self) -> str:
        """Return their whole log."""
        return self._stack.log

    def listeners(self) -> list[Listener]:
        """Raise: the processes share this machine's network."""
        raise NotTested("give an image instead of a folder")

    def changes(self) -> list[str]:
        """Raise: the processes share this machine's files."""
        raise NotTested("give an image instead of a folder")

    def children(self) -> list[Process]:
        """Raise: not possible with processes of this machine."""
        raise NotTested("give an image instead of a folder")

    def is_out_of_memory(self) -> bool:
        """Return False: the processes have no limit of their own."""
        return False

    def terminate(self, grace_s: int) -> None:  # noqa: ARG002 - the stack has the platform's
        """Stop them as the platform does."""
        self._status = self._stack.stop()

    def exit_code(self) -> int | None:
        """Return the exit status of the first process, None while it runs."""
        return self._stack.poll() if self._status is None else self._status


class ProjectSubject:
    """The folder of a user's own model, served by processes of this machine."""

    def __init__(
        self, folder: Path, model_dir: Path | None, environment: Mapping[str, str]
    ) -> None:
        """Store the arguments; nothing is run yet.

        Args:
            folder: The folder, as the user wrote it.
            model_dir: The argument of `model_fn`; None for an empty directory.
            environment: Variables with which the server finds the project's module.
        """
        self.name = str(folder)
        self.start_limit_s = START_TIMEOUT_S
        self.model: Path | None = model_dir
        self._environment = dict(environment)

    @contextlib.contextmanager
    def launched(self, conditions: Conditions) -> Iterator[Server]:
        """Start the processes and stop them afterwards."""
        is_plain = conditions.confinement == FREE and conditions.mounts is None
        is_plain = is_plain and conditions.model_dir == contract.MODEL_DIR
        if conditions.argument != "serve" or not is_plain:
            raise NotTested("give an image instead of a folder")
        with tempfile.TemporaryDirectory(prefix="byoi-check-") as folder:
            empty = Path(folder) / "model"
            empty.mkdir()
            stack = processes.ProcessStack(
                self.model if self.model and conditions.has_model else empty,
                port=conditions.port if conditions.port != contract.PORT else 0,
                environ={**self._environment, **conditions.environment},
                log_file=Path(folder) / "server.log",
            )
            stack.start()
            try:
                yield Server(processes.LOOPBACK, stack.port, ProcessSight(stack))
            finally:
                stack.stop()

    def explain_end(self, server: Server) -> Broken:
        """Return why the processes ended by themselves."""
        log = server.sight.log()
        return causes.problem_in_log(log) or causes.of_end(server.sight.exit_code() or 0, log)

    def described(self) -> Mapping[str, Any]:
        """Raise: it is not an image."""
        raise NotTested("give an image instead of a folder")

    def read_file(self, path: str) -> bytes | None:  # noqa: ARG002 - a Subject's
        """Raise: it is not an image."""
        raise NotTested("give an image instead of a folder")

    def has_files(self, folder: str) -> bool:  # noqa: ARG002 - a Subject's
        """Raise: it is not an image."""
        raise NotTested("give an image instead of a folder")


@contextlib.contextmanager
def unpacked(archive: Path | None) -> Iterator[Path | None]:
    """Yield the directory of the model data: an unpacked model.tar.gz, or a given directory.

    Raises:
        ModelDataError: The archive cannot be unpacked.
    """
    if archive is None or archive.is_dir():
        yield archive and archive.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="byoi-check-") as folder:
        Path(folder).chmod(_FOR_ALL)
        model_data.unpack(archive, Path(folder))
        yield Path(folder)
