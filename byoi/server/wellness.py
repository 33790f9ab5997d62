"""What an inference module says of its own model: `ping_fn`, asked in the worker.

It runs between two requests, because a model may keep something that two calls at once would mix
up; while a request runs, the last answer holds. Its false, or whatever it raises, is a line of
the log and turns /ping 503.
"""

import inspect
import logging
import os
import time
from collections.abc import Callable
from typing import Any

from byoi.server.readiness import Readiness

# A request waits while it is asked: at this pace a ping_fn of 50 ms takes a hundredth of a worker.
# And /ping turns within 10 s, as it does for a worker that is lost.
ASK_S = 5.0
# One that takes longer is told of, once: requests wait for it.
_LONG_S = 1.0

_log = logging.getLogger(__name__)


class Wellness:
    """Asks the `ping_fn` of one worker.

    Args:
        ping: Returns what `ping_fn` says.
        name: Of the inference module, for messages.
        pid: Of the worker.
        readiness: Where the answer is kept.
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
        """Report that nothing is known so far: a server that starts is not ready.

        Where others serve already, one that takes their place does not speak for them before it
        was asked.
        """
        if not self._readiness.loaded_file.exists():
            self._readiness.tell(self._pid, is_well=False)

    def is_due(self) -> bool:
        """Whether it is time to ask."""
        return self._clock() >= self._next_s

    def ask(self) -> None:
        """Ask, and report the answer; a change is logged."""
        began_s, asking = self._clock(), os.getpid()
        error: BaseException | None = None
        is_well = False
        try:
            result = self._ping()
            is_well = _truth(result)
        except BaseException as raised:  # noqa: BLE001 - none may end the worker
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
    """Return what a `ping_fn` returned: a truth value or a number, also of NumPy.

    Raises:
        TypeError: It is something else: a text, a tuple or a coroutine would pass for true.
    """
    if inspect.iscoroutine(result):
        result.close()  # else Python warns that nobody awaited it
    value = result.item() if getattr(result, "shape", None) == () else result
    if isinstance(value, int | float):
        return bool(value)
    raise TypeError(f"ping_fn returned {result!r:.100}, expected True or False")
