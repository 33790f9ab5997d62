"""One instance of a production variant, from its order to its health.

Source: DG your-algorithms-inference-code (/ping must turn 200).
"""

import http.client
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from byoi import contract, errors
from byoi.emulator.endpoints.connections import Connections
from byoi.emulator.runners.runner import Instance, Order, Runner
from byoi.local import processes
from byoi.local.docker import plain_lines

_POLL_S = 0.05


@dataclass(frozen=True)
class Plan:
    """One production variant, before anything runs.

    Attributes:
        variant: Its name.
        count: Instances.
        weight: Share of the requests, relative to the other variants'.
        container: API ContainerDefinition of its model.
        is_isolated: EnableNetworkIsolation of its model.
        startup_timeout_s: Seconds for /ping to turn 200.
    """

    variant: str
    count: int
    weight: float
    container: Mapping[str, Any]
    is_isolated: bool
    startup_timeout_s: float


class Member:
    """One instance of a variant.

    Attributes:
        variant: The variant's name.
        id: As the log stream names it, `i-` and 17 hexadecimal digits.
        log_file: All it writes.
        connections: To it, once it has started.
    """

    def __init__(self, plan: Plan, folder: Path) -> None:
        """Prepare; nothing runs yet.

        Args:
            plan: Of its variant.
            folder: Receives the log file.
        """
        self.variant = plan.variant
        self.id = f"i-{secrets.token_hex(9)[:17]}"
        self.log_file = folder / f"{self.id}.log"
        self.log_file.touch()
        self.connections = Connections("", 0)
        self._plan = plan
        self._instance: Instance | None = None

    def start(self, runner_: Runner, model_dir: Path, is_stopping: threading.Event) -> None:
        """Start and wait until it is healthy.

        Args:
            runner_: Starts it.
            model_dir: Unpacked model data.
            is_stopping: Ends the wait.

        Raises:
            EndpointFailedError: The message names the cause, as a FailureReason.
        """
        order = Order(
            image=self._plan.container["Image"],
            model_dir=model_dir,
            environment=self._plan.container.get("Environment") or {},
            log_file=self.log_file,
            name=f"byoi-emulator-{self.id}",
            is_isolated=self._plan.is_isolated,
        )
        self._instance = runner_.start(order)
        self.connections = Connections(self._instance.host, self._instance.port)
        cause = self._wait(self._instance, is_stopping)
        if cause is not None:
            raise errors.EndpointFailedError(
                f"The primary container for production variant {self.variant} did not pass the "
                f"ping health check: {cause}. {self._last_words()}"
            )

    def stop(self, grace_s: int) -> None:
        """Stop and remove it; SIGKILL comes `grace_s` seconds after SIGTERM."""
        self.connections.close()
        if self._instance is not None:
            self._instance.stop(grace_s)

    def _wait(self, instance: Instance, is_stopping: threading.Event) -> str | None:
        timeout_s = self._plan.startup_timeout_s
        end_s = time.monotonic() + timeout_s
        while not is_stopping.wait(_POLL_S):
            if (cause := instance.cause_of_end()) is not None:
                return f"{cause} before /ping answered 200"
            answer = processes.ping(instance.host, instance.port)
            if answer == http.client.OK:
                return None
            if time.monotonic() > end_s:
                last = "no answer" if answer is None else f"status {answer}"
                return f"/ping did not answer 200 within {timeout_s:g} s (last: {last})"
        return "the emulator is stopping"

    def _last_words(self) -> str:
        lines = plain_lines(self.log_file.read_text(encoding="utf-8", errors="replace"))
        telling = [line for line in lines if contract.PING_PATH not in line]
        return f"Its log ends with: {telling[-1]}" if telling else "It wrote no log."
