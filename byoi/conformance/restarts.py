"""A server that is started again and again, because each start fails.

A shell loop, supervisord, or a master process with workers that end: process 1 runs, and no server
does. Scripts that prepare a start run many short programs, too, and a server may log the same
error while it waits for something: so both must be seen, new processes and the same error.
"""

import collections
import time

from byoi.conformance import log_lines, missing
from byoi.conformance.server import Server
from byoi.conformance.verdict import Broken, NotTested

# Seconds between two looks at the processes.
_LOOK_S = 0.5
# So many processes of one name, and so many equal errors, are no start.
_PROCESSES, _ERRORS = 3, 3
# So many equal errors, if the processes cannot be seen.
_ERRORS_UNSEEN = 6
_REMEDY = "mend what the error says; and let process 1 end with the server, so that it is noticed"


class Restarts:
    """Watches the children of a server's first process."""

    def __init__(self, server: Server) -> None:
        """Store the server; nothing is asked yet."""
        self._sight = server.sight
        self._ids: dict[str, set[int]] = collections.defaultdict(set)
        self._is_seen = True
        self._looked_s = 0.0

    def problem(self) -> Broken | None:
        """Return the problem of a server that is started again and again, None without it.

        Called often; it looks only twice a second.
        """
        now_s = time.monotonic()
        if not self._sight.sees_start or now_s - self._looked_s < _LOOK_S:
            return None
        self._looked_s = now_s
        try:
            if self._is_seen:
                self._look()
            if self._is_seen and max(map(len, self._ids.values()), default=0) < _PROCESSES:
                return None
            log = self._sight.log()
        except NotTested:
            return None
        return of_log(log, _ERRORS if self._is_seen else _ERRORS_UNSEEN)

    def _look(self) -> None:
        try:
            for one in self._sight.children():
                self._ids[one.name].add(one.pid)
        except NotTested:
            self._is_seen = False


def of_log(log: str, least: int) -> Broken | None:
    """Return the problem that the same error ends a log's traces again and again, else None.

    Args:
        log: The whole log.
        least: The least number of equal errors.
    """
    times, line = log_lines.repeated_error(log)
    if times < least:
        return None
    if needs_driver := missing.driver(line):
        return needs_driver
    cause, remedy = missing.in_image(line) or ("", _REMEDY)
    seen = f"it is started again and again: {times} times {line}"
    return Broken(f"{cause}: {seen}" if cause else seen, remedy)
