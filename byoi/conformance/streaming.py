"""Contract 2A: a response that is streamed."""

import http.client
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from byoi import contract, proxies
from byoi.conformance.case import Case, Payload
from byoi.conformance.rule import Kind, rule
from byoi.conformance.server import ANSWER_TIMEOUT_S, Server
from byoi.conformance.verdict import Broken, NotApplicable

_LINES = {"application/jsonlines", "application/x-jsonlines", "application/x-ndjson"}
_EVENTS = "text/event-stream"
# If the pieces of an answer arrive over a longer time than this, it is computed in pieces.
_SPREAD_S = 0.3
# A shorter stream does not show whether it is buffered.
_TELLING_S = 0.5
# The first byte of a stream that is not buffered arrives before this share of its time.
_FIRST_BYTE_SHARE = 0.8
_MOST_READ = 64 * 1024
_NOT_STREAMED = (
    "the answer to the payload is not streamed; give one whose answer is, if there are any: "
    "--payload FILE"
)


@dataclass(frozen=True)
class _Stream:
    """The arrival of an answer.

    Attributes:
        status: HTTP status.
        headers: Response headers, names in lower case.
        pieces: The received pieces, each with the seconds since the request.
        seconds: Seconds from the request to the end.
        problem: Why the response did not end correctly, "" if it did.
    """

    status: int
    headers: Mapping[str, str]
    pieces: tuple[tuple[float, bytes], ...]
    seconds: float
    problem: str

    @property
    def body(self) -> bytes:
        return b"".join(piece for _, piece in self.pieces)

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def is_chunked(self) -> bool:
        return "chunked" in self.headers.get("transfer-encoding", "").lower()

    @property
    def first_s(self) -> float:
        return self.pieces[0][0] if self.pieces else self.seconds

    @property
    def is_spread(self) -> bool:
        return bool(self.pieces) and self.pieces[-1][0] - self.first_s > _SPREAD_S

    @property
    def is_streamed(self) -> bool:
        """Whether it arrives in pieces, or is chunked and of a type that is usually streamed."""
        if "content-length" in self.headers or self.status != HTTPStatus.OK:
            return False
        return self.is_spread or (
            self.is_chunked
            and (self.media_type in _LINES | {_EVENTS})
            and len(self.body.strip().splitlines()) > 1
        )


def _receive(server: Server, payload: Payload) -> _Stream:
    started_s = time.monotonic()
    status, headers, problem = 0, {}, ""
    pieces: list[tuple[float, bytes]] = []
    try:
        with server.opened(
            payload.body, payload.content_type, timeout_s=ANSWER_TIMEOUT_S
        ) as response:
            status, headers = response.status, proxies.header_names(response)
            while piece := response.read1(_MOST_READ):
                pieces.append((time.monotonic() - started_s, piece))
                if pieces[-1][0] > contract.STREAM_TIMEOUT_S:
                    problem = "it does not end"
                    break
    # ValueError: chunks whose size is not a number.
    except (OSError, http.client.HTTPException, ValueError) as error:
        problem = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return _Stream(status, headers, tuple(pieces), time.monotonic() - started_s, problem)


def _stream(case: Case) -> _Stream:
    """Return the streamed answer to the payload, which is sent once for all rules.

    Raises:
        NotApplicable: The answer is not streamed.
        NotTested: There is no payload.
    """
    payload = case.payload()
    server = case.server()
    found = case.remembered("stream", lambda: _receive(server, payload))
    if not found.is_streamed:
        raise NotApplicable(_NOT_STREAMED)
    return found


@rule(Kind.PAYLOAD)
def st_01(case: Case) -> str:
    """A response is streamed with HTTP/1.1's chunked transfer encoding, and ends as it says.

    Source: DG your-algorithms-inference-code.
    """
    stream = _stream(case)
    if not stream.is_chunked:
        raise Broken(
            "the response comes in pieces, without Transfer-Encoding: chunked",
            "answer with HTTP/1.1 and Transfer-Encoding: chunked: without it a connection that "
            "breaks looks like the end",
        )
    if stream.problem:
        raise Broken(
            f"the stream broke after {stream.seconds:.1f} s and {len(stream.body)} bytes: "
            f"{stream.problem}",
            "the log has the cause",
        )
    return f"chunked, {len(stream.pieces)} pieces in {stream.seconds:.1f} s"


