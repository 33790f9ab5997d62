"""The engine's commands for containers that serve: started in the background, and followed."""

import json
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from byoi_lib import errors
from byoi_lib.engine import Engine, last_line, plain_lines

# Gigabytes, from a registry on this machine.
PULL_TIMEOUT_S = 600


class ServingEngine(Engine):
    """An engine that runs containers in the background."""

    def pull(self, image: str) -> str:
        """Pull an image; return "" or the reason why that failed."""
        done = self._docker("pull", "--quiet", image, more_s=PULL_TIMEOUT_S)
        return "" if done.returncode == 0 else last_line(done.stderr)

    def run(self, image: str, command: str, options: Iterable[str]) -> str:
        """Start a container in the background; return "" or the reason why it did not start."""
        done = self._docker("run", "--detach", *options, image, command)
        return "" if done.returncode == 0 else _reason(done.stderr)

    def address(self, container: str, port: int) -> tuple[str, int] | None:
        """Return where this machine reaches a container's port, None once it has ended.

        That is where the port is published; else, on a network of its own, the container itself.
        """
        done = self._docker(
            "container", "inspect", "--format", "{{json .NetworkSettings}}", container
        )
        settings = json.loads(done.stdout) if done.returncode == 0 else {}
        for published in (settings.get("Ports") or {}).get(f"{port}/tcp") or ():
            return self.find_host() or published["HostIp"], int(published["HostPort"])
        for network in (settings.get("Networks") or {}).values():
            if network["IPAddress"]:
                return network["IPAddress"], port
        return None

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


def _reason(text: str) -> str:
    """Return docker's reason for not starting a container, without its hint to --help."""
    lines = [line for line in plain_lines(text) if "--help" not in line]
    return (lines or ["no reason given"])[-1].removeprefix("docker: ")
