"""What local mode asks the engine beside the rest: compose, and what stands in its way."""

from collections.abc import Iterable
from pathlib import Path

from byoi_lib import errors
from byoi_lib.engine import Engine


class ComposeEngine(Engine):
    """An engine that runs containers by way of compose."""

    def find_compose(self) -> list[str]:
        """Return the words that start compose.

        The plugin is taken where it works, whatever its version text says (the SDK wants
        to read "v2" there, which Debian's 2.26 and every v5 do not print).

        Raises:
            MissingProgramError: docker or compose is not there, or does not answer.
        """
        self.require()
        if self._docker("compose", "version").returncode == 0:
            return ["docker", "compose"]
        if (path := self._find("docker-compose")) is not None:
            return [path]
        raise errors.MissingProgramError(
            "local mode starts containers with compose, and neither `docker compose` nor "
            "docker-compose works here; install the package docker-compose or docker-compose-plugin"
        )

    def require_image(self, image: str) -> None:
        """Check that the image is on this machine, since nothing here may pull it.

        Raises:
            HostingError: It is not; the message says how to get it.
        """
        if not self.has_image(image):
            raise errors.HostingError(
                f"local mode needs the image {image!r} on this machine and it is not there; "
                f"run `make image` for byoi:latest, or `docker pull {image}`"
            )

    def holder_of_port(self, port: int) -> str | None:
        """Return the name of the container that publishes a port, if one does."""
        done = self._docker("ps", "--filter", f"publish={port}", "--format", "{{.Names}}")
        return done.stdout.strip() or None

    def existing(self, containers: Iterable[str]) -> list[str]:
        """Return those of the names that a container has, running or not."""
        return [name for name in containers if self.state(name).status != "absent"]

    def has_network(self, network: str) -> bool:
        """Whether a network of this name exists."""
        return self._docker("network", "inspect", network).returncode == 0

    def unlock(self, directory: Path, image: str) -> None:
        """Let this user delete what a container wrote as root into a mounted directory."""
        mount = f"{directory}:/unlock"
        command = ("run", "--rm", "--network", "none", "--volume", mount, "--entrypoint", "chmod")
        self._docker(*command, image, "-R", "a+rwX", "/unlock")