@rule(Kind.PLATFORM)
def st_02(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """Callers ask for /endpoints/{name}/invocations-response-stream, which a container cannot see.

    Source: BC.
    """
    return ""


@rule(Kind.PAYLOAD)
def st_03(case: Case) -> str:
    """A stream may take 8 minutes, and is complete by then.

    With a slow payload: what is streamed is not cut off by a time-out for whole responses.

    Source: DG deploy-model-options.
    """
    stream = _stream(case)
    if case.given.slow_payload is not None:
        slow_payload = case.given.slow_payload
        server = case.server()
        slow_stream = case.remembered("slow stream", lambda: _receive(server, slow_payload))
        stream = slow_stream if slow_stream.is_streamed else stream
    if stream.problem or stream.seconds > contract.STREAM_TIMEOUT_S:
        raise Broken(
            f"the stream ended after {stream.seconds:.1f} s: {stream.problem or 'too late'}; the "
            f"limit is {contract.STREAM_TIMEOUT_S} s",
            "let no time-out for whole responses end a stream: it has 480 s",
        )
    return f"complete after {stream.seconds:.1f} s; the limit is {contract.STREAM_TIMEOUT_S} s"


@rule(Kind.PAYLOAD)
def st_04(case: Case) -> str:
    """Records tell where they end: the platform splits and merges what is sent.

    Source: DG realtime-endpoints-test-endpoints.
    """
    stream = _stream(case)
    if stream.media_type in _LINES:
        return _each(stream.body.strip().splitlines(), json.loads, "line", "a JSON document")
    if stream.media_type == _EVENTS:
        events = stream.body.replace(b"\r\n", b"\n").strip().split(b"\n\n")
        return _each(events, _read_event, "event", "an event")
    raise NotApplicable(
        f"{stream.media_type or 'no type'} has no records; application/jsonlines and {_EVENTS} have"
    )


def _each(records: list[bytes], read: Callable[[bytes], object], name: str, expected: str) -> str:
    for number, record in enumerate(records, 1):
        try:
            read(record)
        except ValueError as error:
            shown = record[:80].decode("utf-8", "replace")
            raise Broken(
                f"{name} {number} of {len(records)} is not {expected}: {shown}",
                "end each record with a line break (an event with an empty line), and write none "
                "within it",
            ) from error
    return f"{len(records)} records, each {expected}"


def _read_event(event: bytes) -> None:
    names = (b"data", b"event", b"id", b"retry", b":")
    data = 0
    for line in event.splitlines():
        if not line.startswith(names):
            raise ValueError
        data += line.startswith(b"data")
    # Several data lines are one event, or several events without the empty line between them. If
    # each is a JSON object, they are several events.
    if data > 1 and all(_is_json(line) for line in event.splitlines() if line.startswith(b"data")):
        raise ValueError


def _is_json(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line.partition(b":")[2]), dict)
    except ValueError:
        return False


@rule(Kind.OURS)
def st_05(case: Case) -> str:  # noqa: ARG001 - no request makes any image fail in mid-stream
    """A failure in the middle of a stream is seen by the caller: within it, or by its abrupt end.

    Proved in tests/byoi/server/test_streams.py.

    Source: BC ModelStreamError.
    """
    return ""


@rule(Kind.PAYLOAD)
def st_06(case: Case) -> str:
    """The Content-Type and the custom attributes are set before the first byte.

    Source: BC InvokeEndpointWithResponseStreamOutput.
    """
    stream = _stream(case)
    if not stream.media_type:
        raise Broken(
            "the stream has no Content-Type", "name the media type before the first byte is sent"
        )
    name = contract.CUSTOM_ATTRIBUTES_HEADER
    trailer = stream.headers.get("trailer", "")
    if name.lower() in trailer.lower():
        raise Broken(f"{name} is a trailer", "set it before the first byte: trailers are lost")
    return stream.headers["content-type"]


@rule(Kind.PAYLOAD)
def st_07(case: Case) -> str:
    """The first byte arrives before the last one is made: nothing buffers the stream.

    Source: follows from DG your-algorithms-inference-code; nginx buffers unless it is told not to.
    """
    stream = _stream(case)
    shown = f"the first byte after {stream.first_s:.2f} s of {stream.seconds:.2f} s"
    if (
        stream.seconds > _TELLING_S
        and not stream.is_spread
        and stream.first_s > _FIRST_BYTE_SHARE * stream.seconds
    ):
        raise Broken(
            f"{shown}: the stream is buffered",
            "set proxy_buffering off and proxy_http_version 1.1 in nginx, or answer with "
            "X-Accel-Buffering: no",
        )
    return shown


@rule(Kind.PLATFORM)
def st_08(case: Case) -> str:  # noqa: ARG001 - no image can break it
    """The AWS CLI and the SDK's local mode cannot ask for a stream.

    Source: DG realtime-endpoints-test-endpoints.
    """
    return ""
