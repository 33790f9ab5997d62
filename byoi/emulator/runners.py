"""Runners: an instance of an endpoint in a container, or as processes of this machine.

`ContainerRunner` runs any image as the platform does. `ProcessRunner` needs no container engine
and runs no image: it serves the name of this project's image with the code of this installation,
and refuses any other name.
"""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from byoi import contract, errors
from byoi.conformance import diagnosis
from byoi.local import orphans, processes
from byoi.local.docker import Engine

# Variables that a served process inherits: those that a container has by itself.
_INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV", "COVERAGE_PROCESS_CONFIG")
# Shells and Docker agree on these; a number above 128 is 128 and the signal that ended it.
_MEANINGS = {
    1: "the program failed",
    2: "the program was called wrongly, or failed",
    126: "the program could not be executed",
    127: "the program, or a library it needs, was not found",
    137: "it was killed: by the kernel for lack of memory, or from outside",
    139: "it crashed with a segmentation fault",
    143: "it was asked to end",
}


@dataclass(frozen=True)
class Order:
    """The order for one instance.

    Attributes:
        image: Reference of the image.
        model_dir: Unpacked model data, empty if there is none; never written to.
        environment: Variables of the container.
        log_file: Receives its output.
        name: Unique on this machine.
        is_isolated: Whether it may reach no network.
    """

    image: str
    model_dir: Path
    environment: Mapping[str, str]
    log_file: Path
    name: str
    is_isolated: bool = False


class Instance(Protocol):
    """A server that was started.

    Attributes:
        host: Host of its port.
        port: TCP port.
    """

    host: str
    port: int

    def cause_of_end(self) -> str | None:
        """Return why it ended, None while it runs."""

    def diagnosis(self) -> str:
        """Return why it is not healthy, as the end of a sentence; "" where that is not seen."""

    def stop(self, grace_s: int) -> str:
        """Send SIGTERM, SIGKILL `grace_s` seconds later, and leave nothing.

        Returns:
            What was wrong with its end, "" for nothing: SIGTERM did not end it.
        """


class Runner(Protocol):
    """Starts instances.

    Attributes:
        notice: One line that says what it runs.
    """

    notice: str

    def start(self, order: Order) -> Instance:
        """Start an instance; EndpointFailedError if the image cannot be run."""

    def close(self) -> None:
        """Remove everything that instances share."""


def exit_meaning(code: int) -> str:
    """Return an exit code with its meaning."""
    if code < 0:
        code = 128 - code
    meaning = _MEANINGS.get(code)
    if meaning is None and 128 < code < 128 + signal.NSIG:
        with contextlib.suppress(ValueError):
            meaning = f"signal {signal.Signals(code - 128).name} ended it"
    return f"exit code {code}" + (f" ({meaning})" if meaning else "")


class ContainerRunner:
    """Runs any image in a container, as the platform does.

    Sources: DG your-algorithms-inference-code (`docker run IMAGE serve`, /opt/ml/model
    read-only, SIGTERM, SIGKILL 30 s later); API CreateModel, EnableNetworkIsolation.
    """

    def __init__(
        self,
        engine: Engine,
        find_login: Callable[[str], Mapping[str, str] | None] = lambda _image: None,
    ) -> None:
        """Run on an engine, which answers.

        Args:
            engine: Runs the containers.
            find_login: Reference of an image to `username` and `password` for its registry, None
                for what `docker login` has stored.
        """
        self.notice = "endpoints run their image in containers of this machine's engine"
        self._engine = engine
        self._find_login = find_login
        self._labels = {orphans.OWNER_LABEL: orphans.owner()}
        self._lock = threading.Lock()
        self._isolated_network = ""

    def start(self, order: Order) -> Instance:
        """Start a container; EndpointFailedError if the image is not available."""
        self._require_image(order.image)
        try:
            self._engine.start(
                order.image,
                "serve",
                name=order.name,
                environment=order.environment,
                labels=self._labels,
                mounts={order.model_dir: contract.MODEL_DIR},
                network=self._isolated() if order.is_isolated else None,
                published=None if order.is_isolated else contract.PORT,
            )
        except errors.EngineRefusedError as error:
            raise errors.EndpointFailedError(
                f"the image {order.image} could not be started with the argument `serve`: {error}"
                f"{diagnosis.of_refusal(self._engine, order.image)}"
            ) from error
        return _Container(self._engine, order)

    def close(self) -> None:
        """Remove the network of isolated containers."""
        if self._isolated_network:
            self._engine.remove(networks=[self._isolated_network])

    def _require_image(self, image: str) -> None:
        if self._engine.has_image(image):
            return
        cause = "it is not on this machine"
        # Nothing else is pulled: SageMaker takes images from ECR only, here the local registry.
        if image.startswith(("127.", "localhost:")):
            try:
                self._engine.pull(image, self._find_login(image))
            except errors.EngineRefusedError as error:
                cause = str(error)
            else:
                return
        raise errors.EndpointFailedError(
            f"the image {image} was not found: {cause}; push it first "
            "(./build_and_push.sh), or build it here (make image)"
        )

    def _isolated(self) -> str:
        with self._lock:
            if not self._isolated_network:
                name = f"byoi-isolated-{os.getpid()}"
                self._engine.create_isolated_network(name, self._labels)
                self._isolated_network = name
            return self._isolated_network


