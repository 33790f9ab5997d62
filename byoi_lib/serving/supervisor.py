"""Start nginx and gunicorn, keep /ping true, and stop both when either stops.

The first process of the container: it reaps every child, passes no signal on
unthinkingly, and its exit status tells whether the stop was asked for.

Source: SageMaker Developer Guide, your-algorithms-inference-code (SIGTERM, then
SIGKILL 30 s later).
"""

import dataclasses
import os
import shutil
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from byoi_lib import contract, errors
from byoi_lib.serving import container_files, proxy
from byoi_lib.serving.children import Children
from byoi_lib.serving.readiness import Readiness
from byoi_lib.serving.relay import say
from byoi_lib.serving.settings import Settings
from byoi_lib.serving.stack import Stack, children_environ

# The contract names /tmp as the one place that can be written; it also keeps socket paths short.
STATE_ROOT = Path("/tmp")  # noqa: S108 - a private directory is made in it


def serve(settings: Settings, environ: Mapping[str, str]) -> int:
    """Serve until SIGTERM or SIGINT, or until a part fails.

    For a main program that does nothing else: gunicorn's master and its workers are forks
    of it, and what this function returns or raises in them ends them.

    Args:
        settings: What to serve, where.
        environ: The environment that nginx, gunicorn and the inference module get.

    Returns:
        Exit status: 0 after a signal, 1 when nginx or gunicorn ended by itself or
        the model could not be loaded; the reason is then on stderr.

    Raises:
        ConfigurationError: The port cannot be listened on.
    """
    nginx = proxy.find_nginx()
    settings = choose_proxy(settings, nginx)
    _check_port(settings)
    state_dir = STATE_ROOT / f"byoi-{os.getpid()}-{time.time_ns():x}"
    state_dir.mkdir(mode=0o700)  # fails where somebody else made it
    Readiness(state_dir).prepare()
    nginx = nginx if settings.proxy == "auto" else None
    environ = children_environ(settings, state_dir, environ)
    children = Children()
    # First of all: it has the most to do before the server is ready.
    if children.fork("gunicorn", environ=environ):
        from byoi_lib.serving import master  # noqa: PLC0415 - this process does without gunicorn

        return master.run(container_files.find("gunicorn.conf.py"), state_dir, settings.preload)
    try:
        return Stack(settings, state_dir, nginx, environ, children).run()
    finally:
        shutil.rmtree(state_dir, ignore_errors=True)


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run the container's `serve`; 2 where a setting or argument cannot be used."""
    try:
        _check_arguments(arguments)
        return serve(Settings.from_environ(environ), environ)
    except errors.ConfigurationError as error:
        say("error", str(error))
        return 2


def choose_proxy(settings: Settings, nginx: str | None) -> Settings:
    """Return the settings to serve with; say so where nginx is wanted and missing.

    Args:
        settings: As the operator gave them.
        nginx: Path of nginx, None where it is not installed.
    """
    if nginx is not None or settings.proxy == "off":
        return settings
    say(
        "warning",
        "nginx is not installed: serving through gunicorn alone; get it with "
        "`apt-get install nginx-light` or `brew install nginx`",
    )
    return dataclasses.replace(settings, proxy="off")


def _check_arguments(arguments: Sequence[str]) -> None:
    if list(arguments) not in ([], ["serve"]):
        raise errors.ConfigurationError(
            f"serve takes no arguments, received {' '.join(arguments)}; settings are variables"
        )


def _check_port(settings: Settings) -> None:
    """Refuse a port that is taken before anything is started.

    Raises:
        ConfigurationError: The port cannot be listened on.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.bind_address, settings.port))
        except OSError as error:
            raise errors.ConfigurationError(
                f"cannot listen on {settings.bind_address}:{settings.port}: {error.strerror}; "
                f"stop what uses it or set {contract.BIND_TO_PORT_VARIABLE} to a free port"
            ) from error
