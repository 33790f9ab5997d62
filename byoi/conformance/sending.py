"""Requests that a server may answer before it has read them: large ones, and those in chunks.

A server that refuses a body may answer and close at once. The rest of the body then cannot be
sent, and the answer can still be read.
"""

import contextlib
import http.client
import time
from collections.abc import Iterator, Mapping

from byoi import contract
from byoi.conformance.server import ANSWER_TIMEOUT_S, Answer, Server

_PIECE_BYTES = 64 * 1024


def send(
    server: Server,
    body: bytes,
    content_type: str,
    headers: Mapping[str, str] | None = None,
    *,
    is_chunked: bool = False,
) -> Answer:
    """Send POST /invocations, and read the answer also where the body is not taken to its end.

    Args:
        server: Is asked.
        body: Request body.
        content_type: Its media type.
        headers: Further request headers.
        is_chunked: Sent in chunks, without a Content-Length.

    Returns:
        An error of the connection is an answer with status 0.
    """
    started_s = time.monotonic()
    connection = http.client.HTTPConnection(server.host, server.port, timeout=ANSWER_TIMEOUT_S)
    all_headers = {"Content-Type": content_type, **(headers or {})}
    if not is_chunked:
        all_headers["Content-Length"] = str(len(body))
    with contextlib.closing(connection):
        try:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                # Pieces without a Content-Length are sent in chunks.
                connection.request("POST", contract.INVOCATIONS_PATH, _pieces(body), all_headers)
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            return Answer(0, seconds=time.monotonic() - started_s, problem=reason)
    found = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, found, content, seconds=time.monotonic() - started_s)


def _pieces(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), _PIECE_BYTES):
        yield body[start : start + _PIECE_BYTES]
