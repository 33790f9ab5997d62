"""An instance of a production variant: started, watched until healthy, and connected to.

Source: DG your-algorithms-inference-code (/ping must answer 200).
"""

import http.client
import secrets
import select
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from byoi import errors
from byoi.emulator import runners
from byoi.local import health

_POLL_S = 0.05
# Shorter than any server waits for the next request, so that none is sent to a closing one.
_IDLE_S = 1.0


@dataclass(frozen=True)
class VariantConfig:
    """A production variant as its endpoint configuration and model describe it.

    Attributes:
        name: Name of the variant.
        count: Number of instances.
        weight: Share of the requests, relative to the other variants'.
        container: API ContainerDefinition of the model.
        is_isolated: EnableNetworkIsolation of the model.
        startup_timeout_s: Seconds until /ping must have answered 200.
        download_timeout_s: Seconds until the model data must be there; None is no limit.
    """

    name: str
    count: int
    weight: float
    container: Mapping[str, Any]
    is_isolated: bool
    startup_timeout_s: float
    download_timeout_s: float | None = None


class Instance:
    """An instance of a variant.

    Attributes:
        variant: Name of the variant.
        id: As the log stream names it: `i-` and 17 hexadecimal digits.
        log_file: The container's output.
        connections: Connections to the instance, once it has started.
    """

    def __init__(self, config: VariantConfig, folder: Path) -> None:
        """Prepare an instance without starting it.

        Args:
            config: Its variant.
            folder: Receives the log file.
        """
        self.variant = config.name
        self.id = f"i-{secrets.token_hex(9)[:17]}"
        self.log_file = folder / f"{self.id}.log"
        self.log_file.touch()
        self.connections = ConnectionPool("", 0)
        self._config = config
        self._server: runners.Instance | None = None

    def start(self, runner: runners.Runner, model_dir: Path, is_cancelled: threading.Event) -> None:
        """Start the instance and wait until it is healthy.

        Args:
            runner: Starts the container.
            model_dir: Unpacked model data.
            is_cancelled: Ends the wait.

        Raises:
            EndpointFailedError: The message names the cause, as a FailureReason.
        """
        order = runners.Order(
            image=self._config.container["Image"],
            model_dir=model_dir,
            environment=self._config.container.get("Environment") or {},
            log_file=self.log_file,
            name=f"byoi-emulator-{self.id}",
            is_isolated=self._config.is_isolated,
        )
        self._server = runner.start(order)
        self.connections = ConnectionPool(self._server.host, self._server.port)
        cause = self._wait_until_healthy(self._server, is_cancelled)
        if cause is not None:
            raise errors.EndpointFailedError(
                f"The primary container for production variant {self.variant} did not pass the "
                f"ping health check: it {cause}{self._server.diagnosis()}. "
                f"{self._last_log_line()}"
            )

    def stop(self, grace_s: int) -> str:
        """Stop and remove the instance; SIGKILL follows SIGTERM after `grace_s` seconds.

        Returns:
            What was wrong with its end, "" for nothing; it is the last line of its log, too.
        """
        self.connections.close()
        problem = self._server.stop(grace_s) if self._server is not None else ""
        if problem:
            with self.log_file.open("a", encoding="utf-8") as log:
                log.write(f"byoi emulator: {problem}\n")
        return problem

    def _wait_until_healthy(
        self, server: runners.Instance, is_cancelled: threading.Event
    ) -> str | None:
        """Return why the instance is not healthy, None once it is."""

        def cause_of_end() -> str | None:
            if is_cancelled.is_set():
                return "was not waited for: the emulator is stopping"
            cause = server.cause_of_end()
            if cause is None:
                return None
            return f"{cause.removeprefix('it ')} before /ping answered 200"

        return health.wait_until_healthy(
            f"http://{server.host}:{server.port}",
            cause_of_end=cause_of_end,
            timeout_s=self._config.startup_timeout_s,
            pause=is_cancelled.wait,
            poll_s=_POLL_S,
        )

    def _last_log_line(self) -> str:
        lines = health.tail(self.log_file.read_text(encoding="utf-8", errors="replace"), 1)
        return f"Its log ends with: {lines[0]}" if lines else "It wrote no log."


class ConnectionPool:
    """Idle connections to one server, kept for requests that follow soon."""

    def __init__(self, host: str, port: int) -> None:
        """Make an empty pool.

        Args:
            host: Where the server answers.
            port: TCP port there.
        """
        self._address = (host, port)
        self._lock = threading.Lock()
        self._idle: list[tuple[float, http.client.HTTPConnection]] = []
        self._is_closed = False

    def take(self, timeout_s: float) -> http.client.HTTPConnection:
        """Return an idle connection, or a new one.

        Args:
            timeout_s: Seconds for each step on a new connection.
        """
        with self._lock:
            kept, self._idle = self._idle, []
            for since_s, connection in kept:
                if time.monotonic() - since_s < _IDLE_S and not _has_ended(connection):
                    self._idle.append((since_s, connection))
                else:
                    connection.close()
            if self._idle:
                return self._idle.pop()[1]
        return http.client.HTTPConnection(*self._address, timeout=timeout_s)

    def give_back(self, connection: http.client.HTTPConnection) -> None:
        """Keep a connection whose response was read to the end, unless the server closed it."""
        with self._lock:
            if connection.sock is not None and not self._is_closed:
                self._idle.append((time.monotonic(), connection))
                return
        connection.close()

    def close(self) -> None:
        """Close the idle connections and keep no more."""
        with self._lock:
            self._is_closed = True
            kept, self._idle = self._idle, []
        for _, connection in kept:
            connection.close()


def _has_ended(connection: http.client.HTTPConnection) -> bool:
    # Nothing was requested, so a readable connection was closed by the server.
    return bool(select.select([connection.sock], [], [], 0)[0])
