"""What endpoints ask the engine beside the rest: to pull, to follow, to cut off."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from byoi_lib import errors
from byoi_lib.engine import Engine, last_line

# Gigabytes, from a registry on this machine.
PULL_TIMEOUT_S = 600


class ServingEngine(Engine):
    """An engine whose containers serve until they are stopped."""

    def pull(self, image: str) -> str:
        """Pull an image; return "" or the reason why that failed."""
        done = self._docker("pull", "--quiet", image, more_s=PULL_TIMEOUT_S)
        return "" if done.returncode == 0 else last_line(done.stderr)

    def follow_log(self, container: str, file: Path) -> subprocess.Popen[bytes]:
        """Start to append all the container writes to a file; ends when the container does."""
        with file.open("ab") as log:
            return subprocess.Popen(
                ["docker", "logs", "--follow", container],
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def create_isolated_network(self, network: str, labels: Mapping[str, str]) -> None:
        """Create a network whose containers reach nothing outside of it."""
        marks = [f"--label={name}={value}" for name, value in labels.items()]
        done = self._docker("network", "create", "--internal", *marks, network)
        if done.returncode != 0:
            raise errors.HostingError(
                f"no network without a way out could be made: {last_line(done.stderr)}"
            )
