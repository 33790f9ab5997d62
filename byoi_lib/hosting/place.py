"""Where the containers of one local-mode session run."""

from dataclasses import dataclass
from pathlib import Path

from byoi_lib.hosting.compose_engine import ComposeEngine


@dataclass(frozen=True)
class Place:
    """Where containers of one session run and leave their traces.

    Attributes:
        engine: Runs docker and compose.
        directory: Of this session; everything written is under it.
        startup_timeout_s: Seconds for /ping to turn 200.
    """

    engine: ComposeEngine
    directory: Path
    startup_timeout_s: float