class _Container:
    """A container that was started."""

    def __init__(self, engine: Engine, order: Order) -> None:
        self._engine = engine
        self._name = order.name
        self._image = order.image
        self._follower = engine.follow_log(order.name, order.log_file)
        address = engine.address(order.name, contract.PORT)
        self.host, self.port = address or (processes.LOOPBACK, 0)

    def cause_of_end(self) -> str | None:
        # The log ends with the container, which costs nothing to see.
        if not self._follower.has_ended:
            return None
        state = self._engine.state(self._name)
        if state.status == "running":
            return None
        if state.is_out_of_memory:
            return "it was ended by the kernel for lack of memory"
        return f"it ended with {exit_meaning(state.exit_code)}"

    def diagnosis(self) -> str:
        url = f"http://{self.host}:{self.port}"
        return diagnosis.of_container(self._engine, self._name, self._image, url)

    def stop(self, grace_s: int) -> str:
        problems = diagnosis.stopped(self._engine, [self._name], grace_s) if grace_s else {}
        self._engine.remove([self._name])
        self._follower.close()
        return problems.get(self._name, "")


class ProcessRunner:
    """Serves this project's own image name with the code of this installation."""

    def __init__(self, reason: str, *, remember: Callable[[int], None]) -> None:
        """Serve without an engine.

        Args:
            reason: Why no engine is used.
            remember: Takes the process id of each leader of a group that is started.
        """
        self._remember = remember
        self.notice = (
            f"NO IMAGE IS RUN ({reason}): endpoints whose image is named `{processes.OWN_IMAGE}` "
            "run this installation's own `serve` as processes, any other image is refused"
        )

    def start(self, order: Order) -> Instance:
        """Start the server; EndpointFailedError for any other image than this project's."""
        if not processes.is_own_image(order.image):
            raise errors.EndpointFailedError(
                f"the image {order.image} was not run: no container engine is in use here, and "
                f"without one only this project's own image, named `{processes.OWN_IMAGE}`, can be "
                "simulated; start Docker, or choose containers"
            )
        if order.is_isolated:
            raise errors.EndpointFailedError(
                "EnableNetworkIsolation needs a container engine, and none is in use here; "
                "start Docker, or deploy without isolation"
            )
        started = _Process(order, self.notice)
        if started.pid is not None:
            self._remember(started.pid)
        return started

    def close(self) -> None:
        """Do nothing: processes share nothing."""


class _Process:
    """A stack of processes that was started."""

    def __init__(self, order: Order, notice: str) -> None:
        order.log_file.write_text(f"{notice}\n", encoding="utf-8")
        self._stack = processes.ProcessStack(
            order.model_dir,
            environ=order.environment,
            inherited={name: os.environ[name] for name in _INHERITED if name in os.environ},
            log_file=order.log_file,
        )
        self._stack.start()
        self.host, self.port = processes.LOOPBACK, self._stack.port

    @property
    def pid(self) -> int | None:
        """Process id of the supervisor, the leader of its own group."""
        return self._stack.pid

    def cause_of_end(self) -> str | None:
        status = self._stack.poll()
        return None if status is None else f"it ended with {exit_meaning(status)}"

    def diagnosis(self) -> str:
        return ""

    def stop(self, grace_s: int) -> str:
        pid, is_running = self._stack.pid, self._stack.poll() is None
        if not grace_s:
            _kill_group(pid)
        asked_s = time.monotonic()
        status = self._stack.stop(grace_s)
        if not grace_s or not is_running or status is None:
            return ""
        problem = diagnosis.of_stop(status, time.monotonic() - asked_s, grace_s)
        if problem:
            # Its children outlive a supervisor that was killed.
            _kill_group(pid)
        return problem


def _kill_group(leader: int | None) -> None:
    if leader is not None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(leader, signal.SIGKILL)
