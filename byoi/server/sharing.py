"""What the workers of a server share: who is idle, and connections that are given to the idle.

nginx sends a request on a connection that it has kept, and knows nothing of what its worker does.
So a connection moves: whoever has answered a request that had to wait, while another worker had
nothing to do, gives it the connection. Soon each worker has its part of them, and a single client
stays with one worker, whose caches are warm. Without nginx a worker gives the requests alone that
it cannot run, to a worker that can.

Sources: unix(7), SCM_RIGHTS (an open socket is given to another process); mmap(2), MAP_SHARED.
"""

import array
import fcntl
import mmap
import os
import socket
import time
from pathlib import Path

# A worker that has waited for less is idle only between two requests of a busy client.
_IDLE_S = 0.001
# One that said so longer ago was killed or stopped: a worker says it again at each look.
_FRESH_S = 1.0
_NUMBER_BYTES = 8
# What was received of a request may go with its connection; more does not.
MOVABLE_BYTES = 65_536


class Sharing:
    """Made before the workers are forked; each takes a place in it afterwards.

    Args:
        workers: How many there are.
        is_addressed: Whether a connection is given to a certain worker, instead of to whoever
            takes it first.
    """

    def __init__(self, workers: int, *, is_addressed: bool = False) -> None:
        self._workers = workers
        self._is_addressed = is_addressed
        # Where to put connections, and where to take them: of each worker, or of all of them.
        self._boxes = [
            socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
            for _ in range(workers if is_addressed else 1)
        ]
        # Since when each worker waits, in monotonic seconds; 0 while it does not.
        self._since_s = memoryview(mmap.mmap(-1, workers * _NUMBER_BYTES)).cast("d")
        self._place = 0

    def fileno(self) -> int:
        """Return what is readable when a connection was given."""
        return self._inbox.fileno()

    @property
    def _inbox(self) -> socket.socket:
        return self._boxes[self._place if self._is_addressed else 0][1]

    def join(self, state_dir: Path) -> None:
        """Take the place of no other living worker: the lock of its file ends with the process."""
        for place in range(self._workers):
            descriptor = os.open(state_dir / f"place-{place}", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
            else:
                self._place = place
                self.end_waiting()  # whoever had it before may have been killed while it waited
                return

    def begin_waiting(self) -> None:
        """Say that this worker has nothing to do."""
        self._since_s[self._place] = time.monotonic()

    def end_waiting(self) -> None:
        """Say that it has."""
        self._since_s[self._place] = 0.0

    def is_another_idle(self) -> bool:
        """Whether another worker has had nothing to do for a while."""
        latest_s = time.monotonic() - _IDLE_S
        return any(
            0.0 < since_s < latest_s
            for place, since_s in enumerate(self._since_s)
            if place != self._place
        )

    def claim_idle(self) -> int | None:
        """Let another worker that has nothing to do count as one that has, until it waits again.

        Returns:
            Its place; None if there is none.
        """
        earliest_s = time.monotonic() - _FRESH_S
        for place, since_s in enumerate(self._since_s):
            if place != self._place and since_s > earliest_s:
                self._since_s[place] = 0.0
                return place
        return None

    def give(self, connection: socket.socket, received: bytes, to: int = 0) -> bool:
        """Give a connection to the worker at a place, or to whoever takes it first.

        Args:
            connection: Closed afterwards.
            received: What was read of a request, at most `MOVABLE_BYTES`.
            to: The place, if connections are addressed.

        Returns:
            False if it stays: too many wait to be taken.
        """
        try:
            self._boxes[to][0].sendmsg(
                # Empty messages carry no descriptors on every system.
                [b"\0" + received],
                [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [connection.fileno()]))],
                socket.MSG_DONTWAIT,
            )
        except OSError:
            return False
        connection.close()
        return True

    def take(self) -> tuple[socket.socket, bytes] | None:
        """Return a connection that was given, and what was received; None if there is none."""
        try:
            data, ancillary, _, _ = self._inbox.recvmsg(
                MOVABLE_BYTES + 1, socket.CMSG_SPACE(4), socket.MSG_DONTWAIT
            )
        except BlockingIOError:
            return None
        descriptors = array.array("i")
        for _, _, content in ancillary:
            descriptors.frombytes(content[:4])
        return (socket.socket(fileno=descriptors[0]), data[1:]) if descriptors else None
