"""The supervisor: starts nginx and gunicorn, maintains /ping, and stops both together.

Process 1 of the container: it reaps every child, handles signals itself instead of forwarding
them, and its exit status tells whether the stop was requested. Everything that the server
writes is in one private state directory.

Source: SageMaker Developer Guide, your-algorithms-inference-code (SIGTERM, then
SIGKILL 30 s later).
"""

import dataclasses
import os
import select
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from byoi import contract, errors
from byoi.server import cgroups, page, sizing, state, summary
from byoi.server.children import Children
from byoi.server.logs import (
    relay,
    relay_lines,
    say,
    show_access_line,
    write_access_lines,
    write_nginx_error,
)
from byoi.server.memory import Memory
from byoi.server.nginx import TEMPLATE_FILE, find_nginx, render
from byoi.server.readiness import LOAD_NEWS_S, Readiness
from byoi.server.settings import Settings
from byoi.server.sizing import Sizing

# Time between two looks at the workers' files; during a cold start it is a delay.
_LOOK_STARTING_S = 0.005
_LOOK_S = 0.5
# Time between two connections to gunicorn's socket; with /ping's 10 s in mind.
_CONNECT_S = 3.0
# Between two reloads of nginx; its old processes live until their requests end.
_RELOAD_S = 10.0
# gunicorn's time to stop, after the requests in flight were answered.
_GUNICORN_STOP_S = 1.0
# Without nginx, gunicorn closes the connections at the end: they are counted so long before.
_COUNT_S = 0.2
_CONNECTIONS_FILE = Path("/proc/net/tcp")
# ESTABLISHED and CLOSE_WAIT, whose client sends no more; from include/net/tcp_states.h.
_OPEN = {"01", "08"}
# The only directory that the contract lets a container write; also keeps socket paths short.
STATE_ROOT = Path("/tmp")  # noqa: S108 - a private directory is created in it


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

    For a main program that does nothing else: gunicorn's master and its workers are forks
    of it, and end with what this function returns or raises in them.

    Args:
        settings: The settings of the server.
        environ: The environment of nginx, gunicorn and the inference module.
        is_preload_required: Whether a module of `settings.preload` that cannot be imported ends
            the start; False where nobody asked for it.
        load_news_s: Seconds between two lines about a load that takes long.

    Returns:
        Exit status: 0 after a signal, 1 if nginx or gunicorn exited by itself or the
        model could not be loaded; the reason is on stderr.

    Raises:
        ConfigurationError: The port cannot be listened on.
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
    state_dir = state.make(STATE_ROOT)
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
    # First, because it takes longest to become ready.
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
    """Install the script's packages, and return the environment of those who use them."""
    from byoi.server import installation  # noqa: PLC0415 - most starts need none of it

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
    """Return the settings to serve with, without nginx and with a warning if it is missing.

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
        threads: Of one prediction.
    """
    return {
        # With one thread per CPU in each worker, the workers would compete for the CPUs.
        "OMP_NUM_THREADS": str(threads),
        # What a module prints is a log line, and must not stay in a buffer.
        "PYTHONUNBUFFERED": "1",
        **environ,
        **settings.to_environ(),
        "BYOI_STATE_DIR": str(state_dir),
    }


