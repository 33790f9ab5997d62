"""Contract 2B: bidirectional streaming, over a WebSocket."""

import time
from collections.abc import Callable

from byoi import contract
from byoi.conformance import web_sockets
from byoi.conformance.case import Case
from byoi.conformance.rule import Kind, rule
from byoi.conformance.verdict import Broken, NotApplicable, NotTested
from byoi.conformance.web_sockets import RefusedError, WebSocket

PATH = "/invocations-bidirectional-stream"

_LABEL = "com.amazonaws.sagemaker.capabilities.bidirectional-streaming"
_TIMEOUT_S = 5.0
# RFC 6455, 7.4.1: close codes of a server that does not understand the frames.
_PROTOCOL_ERRORS = {1002, 1003, 1007}


def _is_labelled(case: Case) -> bool:
    labels = (case.subject.described().get("Config") or {}).get("Labels") or {}
    return str(labels.get(_LABEL, "")).lower() == "true"


def _require(case: Case) -> None:
    if not _is_labelled(case):
        raise NotApplicable(f"the image has no label {_LABEL}=true")


def _opens(case: Case, path: str = PATH) -> str:
    """Return "" if a WebSocket opens, else the answer."""
    server = case.server()
    try:
        with web_sockets.opened(server.host, server.port, path, timeout_s=_TIMEOUT_S):
            return ""
    except RefusedError as refused:
        return str(refused)
    except OSError as error:
        return str(error) or type(error).__name__


def _exchange(case: Case, talk: Callable[[WebSocket], str]) -> str:
    """Open a WebSocket and return the result of `talk`.

    Raises:
        Broken: The connection ends.
        NotTested: The WebSocket does not open.
    """
    _require(case)
    server = case.server()
    try:
        with web_sockets.opened(server.host, server.port, PATH, timeout_s=_TIMEOUT_S) as connection:
            try:
                return talk(connection)
            except OSError as error:
                raise Broken(
                    f"the WebSocket gave no answer: {error}", "keep it open, and answer each frame"
                ) from error
    except OSError as error:
        raise NotTested(f"fix BD-02 first: {error}") from error


@rule(Kind.ANY)
def bd_01(case: Case) -> str:
    """The label `bidirectional-streaming=true` is there if, and only if, it is implemented.

    Source: DG your-algorithms-inference-code.
    """
    refused = _opens(case)
    if _is_labelled(case):
        return f"{_LABEL}=true"
    if not refused:
        raise Broken(
            f"{PATH} opens a WebSocket, and the image has no label {_LABEL}",
            f"add to the Dockerfile: LABEL {_LABEL}=true",
        )
    raise NotApplicable("neither the label nor a WebSocket is there")


@rule(Kind.ANY)
def bd_02(case: Case) -> str:
    """A WebSocket opens at /invocations-bidirectional-stream.

    Source: DG your-algorithms-inference-code.
    """
    _require(case)
    if refused := _opens(case):
        raise Broken(
            f"{PATH} answers {refused}",
            "serve WebSockets there, behind nginx with the headers Upgrade and Connection; or "
            "remove the label",
        )
    return "101"


@rule(Kind.ANY)
def bd_03(case: Case) -> str:
    """A query, which the caller may give, does not lead elsewhere.

    Which other paths there are is the image's choice.

    Source: DG your-algorithms-inference-code.
    """
    _require(case)
    if refused := _opens(case):
        raise NotTested(f"fix BD-02 first: {refused}")
    if refused := _opens(case, f"{PATH}?language=en"):
        raise Broken(f"with a query it answers {refused}", "accept any query")
    return "101 with a query"


@rule(Kind.ANY)
def bd_04(case: Case) -> str:
    """/ping is answered while a WebSocket is open.

    Source: DG your-algorithms-inference-code.
    """

    def talk(_: WebSocket) -> str:
        ping = case.server().ping(timeout_s=_TIMEOUT_S)
        if ping.status != 200 or ping.seconds > contract.PING_TIMEOUT_S:
            raise Broken(
                f"/ping gets {ping.shown} after {ping.seconds:.1f} s while a WebSocket is open; "
                f"the limit is {contract.PING_TIMEOUT_S} s",
                "let no connection occupy the worker that answers /ping",
            )
        return f"200 after {ping.seconds * 1000:.0f} ms"

    return _exchange(case, talk)


