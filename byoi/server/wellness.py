"""The inference module's own health check, `ping_fn`, called in the worker.

It runs between two requests, because a model may store data that two calls at the same time would
mix up; while a request runs, the last result stays valid. If it returns false or raises an error,
that is logged, and /ping answers 503.
"""

import inspect
import logging
import os
import time
from collections.abc import Callable
from typing import Any

from byoi.server.readiness import Readiness

# Requests wait while ping_fn runs: at this interval, one of 50 ms takes 1 % of a worker's time, and
# /ping changes within 10 s, as it does for a worker that has stopped.
ASK_S = 5.0
# A ping_fn that takes longer is logged once, because requests wait for it.
_LONG_S = 1.0

_log = logging.getLogger(__name__)


class Wellness:
    """Calls the `ping_fn` of one worker.

    Args:
        ping: Calls `ping_fn` and returns its result.
        name: Name of the inference module, for messages.
        pid: Process id of the worker.
        readiness: Stores the result.
        clock: Returns seconds.
    """

    def __init__(
        self,
        ping: Callable[[], Any],
        name: str,
        pid: int,
        readiness: Readiness,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ping = ping
        self._name = name
        self._pid = pid
        self._readiness = readiness
        self._clock = clock
        self._is_well: bool | None = None
        self._has_told_of_time = False
        self._next_s = float("-inf")

    def begin(self) -> None:
        """At the start of the server, report that it is not ready until `ping_fn` was called.

        If other workers already serve, a new one does not change the server's readiness before its
        `ping_fn` was called.
        """
        if not self._readiness.loaded_file.exists():
            self._readiness.tell(self._pid, is_well=False)

    def is_due(self) -> bool:
        """Whether it is time to call `ping_fn`."""
        return self._clock() >= self._next_s

    def ask(self) -> None:
        """Call `ping_fn` and report the result; a change is logged."""
        began_s, asking = self._clock(), os.getpid()
        error: BaseException | None = None
        is_well = False
        try:
            result = self._ping()
            is_well = _truth(result)
        except BaseException as raised:  # noqa: BLE001 - no error may end the worker
            error = raised
        if os.getpid() != asking:
            os._exit(0)  # ping_fn forked: the copy must not serve beside the worker
        ended_s = self._clock()
        self._next_s = ended_s + ASK_S
        self._tell_of_time(ended_s - began_s)
        if is_well is self._is_well:
            return
        self._readiness.tell(self._pid, is_well=is_well)
        if not is_well:
            _log.error(
                "ping_fn of %s %s in worker %s; /ping answers 503 until it returns true",
                self._name,
                f"raised {type(error).__name__}: {error}" if error else f"returned {result!r:.100}",
                self._pid,
                exc_info=error,
            )
        elif self._is_well is not None:
            _log.info("ping_fn of %s returns true again in worker %s", self._name, self._pid)
        self._is_well = is_well

    def _tell_of_time(self, took_s: float) -> None:
        if took_s < _LONG_S or self._has_told_of_time:
            return
        self._has_told_of_time = True
        _log.warning(
            "ping_fn of %s took %.1f s, and is asked every %g s: requests of worker %s wait for "
            "it; let it do less",
            self._name,
            took_s,
            ASK_S,
            self._pid,
        )


def _truth(result: Any) -> bool:
    """Return the result of a `ping_fn` as a bool; it may be a bool or a number, also of NumPy.

    Raises:
        TypeError: The result is of another type: a text, tuple or coroutine would count as true.
    """
    if inspect.iscoroutine(result):
        result.close()  # avoids Python's warning that it was never awaited
    value = result.item() if getattr(result, "shape", None) == () else result
    if isinstance(value, int | float):
        return bool(value)
    raise TypeError(f"ping_fn returned {result!r:.100}, expected True or False")
