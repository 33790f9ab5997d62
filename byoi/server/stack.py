"""Start, watch and stop nginx and gunicorn: the main loop of process 1.

It reaps every child process, and handles signals itself instead of forwarding them.

Source: SageMaker Developer Guide, your-algorithms-inference-code (SIGTERM, then SIGKILL 30 s
later).
"""

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

from byoi import contract
from byoi.server import page, state
from byoi.server.announcements import Announcements
from byoi.server.children import Children
from byoi.server.logs import (
    relay,
    relay_lines,
    say,
    show_access_line,
    write_access_lines,
    write_nginx_error,
)
from byoi.server.nginx import TEMPLATE_FILE, render
from byoi.server.readiness import Readiness
from byoi.server.settings import Settings
from byoi.server.sizing import Sizing

# Time between two checks of the workers' files; short during the start, which it delays.
_LOOK_STARTING_S = 0.005
_LOOK_S = 0.5
# Time between two test connections to gunicorn's socket: /ping must change within 10 s.
_CONNECT_S = 3.0
# Between two reloads of nginx; its old processes live until their requests end.
_RELOAD_S = 10.0
# Time for gunicorn to stop, after the requests in flight were answered.
_GUNICORN_STOP_S = 1.0
# Without nginx, gunicorn closes the connections at the end: count them this long before.
_COUNT_S = 0.2
_CONNECTIONS_FILE = Path("/proc/net/tcp")
# ESTABLISHED, and CLOSE_WAIT (the client has closed its sending side): include/net/tcp_states.h.
_OPEN = {"01", "08"}


class Stack:
    """One nginx and one gunicorn.

    Args:
        settings: The settings of the server.
        state_dir: The private directory for all written files.
        nginx: Path of nginx, None for gunicorn alone.
        environ: As `children_environ` returns it.
        children: Has gunicorn's master already, which is forked before any signal handler and
            thread exists.
        chosen: The number of workers and its reason.
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
        self._state_dir = state_dir
        self._last_requests = page.LastRequests(page.Folder(state_dir))
        self._nginx = nginx
        self._environ = environ
        self._readiness = Readiness(state_dir)
        self._announcements = Announcements(settings, chosen, self._readiness)
        self._children = children
        self._stop_asked = False
        self._interrupts = 0
        self._is_silent = False
        self._next_reload_s = 0.0
        self._unreachable: str | None = None
        self._next_connect_s = 0.0
        self._relays: list[threading.Thread] = []
        # Seconds from the start until all workers had loaded the model; 0 before that.
        self._start_s = 0.0
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
        """Start nginx, which answers immediately, while gunicorn's master still imports modules."""
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
            # Parse the lines only for a terminal or the page: it takes time for each request.
            needs_fields = self._settings.page == "on" or os.isatty(1)
            streams = [
                (relay_lines, nginx.stdout, self._access)
                if needs_fields
                else (relay, nginx.stdout, write_access_lines),
                (relay_lines, nginx.stderr, write_nginx_error),
            ]
        # Start threads only after the last fork.
        for target, stream, write in streams:
            thread = threading.Thread(target=target, args=(stream, write), daemon=True)
            thread.start()
            self._relays.append(thread)

    def _remove_abandoned(self) -> None:
        """Remove the folders of killed servers, while the model loads."""
        for folder in state.remove_abandoned(state.ROOT):
            if self._settings.log_level == "DEBUG":
                say("debug", f"removed {folder}, the folder of a server that was killed")

    def _access(self, received: bytes) -> None:
        """Write a line of nginx's access log, and keep it for the page."""
        fields = show_access_line(received)
        if self._settings.page == "on":
            self._last_requests.add(fields)

    def _watch(self) -> int:
        """Maintain /ping until there is a reason to stop."""
        ready, look_s, began_s = False, _LOOK_STARTING_S, time.monotonic()
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
                    replacement_s=self._replacement_s(),
                )
            except FileNotFoundError:
                say(
                    "error",
                    f"{self._state_dir} was deleted while the server uses it; the server stops: "
                    f"exclude {state.ROOT}/byoi-* from what cleans {state.ROOT}",
                )
                return 1
            if not self._start_s and self._readiness.loaded_file.exists():
                self._start_s = time.monotonic() - began_s
            if ready != was_ready:
                if look_s != _LOOK_S:
                    self._announcements.choices()
                look_s = _LOOK_S
                self._announcements.readiness(is_ready=ready, unreachable=self._unreachable)
            self._leave_silent_workers()

    def _replacement_s(self) -> float:
        """Return how long a replacement counts as a worker while it loads the model.

        At least the time that a request would wait for it, and twice the time of the first load,
        because the first one may have had warm disk caches and all CPUs.
        """
        return max(
            float(contract.INVOCATION_TIMEOUT_S),
            self._settings.invocation_timeout_s,
            2 * self._start_s,
        )

    def _leave_silent_workers(self) -> None:
        """Let nginx drop its idle connections when a worker sends no heartbeat.

        Such a worker cannot give its connections to another. After a reload nginx opens new ones,
        which only running workers accept; connections in use are kept.
        """
        was_silent, self._is_silent = self._is_silent, self._readiness.silent_file.exists()
        if self._is_silent and not was_silent and time.monotonic() >= self._next_reload_s:
            self._next_reload_s = time.monotonic() + _RELOAD_S
            self._children.send("nginx", signal.SIGHUP)

    def _is_reachable(self) -> bool:
        """Whether nginx can connect to gunicorn; tested every few seconds."""
        if self._nginx is None or not self._readiness.loaded_file.exists():
            return True
        if time.monotonic() >= self._next_connect_s:
            self._next_connect_s = time.monotonic() + _CONNECT_S
            self._unreachable = self._readiness.unreachable()
        return self._unreachable is None

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
        children.send("nginx", signal.SIGTERM)  # closes connections that are still open
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
    """Return the number of client connections of a port; 0 on systems without Linux's /proc.

    Each has a request, because idle connections were closed at the signal.
    """
    count = 0
    with suppress(FileNotFoundError):
        for row in _CONNECTIONS_FILE.read_text(encoding="ascii").splitlines()[1:]:
            _, local, _, status = row.split()[:4]
            count += local.endswith(f":{port:04X}") and status in _OPEN
    return count
