"""Parse HTTP requests from the bytes of a connection, each into a WSGI environment.

The parser is llhttp (Node's) by httptools, which refuses ambiguous requests. This module adds the
limits, a body in one piece, and the error statuses.

Sources: RFC 9112 (HTTP/1.1), PEP 3333 (the environment), httptools 0.9 (callbacks).
"""

import functools
import io
import logging
import re
import sys
import tempfile
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote_to_bytes

import httptools

from byoi.server import statuses
from byoi.server.application import BODY, GIVEN_ID

# nginx's own limits are lower.
_TARGET_BYTES = 8190
_FIELD_BYTES = 16_384
_FIELDS = 1000
_HEAD_BYTES = 256 * 1024
# A larger body is collected on disk: slow clients must not fill the memory.
_BODY_BYTES_IN_MEMORY = 1024 * 1024
# The part before the path of a request target in absolute form (RFC 9112, 3.2.2).
_AUTHORITY = re.compile(rb"^[^:]*://[^/?#]*")
_OWN_KEYS = {"HTTP_CONTENT_TYPE": "CONTENT_TYPE", "HTTP_CONTENT_LENGTH": "CONTENT_LENGTH"}


_log = logging.getLogger("gunicorn.error")


class RefusedError(Exception):
    """A request that cannot be served, and whose connection cannot be used again.

    Attributes:
        status: The HTTP status of the answer.
    """

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Request:
    """One complete request.

    Attributes:
        environ: The environment of PEP 3333; also has the whole body, as `environ[BODY]`.
        keep_alive: Whether the client wants to use its connection again.
        takes_chunks: Whether the client accepts chunked bodies: with HTTP/1.1 always.
    """

    __slots__ = ("environ", "keep_alive", "takes_chunks")

    def __init__(self, environ: dict[str, Any], *, keep_alive: bool, takes_chunks: bool) -> None:
        self.environ = environ
        self.keep_alive = keep_alive
        self.takes_chunks = takes_chunks

    @property
    def method(self) -> str:
        """The method, in capitals."""
        return str(self.environ["REQUEST_METHOD"])

    @property
    def path(self) -> str:
        """The path, decoded and without the query."""
        return str(self.environ["PATH_INFO"])

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The headers, names in capitals; without those that describe the body."""
        return [
            (key[5:].replace("_", "-"), value)
            for key, value in self.environ.items()
            if key.startswith("HTTP_")
        ]


class RequestReader:
    """Reads the requests of one connection.

    Args:
        base: The part of the environment that all requests share.
        body_limit_bytes: A larger body is refused with 413; 0 is no limit.
        spool_dir: Directory for large bodies that are not complete.

    Attributes:
        ready: Complete requests, the oldest first.
        has_begun: Whether there is an incomplete request.
        is_in_body: Whether the headers of the incomplete request are complete.
        wants_continue: Whether the client waits for 100 Continue before it sends the body.
        method: Method of the latest request, "" before it is known.
        path: Path of the latest request, "" before it is known.
    """

    def __init__(
        self, base: Mapping[str, Any], *, body_limit_bytes: int, spool_dir: Path | None = None
    ) -> None:
        self.ready: deque[Request] = deque()
        self._base = base
        self._body_limit_bytes = body_limit_bytes or sys.maxsize
        self._spool_dir = spool_dir
        self._parser = httptools.HttpRequestParser(self)
        self._status: int | None = None
        self._goes_on = True
        self._begin()

    def _begin(self) -> None:
        self.has_begun = False
        self.is_in_body = False
        self.wants_continue = False
        self.method = self.path = ""
        self._environ: dict[str, Any] = {}
        self._target = b""
        self._is_chunked = False
        self._fields = 0
        self._head_bytes = 0
        self._pieces: list[bytes] = []
        self._file: Any = None
        self._body_bytes = 0

    @property
    def request_id(self) -> str | None:
        """The id that nginx gave to the latest request; None without nginx."""
        request_id: str | None = self._environ.get(GIVEN_ID)
        return request_id

    @property
    def body_bytes(self) -> int:
        """How many bytes of the latest request's body were received."""
        return self._body_bytes

    @property
    def is_as_new(self) -> bool:
        """Whether it can be used for another connection.

        Reader and parser refer to each other, so only garbage collection frees them; they are
        reused as long as possible instead.
        """
        return not self.has_begun and not self.ready and self._goes_on

    def feed(self, data: bytes) -> None:
        """Parse received data; complete requests are then in `ready`.

        Raises:
            RefusedError: The data is not valid HTTP, or exceeds a limit.
        """
        if self._status is not None:
            raise RefusedError(self._status)
        self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._ignore_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            if self._status is None and "after `Connection: close`" in str(error):
                return  # data after a last request is ignored
            self._goes_on = False
            raise RefusedError(self._status or _status_of(error)) from error
        # Counts bytes since the latest piece of a body: also trailers and extensions of chunks.
        if self._head_bytes > _HEAD_BYTES:
            self._refuse(431)

    def on_message_begin(self) -> None:
        """Begin a request; callback of the parser."""
        self._begin()
        self.has_begun = True

    def on_url(self, part: bytes) -> None:
        """Add a part of the request target; callback of the parser."""
        self._target += part
        if len(self._target) > _TARGET_BYTES:
            self._refuse(414)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header; callback of the parser. A second value of the same name is appended."""
        self._fields += 1
        if len(value) + len(name) > _FIELD_BYTES or self._fields > _FIELDS:
            self._refuse(431)
        key = _key(name)
        # A trailer, after the body, must not count as a header (RFC 9110, 6.5.1).
        if key is None or self.is_in_body:
            return
        text = value.rstrip().decode("latin-1")
        known = self._environ.get(key)
        self._environ[key] = text if known is None else f"{known},{text}"

    def on_headers_complete(self) -> None:
        """Check the headers that describe the body; callback of the parser."""
        parser, environ = self._parser, self._environ
        self.is_in_body = True
        self.method = parser.get_method().decode("ascii")
        self.path, query = _split(self._target)
        self._version = parser.get_http_version()
        if self._version not in {"1.1", "1.0"}:
            self._refuse(400 if self._version == "0.9" else 505)
        if "," in environ.get("HTTP_HOST", ""):  # two Host headers (RFC 9112, 3.2)
            self._refuse(400)
        if expectation := environ.get("HTTP_EXPECT"):
            if expectation.lower() != "100-continue":
                self._refuse(417)
            self.wants_continue = self._version == "1.1"
        if (coding := environ.pop("HTTP_TRANSFER_ENCODING", None)) is not None:
            if coding.lower() != "chunked":
                self._refuse(501)
            self._is_chunked = True
        elif int(environ.get("CONTENT_LENGTH", 0)) > self._body_limit_bytes:
            self._refuse(413)
        environ["REQUEST_METHOD"] = self.method
        environ["PATH_INFO"] = self.path
        environ["QUERY_STRING"] = query
        environ["RAW_URI"] = self._target.decode("latin-1")
        environ["SERVER_PROTOCOL"] = f"HTTP/{self._version}"

    def on_body(self, piece: bytes) -> None:
        """Add a piece of the body; callback of the parser."""
        self._body_bytes += len(piece)
        self._head_bytes = 0
        if self._body_bytes > self._body_limit_bytes:
            self._refuse(413)
        try:
            self._keep(piece)
        except OSError as error:  # for example a full disk
            _log.error(
                "a request body (%d bytes so far) cannot be stored on disk: %s",
                self._body_bytes,
                error,
            )
            self._refuse(statuses.INTERNAL_ERROR)

    def _keep(self, piece: bytes) -> None:
        if self._file is not None:
            self._file.write(piece)
            return
        self._pieces.append(piece)
        if self._body_bytes > _BODY_BYTES_IN_MEMORY:
            self._file = tempfile.TemporaryFile(dir=self._spool_dir)  # noqa: SIM115 - until the request is whole
            self._file.writelines(self._pieces)
            self._pieces.clear()

    def on_message_complete(self) -> None:
        """Complete a request; callback of the parser."""
        if self._parser.should_upgrade():
            return  # its body follows, see _ignore_upgrade
        self._complete(keep_alive=self._parser.should_keep_alive())

    def _complete(self, *, keep_alive: bool) -> None:
        self._goes_on = keep_alive
        body = self._whole_body()
        environ = {**self._base, **self._environ}
        environ["CONTENT_LENGTH"] = str(len(body))
        environ["wsgi.input"] = io.BytesIO(body)
        environ[BODY] = body
        self.ready.append(
            Request(environ, keep_alive=keep_alive, takes_chunks=self._version == "1.1")
        )
        self.has_begun = False
        self.is_in_body = False
        self.wants_continue = False
        self._head_bytes = 0

    def _whole_body(self) -> bytes:
        if self._file is None:
            pieces, self._pieces = self._pieces, []
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)
        with self._file as file:
            self._file = None
            file.seek(0)
            return bytes(file.read())

    def forget_body(self) -> None:
        """Drop an incomplete body and its file: its client has left, or was refused."""
        self._pieces.clear()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _ignore_upgrade(self, rest: bytes) -> None:
        """Read the body of a request with the header Upgrade, which is ignored.

        A server may ignore it (RFC 9110, 7.8); Java's client sends it with each first request.
        httptools reads no body after this header, so another parser reads it. The connection is
        closed afterwards.
        """
        if self.method == "CONNECT":
            self._refuse(405)
        length = int(self._environ.get("CONTENT_LENGTH", 0))
        form = b"Transfer-Encoding: chunked" if self._is_chunked else b"Content-Length: %d" % length
        self._parser = httptools.HttpRequestParser(
            SimpleNamespace(
                on_body=self.on_body, on_message_complete=lambda: self._complete(keep_alive=False)
            )
        )
        self.feed(b"POST / HTTP/1.1\r\nConnection: close\r\n%b\r\n\r\n%b" % (form, rest))

    def _refuse(self, status: int) -> None:
        """Stop parsing with an error status; may be called in a callback."""
        self._goes_on = False
        self._status = status
        self.forget_body()
        raise RefusedError(status)


def base_environ(server_name: str, port: int, *, is_multithreaded: bool) -> dict[str, Any]:
    """Return the part of the WSGI environment that all requests share."""
    return {
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": is_multithreaded,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
        "SCRIPT_NAME": "",
        "SERVER_NAME": server_name,
        "SERVER_PORT": str(port),
    }


@functools.lru_cache(maxsize=256)
def _key(name: bytes) -> str | None:
    """Return a header's key in the environment; None with `_`, which would look like `-` there."""
    if b"_" in name:
        return None
    key = "HTTP_" + name.decode("latin-1").upper().replace("-", "_")
    return _OWN_KEYS.get(key, key)


def _split(target: bytes) -> tuple[str, str]:
    """Return path and query of a request target; the path is decoded as PEP 3333 requires."""
    if not target.startswith(b"/") and b"://" in target:
        target = _AUTHORITY.sub(b"", target)
        target = target if target.startswith(b"/") else b"/" + target
    path, _, query = target.partition(b"#")[0].partition(b"?")
    if b"%" in path:
        path = unquote_to_bytes(path)
    return path.decode("latin-1"), query.decode("latin-1")


def _status_of(error: Exception) -> int:
    """Return the HTTP status for an error of the parser."""
    if "Invalid HTTP version" in str(error):
        return 505
    return 501 if "invalid `Transfer-Encoding`" in str(error) else 400
