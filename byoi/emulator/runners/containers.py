"""Endpoints in containers, run as the platform runs them.

Sources: DG your-algorithms-inference-code (`docker run IMAGE serve`, /opt/ml/model
read-only, SIGTERM, SIGKILL 30 s later); API CreateModel, EnableNetworkIsolation.
"""

import contextlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from byoi import contract, errors
from byoi.emulator.runners.runner import Instance, Order, exit_meaning
from byoi.local import docker
from byoi.local.docker import ServingEngine


class ContainerRunner:
    """Runs images with the container engine."""

    def __init__(
        self, engine: ServingEngine, docker_config: Callable[[str], Path | None] = lambda _: None
    ) -> None:
        """Run on an engine, which answers.

        Args:
            engine: Runs the containers.
            docker_config: Reference of an image to the directory with the login for its
                registry, None for the user's own.
        """
        self.notice = "endpoints run their image in containers of this machine's engine"
        self._engine = engine
        self._docker_config = docker_config
        self._labels = {docker.OWNER_LABEL: docker.owner()}
        self._isolated_network = ""

    def start(self, order: Order) -> Instance:
        """Start a container; EndpointFailedError where its image is not to be had."""
        self._require_image(order.image)
        options = [f"--name={order.name}", f"--volume={order.model_dir}:{contract.MODEL_DIR}:ro"]
        options += [f"--label={name}={value}" for name, value in self._labels.items()]
        options += [f"--env={name}={value}" for name, value in order.environment.items()]
        if order.is_isolated:
            options.append(f"--network={self._isolated()}")
        else:
            options.append(f"--publish=127.0.0.1::{contract.PORT}")
        reason = self._engine.run(order.image, "serve", options)
        if reason:
            self._engine.remove([order.name], [])
            raise errors.EndpointFailedError(
                f"the image {order.image} could not be started with the argument `serve`: {reason}"
            )
        return _Container(self._engine, order)

    def close(self) -> None:
        """Remove the network of isolated containers."""
        if self._isolated_network:
            self._engine.remove([], [self._isolated_network])

    def _require_image(self, image: str) -> None:
        if self._engine.has_image(image):
            return
        cause = "it is not on this machine"
        # Nothing else is pulled: SageMaker takes images from ECR only, here the local registry.
        if image.startswith(("127.", "localhost:")):
            cause = self._engine.pull(image, self._docker_config(image))
        if cause:
            raise errors.EndpointFailedError(
                f"the image {image} was not found: {cause}; push it first "
                "(./build_and_push.sh), or build it here (make image)"
            )

    def _isolated(self) -> str:
        if not self._isolated_network:
            name = f"byoi-isolated-{os.getpid()}"
            self._engine.create_isolated_network(name, self._labels)
            self._isolated_network = name
        return self._isolated_network


class _Container:
    """A container that was started."""

    def __init__(self, engine: ServingEngine, order: Order) -> None:
        self._engine = engine
        self._name = order.name
        self._follower = engine.follow_log(order.name, order.log_file)
        address = engine.address(order.name, contract.PORT)
        self.host, self.port = address or ("127.0.0.1", 0)

    def cause_of_end(self) -> str | None:
        # The follower ends with the container; asking the engine each time costs 30 ms.
        if self._follower.poll() is None:
            return None
        state = self._engine.state(self._name)
        if state.status == "running":
            return None
        if state.is_out_of_memory:
            return "it was ended by the kernel for lack of memory"
        return f"it ended with {exit_meaning(state.exit_code)}"

    def stop(self, grace_s: int) -> None:
        if grace_s:
            self._engine.stop([self._name], grace_s)
        self._engine.remove([self._name], [])
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._follower.wait(5)
        self._follower.kill()
        self._follower.wait()