@rule(Kind.ANY)
def bd_05(case: Case) -> str:
    """A Ping frame is answered with a Pong of the same bytes.

    Source: DG your-algorithms-inference-code: the platform sends one every 60 s.
    """

    def talk(connection: WebSocket) -> str:
        connection.send(web_sockets.PING, b"byoi")
        until_s = time.monotonic() + _TIMEOUT_S
        while time.monotonic() < until_s:
            try:
                frame = connection.receive()
            except OSError:
                break
            if frame.opcode == web_sockets.PONG and frame.data == b"byoi":
                return "a Pong of the same bytes"
            if frame.opcode == web_sockets.CLOSE:
                break
        raise Broken("a Ping gets no Pong", "answer each Ping, as RFC 6455 5.5.2 has it")

    return _exchange(case, talk)


@rule(Kind.PAYLOAD)
def bd_06(case: Case) -> str:
    """A text and a binary frame are each taken as one message.

    Source: DG your-algorithms-inference-code.
    """
    _require(case)
    return _understood(case, [case.payload().body])


@rule(Kind.PAYLOAD)
def bd_07(case: Case) -> str:
    """A message in fragments is taken.

    Source: DG your-algorithms-inference-code: CompletionState PARTIAL is a frame that is not last.
    """
    _require(case)
    body = case.payload().body
    return _understood(case, [body[: len(body) // 2], body[len(body) // 2 :]])


def _understood(case: Case, parts: list[bytes]) -> str:
    try:
        b"".join(parts).decode()
        opcode = web_sockets.TEXT
    except UnicodeDecodeError:
        opcode = web_sockets.BINARY

    def talk(connection: WebSocket) -> str:
        for number, part in enumerate(parts):
            kind = web_sockets.CONTINUATION if number else opcode
            connection.send(kind, part, is_last=number == len(parts) - 1)
        # The Ping is answered after the message, whether the model answers that or not.
        connection.send(web_sockets.PING, b"after")
        received = 0
        while True:
            frame = connection.receive()
            if frame.opcode == web_sockets.PONG:
                return f"{len(parts)} frames were taken, {received} came back"
            if frame.opcode != web_sockets.CLOSE:
                received += 1
            elif frame.close_code in _PROTOCOL_ERRORS:
                raise Broken(
                    f"{len(parts)} frames of the payload were answered with Close "
                    f"{frame.close_code}",
                    "take text, binary and fragmented messages",
                )
            else:
                return f"closed with {frame.close_code}"

    return _exchange(case, talk)


@rule(Kind.ANY)
def bd_08(case: Case) -> str:
    """A Close frame is answered with one.

    Source: DG your-algorithms-inference-code; RFC 6455 5.5.1.
    """

    def talk(connection: WebSocket) -> str:
        connection.send(web_sockets.CLOSE, b"\x03\xe8")
        while (frame := connection.receive()).opcode != web_sockets.CLOSE:
            pass
        return f"Close {frame.close_code}"

    return _exchange(case, talk)


@rule(Kind.ANY)
def bd_09(case: Case) -> str:
    """A WebSocket is accepted within 250 ms.

    Source: DG your-algorithms-inference-code.
    """
    _require(case)
    started_s = time.monotonic()
    if refused := _opens(case):
        raise NotTested(f"fix BD-02 first: {refused}")
    seconds = time.monotonic() - started_s
    if seconds > contract.CONNECT_TIMEOUT_S:
        raise Broken(
            f"a WebSocket opens after {seconds * 1000:.0f} ms; the limit is 250 ms",
            "open it before the model is asked",
        )
    return f"open after {seconds * 1000:.0f} ms"


@rule(Kind.PLATFORM)
def bd_10(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """A connection lives for 30 minutes at most.

    Source: DG realtime-endpoints-test-endpoints.
    """
    return ""


@rule(Kind.PLATFORM)
def bd_11(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """Callers use HTTP/2 at port 8443, which a container does not see.

    Source: AWS's blog of 2025-11 and the README of aws-samples.
    """
    return ""


@rule(Kind.PLATFORM)
def bd_12(case: Case) -> str:  # noqa: ARG001 - the kind of server is the image's choice
    """A server of WSGI cannot serve WebSockets; one of ASGI, or with gevent, can.

    Source: follows from BD-02.
    """
    return ""
