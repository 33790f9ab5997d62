"""The seam between an endpoint and what runs behind it; it has two fillings.

`containers.ContainerRunner` runs any image as the platform does.
`processes.ProcessRunner` runs no image at all: it serves the name of this project's image
with the code of this installation, refuses any other name, and says so.
"""

import contextlib
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

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
    """What one instance shall run.

    Attributes:
        image: Reference of the image.
        model_dir: Unpacked model data, empty where there is none; never written to.
        environment: Variables of the container, the only ones it gets.
        log_file: Receives all it writes.
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
    """One server that was started.

    Attributes:
        host: Where it answers.
        port: TCP port there.
    """

    host: str
    port: int

    def cause_of_end(self) -> str | None:
        """Say why it ended, None while it runs."""

    def stop(self, grace_s: int) -> None:
        """Send SIGTERM, SIGKILL `grace_s` seconds later, and leave nothing."""


class Runner(Protocol):
    """Starts instances.

    Attributes:
        notice: One line on what it runs.
    """

    notice: str

    def start(self, order: Order) -> Instance:
        """Start an instance; EndpointFailedError where the image cannot be run."""

    def close(self) -> None:
        """Remove what instances shared."""


def exit_meaning(code: int) -> str:
    """Say an exit code and what it means."""
    if code < 0:
        code = 128 - code
    meaning = _MEANINGS.get(code)
    if meaning is None and 128 < code < 128 + signal.NSIG:
        with contextlib.suppress(ValueError):
            meaning = f"signal {signal.Signals(code - 128).name} ended it"
    return f"exit code {code}" + (f" ({meaning})" if meaning else "")
