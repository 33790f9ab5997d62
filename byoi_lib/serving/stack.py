"""One nginx and one gunicorn: started together, watched, and stopped together.

The state directory holds everything the two write; nothing else is written.
"""

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from byoi_lib import contract
from byoi_lib.serving import container_files, cpus, proxy
from byoi_lib.serving.children import Children
from byoi_lib.serving.readiness import Readiness
from byoi_lib.serving.relay import pass_on, relay, say, say_for_nginx
from byoi_lib.serving.settings import Settings

# How often the workers' files are looked at: a cold start should not wait for it.
_LOOK_STARTING_S = 0.005
_LOOK_S = 0.5
# gunicorn's share of the time to stop, once nginx has answered what was in flight.
_GUNICORN_STOP_S = 2.0


class Stack:
    """One nginx, one gunicorn, and the loop that watches them.

    `children` has gunicorn's master already, which is forked before any signal handler
    and thread is there. `environ` is what `children_environ` returns.
    """

    def __init__(
        self,
        settings: Settings,
        state_dir: Path,
        nginx: str | None,
        environ: Mapping[str, str],
        children: Children,
    ) -> None:
        self._settings = settings
        self._state_dir = state_dir
        self._nginx = nginx
        self._environ = environ
        self._readiness = Readiness(state_dir)
        self._children = children
        self._stop_asked = False
        self._interrupts = 0
        self._relays: list[threading.Thread] = []
        self._wake_up, self._waker = os.pipe()

    def run(self) -> int:
        """Start everything, watch, and leave nothing running."""
        self._take_signals()
        try:
            self._start()
            return self._watch()
        finally:
            self._children.kill_groups()
            self._wait_until(lambda: not self._children.any_runs(), 2.0)
            for thread in self._relays:
                thread.join(1.0)

    def _take_signals(self) -> None:
        """Have signals wake the loop; the handlers themselves do next to nothing."""
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
        """Start nginx, which answers at once, while gunicorn's master imports what it needs."""
        streams: list[tuple[IO[bytes], Callable[[bytes], None]]] = []
        if self._nginx is not None:
            configuration = self._state_dir / "nginx.conf"
            template = container_files.find("nginx.conf.in").read_text(encoding="utf-8")
            configuration.write_text(
                proxy.render(template, self._settings, self._state_dir), encoding="utf-8"
            )
            nginx = self._children.start(
                "nginx",
                [self._nginx, "-e", "stderr", "-p", str(self._state_dir), "-c", str(configuration)],
                environ=self._environ,
                piped=True,
            )
            assert nginx.stdout is not None and nginx.stderr is not None  # noqa: PT018, S101
            streams = [(nginx.stdout, pass_on), (nginx.stderr, say_for_nginx)]
        # Threads only after the last fork.
        for stream, write in streams:
            thread = threading.Thread(target=relay, args=(stream, write), daemon=True)
            thread.start()
            self._relays.append(thread)

    def _watch(self) -> int:
        """Keep /ping true until there is a reason to end."""
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
            was_ready, ready = ready, self._readiness.update(self._settings.workers)
            if ready != was_ready:
                look_s = _LOOK_S
                self._tell(ready=ready)

    def _tell(self, *, ready: bool) -> None:
        if not ready:
            say("error", "not ready: no loaded worker is alive; /ping answers 503 meanwhile")
        elif self._settings.log_level in {"DEBUG", "INFO"}:
            say("info", f"ready: {self._settings.inference_module} on port {self._settings.port}")

    def _drain(self) -> None:
        """Answer what is in flight, then end; a second Ctrl-C ends at once."""
        children = self._children
        end_s = time.monotonic() + contract.DRAIN_S - _GUNICORN_STOP_S - 1.0
        self._readiness.ready_file.unlink(missing_ok=True)
        children.send("nginx", signal.SIGQUIT)
        self._wait_until(
            lambda: not children.runs("nginx") or self._interrupts > 1,
            end_s - time.monotonic(),
        )
        children.send("gunicorn", signal.SIGTERM)
        left_s = _GUNICORN_STOP_S if self._nginx else end_s + _GUNICORN_STOP_S - time.monotonic()
        self._wait_until(lambda: not children.runs("gunicorn") or self._interrupts > 1, left_s)

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


def children_environ(
    settings: Settings, state_dir: Path, environ: Mapping[str, str]
) -> dict[str, str]:
    """Return the environment of nginx and gunicorn."""
    a_worker = max(1, cpus.available() // settings.workers)
    return {
        # One thread a CPU in each worker would have the workers fight for the CPUs.
        "OMP_NUM_THREADS": str(a_worker),
        # What a module prints is a log line, and must not wait in a buffer.
        "PYTHONUNBUFFERED": "1",
        **environ,
        **settings.to_environ(),
        "BYOI_STATE_DIR": str(state_dir),
    }
