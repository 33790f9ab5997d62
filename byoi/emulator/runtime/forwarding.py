"""Forwarding of one invocation to an instance, and of the container's response to the caller.

Sources: API InvokeEndpoint, InvokeEndpointWithResponseStream (headers);
DG deploy-model-options (8 minutes of streaming).
"""

import http.client
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

from moto.core.eventstream import EventStreamEncoder
from werkzeug.wrappers import Request, Response

from byoi import contract
from byoi.emulator.endpoints.instances import ConnectionPool

PREFIX = "X-Amzn-SageMaker-"
# API InvokeEndpoint: the headers of a request that reach the container.
_FORWARDED = (
    "Content-Type",
    "Accept",
    contract.CUSTOM_ATTRIBUTES_HEADER,
    f"{PREFIX}Inference-Id",
    f"{PREFIX}Enable-Explanations",
    f"{PREFIX}Session-Id",
)
# The headers of the container's response that reach the caller.
_RETURNED = (
    contract.CUSTOM_ATTRIBUTES_HEADER,
    f"{PREFIX}New-Session-Id",
    f"{PREFIX}Closed-Session-Id",
)
_PIECE_BYTES = 64 * 1024
_EVENT_STREAM = "application/vnd.amazon.eventstream"
_ENCODER = EventStreamEncoder()


@dataclass(frozen=True)
class ContainerError:
    """An error of the container.

    Attributes:
        status: HTTP status, 0 if the container did not answer.
        body: Body, or what happened instead.
    """

    status: int
    body: bytes


class Invocation:
    """One invocation of one instance."""

    def __init__(
        self,
        request: Request,
        connections: ConnectionPool,
        *,
        timeout_s: float,
        stream_timeout_s: float,
    ) -> None:
        """Prepare an invocation without sending it.

        Args:
            request: Request of the caller.
            connections: Connections to the instance.
            timeout_s: Seconds for a whole response, or until a stream begins.
            stream_timeout_s: Seconds for a whole stream.
        """
        self._request = request
        self._timeout_s = timeout_s
        self._stream_timeout_s = stream_timeout_s
        self._connections = connections
        self._connection = connections.take(timeout_s)

    def whole(self) -> Response | ContainerError:
        """Return the container's response as InvokeEndpoint does."""
        end_s = time.monotonic() + self._timeout_s
        answer = self._send()
        if isinstance(answer, ContainerError):
            return answer
        try:
            body = b"".join(self._pieces(answer, end_s))
        except (OSError, http.client.HTTPException) as problem:
            return self._broken(problem)
        self._give_back(answer)
        response = Response(body, headers=self._returned(answer))
        _copy_type(answer, response, "Content-Type")
        return response

    def stream(self) -> Response | ContainerError:
        """Return the container's response as an event stream."""
        answer = self._send()
        if isinstance(answer, ContainerError):
            return answer
        response = Response(self._events(answer), headers=self._returned(answer))
        _copy_type(answer, response, f"{PREFIX}Content-Type")
        response.headers["Content-Type"] = _EVENT_STREAM
        response.call_on_close(self._connection.close)
        return response

    def _send(self) -> http.client.HTTPResponse | ContainerError:
        headers = self._request.headers
        content = self._request.get_data()
        try:
            connection = self._connection
            if connection.sock is not None:  # the invocation before it left another
                connection.sock.settimeout(self._timeout_s)
            connection.putrequest("POST", contract.INVOCATIONS_PATH, skip_accept_encoding=True)
            for name in _FORWARDED:
                # The header has another name if the response is streamed.
                value = headers.get(f"{PREFIX}{name}" if name == "Accept" else name, None)
                value = headers.get(name) if value is None else value
                if value:
                    connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(content)))
            connection.endheaders(content)
            self._socket = connection.sock  # the connection lets go of one that is not kept
            answer = connection.getresponse()
            if answer.status < 400:
                return answer
            body = answer.read()
        except (OSError, http.client.HTTPException) as problem:
            return self._broken(problem)
        self._give_back(answer)
        return ContainerError(answer.status, body)

    def _give_back(self, answer: http.client.HTTPResponse) -> None:
        answer.close()
        self._connections.give_back(self._connection)

    def _broken(self, problem: Exception) -> ContainerError:
        self._connection.close()
        said = f"The container primary broke the connection: {problem!r}"
        if isinstance(problem, TimeoutError):
            said = (
                "Your invocation timed out while waiting for a response from container primary "
                f"(after {self._timeout_s:g} s)."
            )
        return ContainerError(0, said.encode())

    def _returned(self, answer: http.client.HTTPResponse) -> list[tuple[str, str]]:
        return [(name, value) for name in _RETURNED if (value := answer.getheader(name))]

    def _events(self, answer: http.client.HTTPResponse) -> Iterator[bytes]:
        end_s = time.monotonic() + self._stream_timeout_s
        try:
            for piece in self._pieces(answer, end_s):
                yield _payload_part(piece)
        except TimeoutError:
            said = f"streaming took more than {self._stream_timeout_s:g} s"
            yield _stream_error("ModelInvocationTimeExceeded", said)
        except (OSError, http.client.HTTPException) as problem:
            yield _stream_error("StreamBroken", f"the container broke the connection: {problem!r}")

    def _pieces(self, answer: http.client.HTTPResponse, end_s: float) -> Iterator[bytes]:
        """Yield the body as it arrives; raise TimeoutError if it continues after `end_s`."""
        while (left_s := end_s - time.monotonic()) > 0:
            self._socket.settimeout(left_s)
            if not (piece := answer.read1(_PIECE_BYTES)):
                break
            yield piece
        else:
            raise TimeoutError
        if answer.length:
            raise http.client.IncompleteRead(b"", answer.length)


def _payload_part(piece: bytes) -> bytes:
    """Return the event that carries a part of the body."""
    headers = {
        ":message-type": "event",
        ":event-type": "PayloadPart",
        ":content-type": "application/octet-stream",
    }
    return _ENCODER.encode_message(headers, piece)


def _stream_error(code: str, message: str) -> bytes:
    """Return the event that ends an interrupted stream.

    Args:
        code: `ModelInvocationTimeExceeded` or `StreamBroken`.
        message: What happened.
    """
    headers = {
        ":message-type": "exception",
        ":exception-type": "ModelStreamError",
        ":content-type": "application/json",
    }
    content = json.dumps({"Message": message, "ErrorCode": code}).encode()
    return _ENCODER.encode_message(headers, content)


def _copy_type(answer: http.client.HTTPResponse, response: Response, name: str) -> None:
    del response.headers["Content-Type"]
    if value := answer.getheader("Content-Type"):
        response.headers[name] = value
