"""Compose: the command that local mode of the SageMaker SDK starts containers with."""

import shutil
import subprocess
from collections.abc import Mapping

from byoi import errors

_TIMEOUT_S = 60


def find_command(environ: Mapping[str, str]) -> list[str]:
    """Return the words that start compose.

    The plugin is taken where it works, whatever its version text says (the SDK wants
    to read "v2" there, which Debian's 2.26 and every v5 do not print).

    Args:
        environ: Its PATH is searched; the variables lead to the engine.

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
