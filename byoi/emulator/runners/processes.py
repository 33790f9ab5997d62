"""Endpoints without a container engine: this project's own server as processes."""

import contextlib
import os
import signal
from collections.abc import Callable

from byoi import contract, errors
from byoi.emulator.runners.runner import Instance, Order, exit_meaning
from byoi.local.processes import ProcessStack

# The repository of this project's image, whatever the registry and tag around it.
OWN_IMAGE = "byoi"
# What a served process may inherit: what a container has by itself.
_INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV", "COVERAGE_PROCESS_CONFIG")


class ProcessRunner:
    """Serves this project's own image name with the code of this installation."""

    def __init__(self, reason: str, *, remember: Callable[[int], None]) -> None:
        """Serve without an engine.

        Args:
            reason: Why there is none.
            remember: Takes the process id of each leader of a group that is started.
        """
        self._remember = remember
        self.notice = (
            f"NO IMAGE IS RUN ({reason}): endpoints whose image is named `{OWN_IMAGE}` run this "
            "installation's own `serve` as processes, any other image is refused"
        )

    def start(self, order: Order) -> Instance:
        """Start the server; EndpointFailedError for any other image than this project's."""
        if own_name(order.image) != OWN_IMAGE:
            raise errors.EndpointFailedError(
                f"the image {order.image} was not run: no container engine is in use here, and "
                f"without one only this project's own image, named `{OWN_IMAGE}`, has a stand-in; "
                "start Docker, or choose containers"
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
        inside, outside = f"{contract.MODEL_DIR}/", f"{order.model_dir}/"
        self._stack = ProcessStack(
            order.model_dir,
            environ={
                name: value.replace(inside, outside, 1) if value.startswith(inside) else value
                for name, value in order.environment.items()
            },
            inherited={name: os.environ[name] for name in _INHERITED if name in os.environ},
            log_file=order.log_file,
        )
        self._stack.start()
        self.host, self.port = "127.0.0.1", self._stack.port

    @property
    def pid(self) -> int | None:
        """Process id of the supervisor, the leader of its own group."""
        return self._stack.pid

    def cause_of_end(self) -> str | None:
        status = self._stack.poll()
        return None if status is None else f"it ended with {exit_meaning(status)}"

    def stop(self, grace_s: int) -> None:
        pid = self._stack.pid
        if not grace_s and pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        self._stack.stop()


def own_name(image: str) -> str:
    """Return an image's repository name without registry, tag and digest."""
    return image.rpartition("/")[2].partition("@")[0].partition(":")[0]
