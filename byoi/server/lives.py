"""The life cycle of the workers, as gunicorn's master sees it: loading, serving, ended, replaced.

The end of a worker is logged with its cause, and another worker replaces it. Only before the model
was first loaded does it end the server, because the next worker would end in the same way. After
that, a worker that ends soon after its start is replaced after a growing pause.
"""

import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from byoi.server import ends, logs
from byoi.server.memory import Memory
from byoi.server.readiness import LOAD_NEWS_S, Readiness
from byoi.server.settings import Settings

# The end of a worker that served this long does not mean that the next one will end soon.
_LONG_S = 10.0
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
# Longest pause if the load succeeds, or with --reload, where the user is fixing the code.
_LONGEST_SHORT_PAUSE_S = 2.0


@dataclass
class _Life:
    """A worker from its fork to its end; `since_s` in seconds on the clock of `Lives`."""

    since_s: float
    is_loaded: bool = False
    is_asked: bool = False
    is_silent: bool = False
    is_busy: bool = False


class Lives:
    """The running workers, by process id.

    Args:
        settings: Have the names of the module and the model directory, for messages.
        readiness: Has the files that show which workers have loaded the model.
        silent_s: Seconds without a heartbeat after which the master kills a worker.
        memory: Has the memory limit.
        load_news_s: Seconds between two log lines about a slow load.
        say: Writes a log line; as `logs.say`.
        clock: Returns seconds.
    """

    def __init__(  # noqa: PLR0913 - keywords with a default
        self,
        settings: Settings,
        readiness: Readiness,
        *,
        silent_s: float,
        memory: Memory | None = None,
        load_news_s: float = LOAD_NEWS_S,
        say: Callable[..., object] = logs.say,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._readiness = readiness
        self._silent_s = silent_s
        self._memory = memory or Memory()
        self._oom_kills = self._memory.oom_kills()
        self._load_news_s = load_news_s
        self._say = say
        self._clock = clock
        self._lives: dict[int, _Life] = {}
        self._told_loads = 0
        self._is_stopping = False
        self._soon_ended = 0
        self._next_s = float("-inf")

    def begin(self, pid: int) -> None:
        """Report that a worker was forked."""
        self._lives[pid] = _Life(self._clock())

    def ask(self, pid: int, number: int) -> None:
        """Report that the master sends a worker a signal."""
        if (life := self._lives.get(pid)) is not None:
            life.is_asked |= number in {signal.SIGTERM, signal.SIGQUIT, signal.SIGKILL}

    def give_up(self, pid: int, *, is_busy: bool) -> None:
        """Report that the master kills a silent worker, and whether that runs a request."""
        if (life := self._lives.get(pid)) is not None:
            life.is_silent, life.is_busy = True, is_busy

    def stop(self) -> None:
        """Report that the master ends all workers and starts no others."""
        self._is_stopping = True

    def look(self, *, is_busy: bool = False) -> None:
        """Note which workers have loaded the model, and log a slow load.

        Args:
            is_busy: Whether a worker sends no heartbeat because it runs a request.
        """
        if is_busy:
            with suppress(FileNotFoundError):  # state directory deleted: the supervisor stops
                self._readiness.be_busy()
        for pid, life in self._lives.items():
            life.is_loaded = life.is_loaded or self._readiness.has_beaten(pid)
        loading = [life.since_s for life in self._lives.values() if not life.is_loaded]
        now_s = self._clock()
        longest_s = now_s - min(loading, default=now_s)
        due = int(longest_s // self._load_news_s)
        if due > self._told_loads and self._settings.log_level in {"DEBUG", "INFO"}:
            self._say(
                "info",
                f"still loading: {self._settings.module()} has been loading "
                f"{self._settings.model_directory()} for {longest_s:.0f} s, in "
                f"{len(loading)} of {self._settings.workers} workers",
            )
        self._told_loads = due

    def end(self, pid: int, status: int) -> bool:
        """Log the end of a worker, and decide when another one may start.

        Args:
            pid: Process id of the worker; its heartbeat file must not be removed before.
            status: Its exit status, negative for a signal.

        Returns:
            Whether the server continues. False before the first load; the reason is then in
            `Readiness.failure_file`.
        """
        life = self._lives.pop(pid, _Life(self._clock()))
        beats = self._readiness.has_beaten(pid)
        end = ends.End(
            pid,
            status,
            is_loaded=life.is_loaded or beats,
            has_withdrawn=status == 0 and life.is_loaded and not beats,
            is_asked=life.is_asked and not life.is_silent,
            silent_s=self._silent_s if life.is_silent else None,
            is_out_of_memory=self._is_new_oom_kill() if status == -signal.SIGKILL else None,
        )
        if life.is_busy:
            self._readiness.replace(pid)
        elif not end.is_loaded:
            self._readiness.end_replacement()  # the next worker may fail to load, too
        fault = ends.take_fault(self._readiness.fault_file(pid))
        fields = {"pid": pid, "status": status} | ({"traceback": fault} if fault else {})
        if end.is_normal:
            if self._settings.log_level == "DEBUG":
                self._say("debug", f"worker {pid} ended: it was told to stop", **fields)
            return True
        cause = end.cause(self._memory.described)
        if self._is_stopping:
            if self._readiness.failure() is None:  # otherwise that reason is logged
                self._say("error", f"worker {pid} ended: {cause}; the server stops", **fields)
            return True
        if not end.has_withdrawn and not self._readiness.loaded_file.exists():
            # Has no effect if the worker has written its own reason: the first one is kept.
            self._readiness.fail(logs.shown("error", self._first(cause), **fields))
            return False
        lived_s = self._clock() - life.since_s
        if end.has_withdrawn or life.is_silent or (end.is_loaded and lived_s >= _LONG_S):
            pause_s = self._end_pause()
        else:
            pause_s = self._pause(is_loaded=end.is_loaded)
        after = f"in {pause_s:g} s" if pause_s else "now"
        level = "warning" if end.has_withdrawn else "error"
        self._say(level, f"worker {pid} ended: {cause}; another one starts {after}", **fields)
        return True

    def fail_to_begin(self, error: OSError) -> bool:
        """Log that a worker cannot be forked; returns as `end`."""
        cause = f"a worker cannot be started: {error}"
        if not self._readiness.loaded_file.exists():
            self._readiness.fail(
                logs.shown("error", f"{cause}; {self._memory.described()}; {ends.MORE_MEMORY}")
            )
            return False
        pause_s = self._pause(is_loaded=False)
        self._say("error", f"{cause}; {self._memory.described()}; next try in {pause_s:g} s")
        return True

    def may_begin(self) -> bool:
        """Whether the pause after the last end is over."""
        return self._clock() >= self._next_s

    def _end_pause(self) -> float:
        """Reset the pause: another worker may start now."""
        self._soon_ended = 0
        self._next_s = float("-inf")
        return 0.0

    def _pause(self, *, is_loaded: bool) -> float:
        """Return the seconds until another worker may start, doubled for each that ends soon."""
        pause_s = _FIRST_PAUSE_S * 2.0 ** min(self._soon_ended, 10)
        self._soon_ended += 1
        is_short = is_loaded or self._settings.reload == "on"
        if is_loaded and self._soon_ended == 1:
            pause_s = 0.0
        pause_s = min(pause_s, _LONGEST_SHORT_PAUSE_S if is_short else _LONGEST_PAUSE_S)
        self._next_s = self._clock() + pause_s
        return pause_s

    def _first(self, cause: str) -> str:
        return (
            f"{self._settings.module()} ended its worker before the server had loaded "
            f"{self._settings.model_directory()}: {cause}"
        )

    def _is_new_oom_kill(self) -> bool | None:
        before, self._oom_kills = self._oom_kills, self._memory.oom_kills()
        if before is None or self._oom_kills is None:
            return None
        return self._oom_kills > before
