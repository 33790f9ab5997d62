"""A response that is sent in pieces, while the inference module still makes it.

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

# Key of the request's `Processing` in the WSGI environment, set by the worker.
PROCESSING = "byoi.processing"

_log = logging.getLogger(__name__)


class Pieces:
    """The pieces of a body, as bytes.

    The constructor makes the first piece, so that an error in it is still an ordinary error
    response. Empty pieces are left out, because an empty chunk ends a body in HTTP.

    Args:
        made: Iterator of bytes or text, from a function of an inference module.
        name: Name of the inference module, for messages.

    Attributes:
        is_empty: Whether there is no piece.

    Raises:
        TypeError: The first piece is not bytes or text. Other errors of the iterator are not
            caught.
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
        """Close the iterator: a generator gets GeneratorExit at its `yield`."""
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
    """A response body that is sent in pieces, with a time limit.

    After the first piece, an error cannot change the status any more. The connection is then
    closed, and the client notices it by the missing last chunk.

    Args:
        pieces: The pieces; the first one is already made.
        request_id: For the log.
        timeout_s: Seconds for all pieces, from now on.
        clock: Returns seconds.

    Attributes:
        since_s: When the first piece was made, on the clock.
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
        # Lets `keep_alive` write to the socket only between two pieces.
        self._lock = threading.Lock()
        self._waits_since_s: float | None = None

    def __iter__(self) -> Self:
        """Return itself."""
        return self

    def __next__(self) -> bytes:
        """Return the next piece when it is made.

        Raises:
            BrokenPipeError: The stream ends with an error, which is logged. The worker closes the
                connection without another log line.
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
        """Close the iterator of pieces; the worker calls it at the end, or if the client left."""
        try:
            self._pieces.close()
        except BaseException as error:  # noqa: BLE001 - a generator's clean-up may raise anything
            self._report(f"the end of a stream failed: {type(error).__name__}", error)

    def keep_alive(self, connection: socket.socket, interval_s: float) -> None:
        """Send one byte that is not part of a piece, if nothing was sent for `interval_s` seconds.

        nginx has one limit for the time between two reads, before and after the first piece. The
        byte is a zero, which may begin the size of the next chunk: nginx reads it and passes
        nothing on.
        """
        with self._lock:
            since_s, now_s = self._waits_since_s, self._clock()
            if since_s is None or now_s - since_s < interval_s:
                return
            self._waits_since_s = now_s
            try:
                connection.send(b"0", socket.MSG_DONTWAIT)
            except OSError:  # buffer full or client gone: sending the next piece will show it
                return

    def _wait(self, since_s: float | None) -> None:
        with self._lock:
            self._waits_since_s = since_s

    def _report(self, message: str, error: BaseException | None = None) -> None:
        _log.error(message, exc_info=error, extra={"request_id": self.request_id})
