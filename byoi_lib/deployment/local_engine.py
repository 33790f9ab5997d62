"""The container engine of this machine, asked about an image and to try it once."""

from collections.abc import Iterable

from byoi_lib import contract, errors, free_port
from byoi_lib.engine import Engine, last_line


class LocalEngine(Engine):
    """An engine that may not be there: then it has no image."""

    def image_id(self, image: str) -> str:
        """Return the id of an image on this machine, "" where there is none, or no engine."""
        if self._find("docker") is None:
            return ""
        done = self._docker("image", "inspect", "--format", "{{.Id}}", image)
        return done.stdout.strip() if done.returncode == 0 else ""

    def serve(self, image: str, container: str, options: Iterable[str]) -> tuple[str, int]:
        """Start `image serve` in the background and return host and port of the container.

        Raises:
            HostingError: It did not start.
        """
        publish = f"--publish={free_port.LOOPBACK}::{contract.PORT}"
        name = f"--name={container}"
        done = self._docker("run", "--detach", name, publish, *options, image, "serve")
        if done.returncode != 0:
            raise errors.HostingError(last_line(done.stderr))
        published = self._docker("port", container, f"{contract.PORT}/tcp")
        port = published.stdout.strip().rpartition(":")[2]
        return self.find_host() or free_port.LOOPBACK, int(port) if port.isdigit() else 0
