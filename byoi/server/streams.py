"""A response that is sent piece by piece, while the inference module still makes it.

Sources: Developer Guide, deploy-model-options (the limit of a streaming response); RFC 9112,
section 7.1 (chunks: a size may begin with zeros, and without the last chunk a body is incomplete).
"""

import errno
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Self

# Where the worker puts the request's `Processing` for the application.
PROCESSING = "byoi.processing"

_log = logging.getLogger(__name__)


class Pieces:
    """The pieces of a body, as bytes. The first has been made when this exists.

    So what fails before it is still an ordinary error response. Empty pieces are left out: HTTP
    ends a body with an empty chunk.

    Args:
        made: What a function of an inference module returned or yields: bytes or text.
        name: Of the inference module, for messages.

    Attributes:
        is_empty: Whether there was no piece at all.

    Raises:
        TypeError: The first piece is neither; whatever else making it raises passes.
    """

    def __init__(self, made: Iterator[Any], name: str) -> None:
        self._made = made
        self._name = name
        self._rest = self._encoded()
        self._first = next(self._rest, None)
        self.is_empty = self._first is None

    def __iter__(self) -> Self:
        """Return itself."""
        return self

    def __next__(self) -> bytes:
        """Return the next piece."""
        if self._first is not None:
            first, self._first = self._first, None
            return first
        return next(self._rest)

    def close(self) -> None:
        """End what makes the pieces: a generator gets GeneratorExit at its `yield`."""
        if close := getattr(self._made, "close", None):
            close()

    def _encoded(self) -> Iterator[bytes]:
        for piece in self._made:
            if isinstance(piece, str):
                data = piece.encode("utf-8")
            elif isinstance(piece, bytes | bytearray | memoryview):
                data = bytes(piece)
            else:
                raise TypeError(
                    f"{self._name} made a piece of a stream that is {type(piece).__name__}; "
                    "expected bytes or text: write JSON with json.dumps, one line a piece"
                )
            if data:
                yield data


class Stream:
    """A response body of pieces on its way to a client, with a limit and a log.

    Once its first piece has been sent there is no status left to report an error with. Then the
    connection is broken, which the client notices because the last chunk is missing.

    Args:
        pieces: With the first one made.
        request_id: For the log.
        timeout_s: Seconds for all of it, from now on.
        clock: Returns seconds.

    Attributes:
        since_s: When the first piece was there, on the clock.
        timeout_s: As above.
        request_id: As above.
    """

    def __init__(
        self,
        pieces: Pieces,
        *,
        request_id: str,
        timeout_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.timeout_s = timeout_s
        self.since_s = clock()
        self._pieces = pieces
        self.request_id = request_id
        self._clock = clock
        self._is_begun = False
        # Between two pieces nobody writes to the socket but `keep_alive`.
        self._lock = threading.Lock()
        self._waits_since_s: float | None = None

    def __iter__(self) -> Self:
        """Return itself."""
        return self

    def __next__(self) -> bytes:
        """Return the next piece when it is made.

        Raises:
            BrokenPipeError: No more can be sent; the cause is in the log. The worker closes the
                connection then, without another line.
        """
        if not self._is_begun:
            self._is_begun = True
            return next(self._pieces)
        self._wait(self._clock())
        try:
            piece = next(self._pieces)
        except StopIteration:
            raise
        except BaseException as error:
            self._report(f"a stream broke: {type(error).__name__}", error)
            cause = f"the stream broke: {type(error).__name__}"
            raise BrokenPipeError(errno.EPIPE, cause) from error
        finally:
            self._wait(None)
        if self._clock() - self.since_s > self.timeout_s:
            self._report(f"a stream did not end within {self.timeout_s:g} s, and was cut")
            raise BrokenPipeError(errno.EPIPE, "the stream is too long")
        return piece

    def close(self) -> None:
        """End the making of pieces, as the worker asks for when the client has left."""
        try:
            self._pieces.close()
        except BaseException as error:  # noqa: BLE001 - a generator's clean-up may raise anything
            self._report(f"the end of a stream failed: {type(error).__name__}", error)

    def keep_alive(self, connection: socket.socket, interval_s: float) -> None:
        """Send what is no piece if nothing was sent for `interval_s` seconds.

        nginx limits the time between two reads, and has one limit for what comes before the
        first piece and after it. It reads a zero, with which the size of the next chunk begins,
        and sends nothing on.
        """
        with self._lock:
            since_s, now_s = self._waits_since_s, self._clock()
            if since_s is None or now_s - since_s < interval_s:
                return
            self._waits_since_s = now_s
            try:
                connection.send(b"0", socket.MSG_DONTWAIT)
            except OSError:  # full, or the client has left: the next piece will tell
                return

    def _wait(self, since_s: float | None) -> None:
        with self._lock:
            self._waits_since_s = since_s

    def _report(self, message: str, error: BaseException | None = None) -> None:
        _log.error(message, exc_info=error, extra={"request_id": self.request_id})
