"""Turns: how many invocations run at once in a worker that has no nginx in front.

Behind nginx a worker accepts no more connections than it has threads, so that the rest wait for
any worker. Alone it accepts all, because /ping is one of them and must not wait.
"""

import threading
import time
from collections.abc import Callable

_LOOK_S = 0.2


class Turns:
    """A number of turns to take and give back, by any thread.

    Args:
        number: Turns at once.
        clock: Returns seconds.
    """

    def __init__(self, number: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._left = threading.Semaphore(number)
        self._clock = clock
        self._is_closed = False

    def take(self, timeout_s: float) -> bool:
        """Wait for a turn.

        Returns:
            Whether it was taken: False past the time, and when there will be none.
        """
        end_s = self._clock() + timeout_s
        while not self._is_closed:
            left_s = end_s - self._clock()
            if self._left.acquire(timeout=max(0.0, min(left_s, _LOOK_S))):
                return True
            if left_s <= _LOOK_S:
                return False
        return False

    def give_back(self) -> None:
        """End a turn that was taken."""
        self._left.release()

    def is_free(self) -> bool:
        """Whether a turn could be taken now."""
        if not self._left.acquire(blocking=False):
            return False
        self._left.release()
        return True

    def close(self) -> None:
        """Let nobody wait any longer."""
        self._is_closed = True
