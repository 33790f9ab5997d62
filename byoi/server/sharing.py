"""Shared state of the workers: which of them are idle, and connections passed between them.

nginx sends a request on a connection that it has kept open, even if the worker of that connection
is busy. So connections move: a worker that has answered a request which had to wait, while another
worker was idle, gives the connection to it. Soon the connections are spread over the workers, and a
single client stays with one worker, whose caches are warm. Without nginx, a worker only gives away
requests that it cannot run, to a worker that can.

Sources: unix(7), SCM_RIGHTS (passing an open socket to another process); mmap(2), MAP_SHARED.
"""

import array
import fcntl
import mmap
import os
import socket
import time
from pathlib import Path

# A worker that has waited for less may be between two requests of a busy client.
_IDLE_S = 0.001
# An idle worker renews its time at each turn of its loop; with an older time it was killed or
# stopped.
_FRESH_S = 1.0
_NUMBER_BYTES = 8
# Maximum size of received data that moves with its connection.
MOVABLE_BYTES = 65_536


class Sharing:
    """State that is created before the workers are forked; each then takes a place in it.

    Args:
        workers: Number of workers.
        is_addressed: Whether a connection is given to a certain worker, instead of to the first
            one that takes it.
    """

    def __init__(self, workers: int, *, is_addressed: bool = False) -> None:
        self._workers = workers
        self._is_addressed = is_addressed
        # Queues of given connections: one for each worker, or one for all of them.
        self._boxes = [
            socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
            for _ in range(workers if is_addressed else 1)
        ]
        # When each worker became idle, in monotonic seconds; 0 while it is busy.
        self._since_s = memoryview(mmap.mmap(-1, workers * _NUMBER_BYTES)).cast("d")
        self._place = 0

    def fileno(self) -> int:
        """Return the descriptor that is readable when a connection was given."""
        return self._inbox.fileno()

    @property
    def _inbox(self) -> socket.socket:
        return self._boxes[self._place if self._is_addressed else 0][1]

    def join(self, state_dir: Path) -> None:
        """Take a free place: each has a file, whose lock ends with the process that holds it."""
        for place in range(self._workers):
            descriptor = os.open(state_dir / f"place-{place}", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
            else:
                self._place = place
                self.end_waiting()  # the worker before may have been killed while it was idle
                return

    def begin_waiting(self) -> None:
        """Mark this worker as idle."""
        self._since_s[self._place] = time.monotonic()

    def end_waiting(self) -> None:
        """Mark this worker as busy."""
        self._since_s[self._place] = 0.0

    def is_another_idle(self) -> bool:
        """Whether another worker has been idle for a while."""
        latest_s = time.monotonic() - _IDLE_S
        return any(
            0.0 < since_s < latest_s
            for place, since_s in enumerate(self._since_s)
            if place != self._place
        )

    def claim_idle(self) -> int | None:
        """Mark another idle worker as busy, until it marks itself as idle again.

        Returns:
            The place of that worker; None if no other worker is idle.
        """
        earliest_s = time.monotonic() - _FRESH_S
        for place, since_s in enumerate(self._since_s):
            if place != self._place and since_s > earliest_s:
                self._since_s[place] = 0.0
                return place
        return None

    def give(self, connection: socket.socket, received: bytes, to: int = 0) -> bool:
        """Give a connection to the worker at a place, or to the first one that takes it.

        Args:
            connection: The socket; closed here afterwards.
            received: The data already read of a request, at most `MOVABLE_BYTES`.
            to: The place, if connections are addressed.

        Returns:
            False if the queue is full: the connection stays here.
        """
        try:
            self._boxes[to][0].sendmsg(
                # On some systems an empty message cannot carry a descriptor.
                [b"\0" + received],
                [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [connection.fileno()]))],
                socket.MSG_DONTWAIT,
            )
        except OSError:
            return False
        connection.close()
        return True

    def take(self) -> tuple[socket.socket, bytes] | None:
        """Return a given connection and its received data; None without one."""
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
