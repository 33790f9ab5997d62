"""The supervisor, process 1 of the container: check settings, choose workers, fork gunicorn, serve.

The exit status is 0 if the stop was requested. All files that the server writes are in one private
state directory.
"""

import dataclasses
import shutil
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from byoi import contract, errors
from byoi.server import cgroups, page, sizing, state
from byoi.server.children import Children
from byoi.server.logs import say
from byoi.server.memory import Memory
from byoi.server.nginx import find_nginx
from byoi.server.readiness import LOAD_NEWS_S, Readiness
from byoi.server.settings import Settings
from byoi.server.stack import Stack


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run the container's `serve`.

    Returns:
        Exit status: as `serve`, and 2 if a setting or argument cannot be used.
    """
    try:
        _check_arguments(arguments)
        return serve(Settings.from_environ(environ), environ)
    except errors.ConfigurationError as error:
        say("error", str(error))
        return 2


def serve(
    settings: Settings,
    environ: Mapping[str, str],
    *,
    is_preload_required: bool = True,
    load_news_s: float = LOAD_NEWS_S,
) -> int:
    """Serve until SIGTERM or SIGINT, or until nginx or gunicorn fails.

    Call it as the last step of a main program: gunicorn's master and workers are forks of that
    program, in which this function also returns or raises.

    Args:
        settings: The settings of the server.
        environ: The environment of nginx, gunicorn and the inference module.
        is_preload_required: Whether a module of `settings.preload` that cannot be imported is an
            error; False for defaults.
        load_news_s: Seconds between two log lines about a slow load.

    Returns:
        Exit status: 0 after a signal, 1 if nginx or gunicorn exited by itself or the
        model could not be loaded; the reason is on stderr.

    Raises:
        ConfigurationError: The server cannot listen on the port.
    """
    nginx = find_nginx()
    settings = choose_proxy(settings, nginx)
    _check_port(settings)
    if script := settings.unused_script():
        say(
            "warning",
            f"{script} is not used: BYOI_INFERENCE_MODULE={settings.inference_module} names "
            "another module; unset it to serve that script",
        )
    state_dir = state.make(state.ROOT)
    Readiness(state_dir).prepare()
    if settings.page == "on":
        page.Folder(state_dir).prepare()
    nginx = nginx if settings.proxy == "auto" else None
    chosen = sizing.choose(
        settings,
        cpus=cgroups.available_cpus(),
        memory=Memory(),
        model_bytes=sizing.size_of(settings.model_directory()),
    )
    settings = dataclasses.replace(settings, workers=chosen.workers)
    environ = children_environ(settings, state_dir, environ, threads=chosen.threads)
    if settings.install_requirements:
        environ = _install_requirements(settings, state_dir, environ)
    children = Children()
    # gunicorn first, because it takes longest to become ready.
    if children.fork("gunicorn", environ=environ):
        from byoi.server import master  # noqa: PLC0415 - this process needs no gunicorn

        return master.run(
            master.CONFIGURATION_FILE,
            state_dir,
            settings.preload,
            is_preload_required=is_preload_required,
            load_news_s=load_news_s,
        )
    try:
        return Stack(settings, state_dir, nginx, environ, children, chosen=chosen).run()
    finally:
        shutil.rmtree(state_dir, ignore_errors=True)


def _install_requirements(
    settings: Settings, state_dir: Path, environ: Mapping[str, str]
) -> dict[str, str]:
    """Install the script's packages, and return an environment in which they are found."""
    from byoi.server import installation  # noqa: PLC0415 - most starts do not need it

    target = installation.folder(state_dir)
    try:
        told = installation.install(
            settings.code_directory(), target, environ, in_image=installation.is_image()
        )
    except BaseException:
        shutil.rmtree(state_dir, ignore_errors=True)
        raise
    if told:
        say("warning", told)
    return installation.for_programs(environ, target)


def choose_proxy(settings: Settings, nginx: str | None) -> Settings:
    """Return the settings to serve with; if nginx is missing, turn it off with a warning.

    Args:
        settings: As the operator gave them.
        nginx: Path of nginx, None if it is not installed.
    """
    if nginx is not None or settings.proxy == "off":
        return settings
    say(
        "warning",
        "nginx is not installed: serving through gunicorn alone; get it with "
        "`apt-get install nginx-light` or `brew install nginx`",
    )
    return dataclasses.replace(settings, proxy="off")


def children_environ(
    settings: Settings, state_dir: Path, environ: Mapping[str, str], *, threads: int
) -> dict[str, str]:
    """Return the environment of nginx and gunicorn.

    Args:
        settings: With the number of workers.
        state_dir: The server's private directory.
        environ: The server's own variables.
        threads: Number of threads of one prediction.
    """
    return {
        # With one thread per CPU in each worker, the workers would compete for the CPUs.
        "OMP_NUM_THREADS": str(threads),
        # Output of a module's print is a log line, and must not stay in a buffer.
        "PYTHONUNBUFFERED": "1",
        **environ,
        **settings.to_environ(),
        "BYOI_STATE_DIR": str(state_dir),
    }


def _check_arguments(arguments: Sequence[str]) -> None:
    if list(arguments) not in ([], ["serve"]):
        raise errors.ConfigurationError(
            f"serve takes no arguments, received {' '.join(arguments)}; settings are variables"
        )


def _check_port(settings: Settings) -> None:
    """Check that the port is free, before anything is started.

    Raises:
        ConfigurationError: The server cannot listen on the port.
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