class Stack:
    """One nginx and one gunicorn: started, watched and stopped together.

    Args:
        settings: The settings of the server.
        state_dir: The private directory of everything that is written.
        nginx: Path of nginx, None for gunicorn alone.
        environ: As `children_environ` returns it.
        children: With gunicorn's master, which is forked before any signal handler and
            thread exists.
        chosen: How many workers there are, and why.
    """

    def __init__(  # noqa: PLR0913 - what it starts and watches
        self,
        settings: Settings,
        state_dir: Path,
        nginx: str | None,
        environ: Mapping[str, str],
        children: Children,
        *,
        chosen: Sizing,
    ) -> None:
        self._settings = settings
        self._chosen = chosen
        self._state_dir = state_dir
        self._last_requests = page.LastRequests(page.Folder(state_dir))
        self._nginx = nginx
        self._environ = environ
        self._readiness = Readiness(state_dir)
        self._children = children
        self._stop_asked = False
        self._interrupts = 0
        self._is_silent = False
        self._next_reload_s = 0.0
        self._unreachable: str | None = None
        self._next_connect_s = 0.0
        self._relays: list[threading.Thread] = []
        self._unanswered = 0
        self._drained_s = 0.0
        self._wake_up, self._waker = os.pipe()

    def run(self) -> int:
        """Start, watch and stop everything, and return the exit status."""
        self._take_signals()
        try:
            self._start()
            self._remove_abandoned()
            return self._watch()
        finally:
            self._children.kill_groups()
            self._wait_until(lambda: not self._children.any_runs(), 2.0)
            for thread in self._relays:
                thread.join(5.0)  # until the last line is read and written
            if self._unanswered:
                say(
                    "error",
                    f"stopped: {self._unanswered} requests were not answered within "
                    f"{self._drained_s:.0f} s of the signal, and their connections were closed",
                    unanswered=self._unanswered,
                )

    def _take_signals(self) -> None:
        """Make signals wake up the loop; the handlers only record them."""
        os.set_blocking(self._waker, False)
        os.set_blocking(self._wake_up, False)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._ask_to_stop)
        signal.signal(signal.SIGINT, self._ask_to_stop)

    def _ask_to_stop(self, number: int, _frame: object) -> None:
        self._stop_asked = True
        self._interrupts += number == signal.SIGINT

    def _start(self) -> None:
        """Start nginx, which answers at once, while gunicorn's master is still importing."""
        streams: list[tuple[Callable[..., None], IO[bytes], Callable[[bytes], object]]] = []
        if self._nginx is not None:
            configuration = self._state_dir / "nginx.conf"
            template = TEMPLATE_FILE.read_text(encoding="utf-8")
            configuration.write_text(
                render(template, self._settings, self._state_dir), encoding="utf-8"
            )
            nginx = self._children.start(
                "nginx",
                [self._nginx, "-e", "stderr", "-p", str(self._state_dir), "-c", str(configuration)],
                environ=self._environ,
                piped=True,
            )
            assert nginx.stdout is not None and nginx.stderr is not None  # noqa: PT018, S101
            # Only a reader and the page need the fields; reading them takes time for each request.
            needs_fields = self._settings.page == "on" or os.isatty(1)
            streams = [
                (relay_lines, nginx.stdout, self._access)
                if needs_fields
                else (relay, nginx.stdout, write_access_lines),
                (relay_lines, nginx.stderr, write_nginx_error),
            ]
        # Threads only after the last fork.
        for target, stream, write in streams:
            thread = threading.Thread(target=target, args=(stream, write), daemon=True)
            thread.start()
            self._relays.append(thread)

    def _remove_abandoned(self) -> None:
        """Remove what killed servers left, while the model loads."""
        for folder in state.remove_abandoned(STATE_ROOT):
            if self._settings.log_level == "DEBUG":
                say("debug", f"removed {folder}, the folder of a server that was killed")

    def _access(self, received: bytes) -> None:
        """Write a line of nginx's access log, and keep it for the page."""
        fields = show_access_line(received)
        if self._settings.page == "on":
            self._last_requests.add(fields)

    def _watch(self) -> int:
        """Maintain /ping until there is a reason to stop."""
        ready, look_s = False, _LOOK_STARTING_S
        while True:
            self._sleep(look_s)
            ended = self._children.reap()
            if (failure := self._readiness.failure()) is not None:
                sys.stderr.write(failure)
                return 1
            if self._stop_asked:
                self._drain()
                return 0
            for name, status in ended.items():
                say("error", f"{name} ended by itself with status {status}; the server stops")
                return 1
            was_ready = ready
            try:
                ready = self._readiness.update(
                    self._settings.workers,
                    is_reachable=self._is_reachable(),
                    # So long a request that comes now waits for a worker.
                    replacement_s=self._settings.invocation_timeout_s,
                )
            except FileNotFoundError:
                say(
                    "error",
                    f"{self._state_dir} was deleted while the server uses it; the server stops: "
                    f"exclude {STATE_ROOT}/byoi-* from what cleans {STATE_ROOT}",
                )
                return 1
            if ready != was_ready:
                if look_s != _LOOK_S:
                    self._tell_choices()
                look_s = _LOOK_S
                self._report(ready=ready)
            self._leave_silent_workers()

    def _leave_silent_workers(self) -> None:
        """Let nginx forget its connections when a worker gives no sign of life.

        Such a worker can give none of them to another. After a reload nginx makes new ones, which
        only workers that run accept; those in use stay in use.
        """
        was_silent, self._is_silent = self._is_silent, self._readiness.silent_file.exists()
        if self._is_silent and not was_silent and time.monotonic() >= self._next_reload_s:
            self._next_reload_s = time.monotonic() + _RELOAD_S
            self._children.send("nginx", signal.SIGHUP)

    def _is_reachable(self) -> bool:
        """Whether nginx could connect to gunicorn, looked at again after a few seconds."""
        if self._nginx is None or not self._readiness.loaded_file.exists():
            return True
        if time.monotonic() >= self._next_connect_s:
            self._next_connect_s = time.monotonic() + _CONNECT_S
            self._unreachable = self._readiness.unreachable()
        return self._unreachable is None

    def _tell_choices(self) -> None:
        """Tell what was chosen; a server that never becomes ready has one line, its reason."""
        level, text = sizing.told(
            self._chosen, sizing.taken_bytes(self._readiness.reported_workers())
        )
        tells_all = self._settings.log_level in {"DEBUG", "INFO"}
        if tells_all or level == "warning":
            say(level, text)
        if self._settings.is_batch and tells_all:
            say("info", summary.transform(self._settings))

    def _report(self, *, ready: bool) -> None:
        if not ready and self._unreachable is not None:
            say(
                "error",
                f"not ready: nginx cannot connect to {self._readiness.socket}: "
                f"{self._unreachable}; /ping answers 503 until it can: start the server again",
            )
        elif not ready and (workers := self._readiness.unwell()):
            say(
                "error",
                f"not ready: ping_fn of {self._settings.module()} says no in worker "
                f"{', '.join(map(str, workers))}; /ping answers 503 until it says yes in all",
            )
        elif not ready:
            say("error", "not ready: no loaded worker is alive; /ping answers 503 until one is")
        elif self._settings.log_level in {"DEBUG", "INFO"}:
            text = f"ready: {self._settings.module()} on port {self._settings.port}"
            if self._settings.page == "on":
                text += f"; its page is http://127.0.0.1:{self._settings.port}/"
            say("info", text)

    def _drain(self) -> None:
        """Answer the requests in flight, then stop; a second Ctrl-C stops immediately."""
        children = self._children
        began_s = time.monotonic()
        end_s = began_s + contract.DRAIN_S
        self._readiness.ready_file.unlink(missing_ok=True)
        children.send("nginx", signal.SIGQUIT)
        self._wait_until(
            lambda: not children.runs("nginx") or self._interrupts > 1,
            end_s - time.monotonic(),
        )
        if children.runs("nginx"):
            self._unanswered = _count_connections(self._settings.port)
        children.send("nginx", signal.SIGTERM)  # whoever is still sending is disconnected
        children.send("gunicorn", signal.SIGTERM)
        if self._nginx is None:
            self._wait_until(
                lambda: not children.runs("gunicorn") or self._interrupts > 1,
                end_s - time.monotonic() - _COUNT_S,
            )
            if children.runs("gunicorn"):
                self._unanswered = _count_connections(self._settings.port)
        self._drained_s = time.monotonic() - began_s
        self._wait_until(
            lambda: not children.runs("gunicorn") or self._interrupts > 1, _GUNICORN_STOP_S
        )

    def _wait_until(self, happened: Callable[[], bool], timeout_s: float) -> None:
        end_s = time.monotonic() + timeout_s
        self._children.reap()
        while not happened() and (left_s := end_s - time.monotonic()) > 0:
            self._sleep(min(left_s, _LOOK_S))
            self._children.reap()

    def _sleep(self, timeout_s: float) -> None:
        """Sleep until a signal arrives, at most `timeout_s` seconds."""
        if select.select([self._wake_up], [], [], timeout_s)[0]:
            os.read(self._wake_up, 1024)


def _count_connections(port: int) -> int:
    """Return how many connections of clients a port has; 0 where Linux's /proc is missing.

    Idle ones were closed at the signal, so that each has a request.
    """
    count = 0
    with suppress(FileNotFoundError):
        for row in _CONNECTIONS_FILE.read_text(encoding="ascii").splitlines()[1:]:
            _, local, _, status = row.split()[:4]
            count += local.endswith(f":{port:04X}") and status in _OPEN
    return count


def _check_arguments(arguments: Sequence[str]) -> None:
    if list(arguments) not in ([], ["serve"]):
        raise errors.ConfigurationError(
            f"serve takes no arguments, received {' '.join(arguments)}; settings are variables"
        )


def _check_port(settings: Settings) -> None:
    """Refuse a port in use before anything is started.

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
