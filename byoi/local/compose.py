"""Find Docker Compose, with which local mode of the SageMaker SDK starts containers."""

import shutil
import subprocess
from collections.abc import Mapping

from byoi import errors

_TIMEOUT_S = 60


def find_command(environ: Mapping[str, str]) -> list[str]:
    """Return the command of compose, as a list of words.

    The plugin is preferred if it works, independent of its version text: the SDK expects "v2" in
    it, which Debian's 2.26 and every v5 do not print.

    Args:
        environ: Has PATH and the variables for the engine.

    Raises:
        MissingProgramError: Neither the plugin nor the old program works.
    """
    path = environ.get("PATH", "")
    docker = shutil.which("docker", path=path)
    if docker is not None and _works([docker, "compose", "version"], environ):
        return ["docker", "compose"]
    if (program := shutil.which("docker-compose", path=path)) is not None:
        return [program]
    raise errors.MissingProgramError(
        "local mode starts containers with compose, and neither `docker compose` nor "
        "docker-compose works here; install the package docker-compose or docker-compose-plugin"
    )


def _works(command: list[str], environ: Mapping[str, str]) -> bool:
    try:
        done = subprocess.run(
            command,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise errors.HostingError(
            f"`docker compose version` did not answer within {_TIMEOUT_S} s; restart the Docker "
            "engine if it hangs"
        ) from error
    return done.returncode == 0
