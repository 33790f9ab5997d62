"""gunicorn's master process, forked from the supervisor instead of started as a program.

Source: gunicorn 27, app/wsgiapp.py and arbiter.py.
"""

import gc
import importlib
import importlib.util
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from gunicorn.app.wsgiapp import WSGIApplication
from gunicorn.arbiter import Arbiter
from gunicorn.errors import HaltServer

from byoi import errors
from byoi.server import ends, installation, logs
from byoi.server.lives import Lives
from byoi.server.readiness import LOAD_NEWS_S, SILENT_S, Readiness
from byoi.server.settings import Settings

CONFIGURATION_FILE = Path(__file__).with_name("gunicorn_conf.py")


class Master(Arbiter):  # type: ignore[misc] # gunicorn ships no types
    """An arbiter that does not stop the server when a worker ends.

    gunicorn's own arbiter halts when a worker exits with status 3 or 4, otherwise starts the next
    one immediately, and waits up to 0.1 s after each.

    Args:
        application: gunicorn's program, with its settings.
        lives: Logs the ends of workers, and decides when another one may start.
    """

    def __init__(self, application: WSGIApplication, lives: Lives) -> None:
        self._lives = lives
        super().__init__(application)

    def manage_workers(self) -> None:
        """Start and end workers to have the wanted number; called once a second."""
        self._lives.look(is_busy=any(map(_is_held, self.WORKERS.values())))
        super().manage_workers()

    def spawn_workers(self) -> None:
        """Start the missing workers; a forked worker never returns from here."""
        for _ in range(self.num_workers - len(self.WORKERS)):
            if self._lives.may_begin():
                self.spawn_worker()

    def spawn_worker(self) -> None:
        """Start a worker; if the fork fails, for example for lack of memory, try again later."""
        try:
            pid = super().spawn_worker()
        except OSError as error:
            if os.getpid() != self.pid:
                raise
            self._go_on(self._lives.fail_to_begin(error))
        else:
            self._lives.begin(pid)

    def kill_worker(self, pid: int, sig: int) -> None:
        """Send a worker a signal."""
        self._lives.ask(pid, sig)
        super().kill_worker(pid, sig)

    def murder_workers(self) -> None:
        """Kill the workers without heartbeat; the log line about their end gives the reason."""
        for pid, worker in list(self.WORKERS.items()):
            if time.monotonic() - worker.tmp.last_update() <= self.timeout:
                continue
            self._lives.give_up(pid, is_busy=worker.is_busy)
            # First SIGABRT, at which a worker that still runs writes a traceback.
            self.kill_worker(pid, signal.SIGKILL if worker.aborted else signal.SIGABRT)
            worker.aborted = True

    def reap_workers(self) -> None:
        """Reap every child that has ended."""
        while True:
            try:
                pid, wait_status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.reexec_pid:
                self.reexec_pid: int = 0
            elif (worker := self.WORKERS.pop(pid, None)) is not None:
                worker.tmp.close()
                lives_on = self._lives.end(pid, os.waitstatus_to_exitcode(wait_status))
                self.cfg.child_exit(self, worker)
                self._go_on(lives_on)

    def _go_on(self, lives_on: bool) -> None:
        if not lives_on:
            raise HaltServer("the model was not loaded", self.WORKER_BOOT_ERROR)

    def stop(self, graceful: bool = True) -> None:
        """End all workers."""
        self._lives.stop()
        super().stop(graceful)


def _is_held(worker: Any) -> bool:
    """Whether a worker sends no heartbeat because it runs a request."""
    return bool(worker.is_busy and time.monotonic() - worker.tmp.last_update() > SILENT_S)


class Application(WSGIApplication):  # type: ignore[misc] # as above
    """gunicorn's program with `Master` as its master.

    Args:
        readiness: The files of the server.
        load_news_s: As `Lives`.
    """

    def __init__(self, readiness: Readiness, *, load_news_s: float = LOAD_NEWS_S) -> None:
        self._readiness = readiness
        self._load_news_s = load_news_s
        super().__init__()

    def load(self) -> Any:
        """Return the application with its model; called in a worker after setting its signals."""
        ends.catch_faults(self._readiness.fault_file(os.getpid()))
        return super().load()

    def run(self) -> None:
        """Serve until told to stop."""
        lives = Lives(
            Settings.from_environ(os.environ),
            self._readiness,
            silent_s=self.cfg.timeout,
            load_news_s=self._load_news_s,
        )
        Master(self, lives).run()


def run(
    configuration: Path,
    state_dir: Path,
    preload: str,
    *,
    is_preload_required: bool = True,
    load_news_s: float = LOAD_NEWS_S,
) -> int:
    """Serve until a signal, at which gunicorn raises SystemExit.

    Args:
        configuration: The file with gunicorn's settings.
        state_dir: Where the supervisor looks for the reason of a failure.
        preload: As `Settings.preload`.
        is_preload_required: As in `import_modules`.
        load_news_s: As `Lives`.

    Returns:
        1 if a module to preload cannot be imported.
    """
    gc.disable()  # imports leave no garbage, and looking for it takes time
    if (packages := installation.folder(state_dir)).is_dir():
        # Import the server's own packages first: from the image, not those that a script installs.
        importlib.import_module("byoi.server.app")
        installation.make_importable(packages, sys.path)
    try:
        import_modules(preload, is_required=is_preload_required)
    except errors.ConfigurationError as error:
        Readiness(state_dir).fail(logs.line("error", str(error)))
        return 1
    # As `python -m gunicorn`: gunicorn parses sys.argv, and executes it again on SIGUSR2.
    program = importlib.util.find_spec("gunicorn.__main__")
    assert program is not None and program.origin is not None  # noqa: PT018, S101
    sys.argv = [program.origin, "--config", str(configuration)]
    application = Application(Readiness(state_dir), load_news_s=load_news_s)
    # Keep these objects from garbage collection: it writes to them, and written pages of memory are
    # no longer shared.
    gc.freeze()
    gc.enable()
    application.run()
    return 0


def import_modules(preload: str, *, is_required: bool = True) -> None:
    """Import modules in the master, so that the workers share their memory.

    Args:
        preload: As `Settings.preload`.
        is_required: False only warns about a module that cannot be imported: the model may not
            need it.

    Raises:
        ConfigurationError: A module cannot be imported.
    """
    # ONNX Runtime's telemetry is a thread, which a fork does not copy; it also sends usage data.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    for name in filter(None, preload.split(",")):
        try:
            importlib.import_module(name)
        except Exception as error:  # a module may raise anything
            if not is_required:
                cause = f"{type(error).__name__}: {error}"
                said = f"{name} cannot be imported before the workers are forked: {cause}"
                logs.say("warning", f"{said}; a worker that needs it imports it")
                continue
            raise errors.ConfigurationError(
                f"BYOI_PRELOAD names {name}, which cannot be imported: "
                f"{type(error).__name__}: {error}; install it or remove the name"
            ) from error
