"""Malformed HTTP through nginx: valid requests with changes, each over a connection of its own.

Changed are request lines, headers, lengths, chunk sizes and bodies; requests are pipelined, cut in
the middle, or sent in two pieces. Some clients close their half of the connection after that, as
`nc -N` does, others wait. What is wrong: a status of 500 or another that says the server failed,
an answer that is no HTTP, no end within `HANG_S`, a /ping that is not 200.
"""

import collections
import contextlib
import random
import re
import select
import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection

import process_tree
from steady_load import HOST, OK, ask

CLIENTS = 32
# The server is started with a time-out of a second between two pieces of a request.
ENVIRON = {"BYOI_BODY_TIMEOUT_S": "1", "BYOI_INVOCATION_TIMEOUT_S": "10"}
HANG_S = 12.0
PING_EVERY = 50
# Behind an answer, the server has no more to say.
_SILENCE_S = 0.2
# Two for each connection to a worker, of which nginx keeps as many as were in use at once.
_KEPT_DESCRIPTORS = 2 * CLIENTS
# The share of clients that close their half of the connection once they have sent.
_CLOSING = 0.2
# 501 and 505 say that the request is of a kind that this server does not speak.
_SERVER_FAILED = frozenset({500, 502, 503, 504})
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})[^\r\n]*\r\n")

_START = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
_TABLE = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nAccept: */*;q=0.1\r\n"
_CHUNKS = b"4\r\n[1, \r\n5;a=b\r\n2, 3]\r\n0\r\nTrailer: x\r\n\r\n"
_VALID = (
    b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n",
    b"HEAD /ping HTTP/1.0\r\n\r\n",
    _START + b"Content-Length: 9\r\n\r\n[1, 2, 3]",
    _START + b"Expect: 100-continue\r\nContent-Length: 9\r\n\r\n[1, 2, 3]",
    _START + b"Transfer-Encoding: chunked\r\n\r\n" + _CHUNKS,
    _TABLE + b"Content-Length: 10\r\n\r\nnot so bad",
)
# What is put into a request, or in the place of a part of it: parts of the first line,
_WORDS = (
    "GET |BREW |post |CONNECT |OPTIONS * HTTP/1.1|PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n|/invocations|"
    "//ping|/ping/..|/%70ing|/%00|http://x/ping|/.error/500| HTTP/2.0| HTTP/0.9| HTTP/1.2|"
    "HTTP/1.1 HTTP/1.1|"
    ' |\t|\r|\n|\r\n|\r\n\r\n|\x00|\xff|:|;|/|?|[|"|NaN|1e999|"\\ud800"|\x16\x03\x01\x02\x00'
)
# headers,
_HEADERS = (
    "Content-Length: 5|Content-Length: -1|Content-Length: 1e3|Content-Length: 0x5|Content-Length:|"
    "Content-Length: 99999999999999999999|Content-Length: 26214401|Content-Length: 5, 5|"
    "Content-Length : 3|Content-Length: 5\x00|Content-Encoding: gzip|Content-Type: \xff/\xfe|"
    "Transfer-Encoding: chunked|Transfer-Encoding: gzip, chunked|Transfer-Encoding: \x0bchunked|"
    "transfer-encoding: identity|TE: trailers|Connection: close|Connection: te|Host: y|Host:|"
    "Host: a b|Host: [::1|Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings|Expect: 200-ok|"
    "Range: bytes=0-1|X-Request-Id: a\r\nX-Request-Id: b|X-Accel-Redirect: /x|X-Byoi-Sent: -1|"
    "X-Byoi-Sent: 1e99|Accept: ;;q=|Accept: |Accept: text/csv;q=2| folded|X y: z|: z|X\xe9: y|"
    "X: \x01\x7f|no colon|X_Y: z|X-Amzn-SageMaker-Custom-Attributes: \xff"
)
# sizes of chunks,
_SIZES = 'ffffffffffffffff|-1|0x4|4 |0|00000000000000004|4;a="b\r\nc"|g|'
_PIECES = (
    *(one.encode("latin-1") for one in _WORDS.split("|")),
    *(one.encode("latin-1") + b"\r\n" for one in f"{_HEADERS}|{_SIZES}".split("|")),
    # and what is long.
    *(b"/ping?" + b"a" * 20_000, b"X: " + b"y" * 40_000 + b"\r\n", b"X: y\r\n" * 200),
    *(b"4;" + b"e" * 5_000 + b"\r\n", b"[" * 5_000, b"\xff" * 70_000),
)


def malformed(chosen: random.Random) -> list[bytes]:
    """Return the pieces in which one malformed exchange is sent."""
    sent = b"".join(
        _changed(chosen, chosen.choice(_VALID)) for _ in range(chosen.choice((1, 1, 2, 5)))
    )
    if chosen.random() < 0.25:  # half a request
        sent = sent[: chosen.randrange(len(sent) + 1)]
    if chosen.random() < 0.25:
        place = chosen.randrange(len(sent) + 1)
        return [sent[:place], sent[place:]]
    return [sent]


def _changed(chosen: random.Random, request: bytes) -> bytes:
    for _ in range(chosen.choice((0, 1, 1, 1, 2, 3))):
        piece = chosen.choice(_PIECES)
        change = chosen.choice((_at_a_line, _at_a_line, _anywhere, _without, _twice, _number))
        request = change(chosen, request, piece)
    return request


def _at_a_line(chosen: random.Random, request: bytes, piece: bytes) -> bytes:
    """Put a piece at the start of a line, or in its place."""
    lines = request.split(b"\r\n")
    place = chosen.randrange(len(lines))
    kept = lines[place] if chosen.random() < 0.7 else b""
    lines[place] = piece.removesuffix(b"\r\n") + b"\r\n" * piece.endswith(b"\r\n") + kept
    return b"\r\n".join(lines)


def _anywhere(chosen: random.Random, request: bytes, piece: bytes) -> bytes:
    place = chosen.randrange(len(request) + 1)
    return request[:place] + piece + request[place + chosen.choice((0, 0, 1, len(piece))) :]


def _without(chosen: random.Random, request: bytes, _: bytes) -> bytes:
    """Leave out a line, or some bytes."""
    lines = request.split(b"\r\n")
    if chosen.random() < 0.5:
        del lines[chosen.randrange(len(lines))]
        return b"\r\n".join(lines)
    place = chosen.randrange(len(request) + 1)
    return request[:place] + request[place + chosen.randrange(1, 12) :]


def _twice(chosen: random.Random, request: bytes, _: bytes) -> bytes:
    lines = request.split(b"\r\n")
    place = chosen.randrange(len(lines))
    return b"\r\n".join([*lines[:place], lines[place], *lines[place:]])


def _number(chosen: random.Random, request: bytes, _: bytes) -> bytes:
    """Change a number: a length, a chunk's size, a version."""
    found = list(re.finditer(rb"\d+", request))
    if not found:
        return request
    one = chosen.choice(found)
    new = chosen.choice((b"0", b"1", b"8", b"10", b"300", b"-3", b"1" * 30, b"0009", b"a"))
    return request[: one.start()] + new + request[one.end() :]


# One exchange.


@dataclass(frozen=True)
class Exchange:
    """What became of one connection.

    Attributes:
        statuses: Of all answers, in their order.
        pages: How many of them are nginx's own page in HTML.
        fault: What is wrong; empty for nothing.
        took_s: Until the server closed the connection, or this client had its answers.
    """

    statuses: tuple[int, ...]
    pages: int
    fault: str
    took_s: float


def exchange(port: int, pieces: Sequence[bytes], *, closes: bool) -> Exchange:
    """Send something, and read until the server has no more to say.

    Args:
        port: Of the server, on this machine.
        pieces: Sent one after the other.
        closes: Whether the client closes its half of the connection.
    """
    began_s = time.monotonic()
    received, is_hanging = b"", False
    with contextlib.suppress(ConnectionError), socket.create_connection((HOST, port)) as connection:
        # What the server refuses in the middle is broken off, and has been answered all the same.
        with contextlib.suppress(OSError):
            for number, piece in enumerate(pieces):
                if number:
                    # So that the server reads them as two.
                    select.select([connection], [], [], 0.01)
                connection.sendall(piece)
            if closes:
                connection.shutdown(socket.SHUT_WR)
        try:
            while True:
                # A connection stays open behind a good answer: then it is over.
                has_answer = any(status >= HTTPStatus.OK for status in _statuses(received))
                connection.settimeout(_SILENCE_S if has_answer else HANG_S)
                if not (piece := connection.recv(1 << 16)):
                    break
                received += piece
        except TimeoutError:
            is_hanging = not has_answer
    statuses = _statuses(received)
    fault = _fault(received, statuses, is_hanging=is_hanging)
    return Exchange(statuses, received.count(b"<html>"), fault, time.monotonic() - began_s)


def _statuses(received: bytes) -> tuple[int, ...]:
    return tuple(int(status) for status in _STATUS.findall(received))


def _fault(received: bytes, statuses: Sequence[int], *, is_hanging: bool) -> str:
    # A request of HTTP/0.9 has an answer without a head.
    if received and not statuses and not received.startswith((b"<", b"{")):
        return f"no HTTP: {received[:60]!r}"
    if is_hanging:
        return f"no answer and no end within {HANG_S:.0f} s"
    if failed := _SERVER_FAILED.intersection(statuses):
        return f"status {', '.join(map(str, sorted(failed)))}"
    return ""


# A run.


@dataclass
class Report:
    """What a run did.

    Attributes:
        sent: Connections.
        statuses: Of all answers.
        silent: Connections that were closed without an answer.
        pages: Answers whose body is nginx's own page in HTML, and not an error in JSON.
        faults: What was wrong, each with the number of the exchange and what was sent.
        slowest_s: The longest exchange.
        pings: How often /ping answered with what.
        memory_mb: Of all processes of the server (PSS), after each tenth of the run.
        descriptors: Open ones of all processes: before the run, and some seconds after it.
    """

    sent: int = 0
    statuses: collections.Counter[int] = field(default_factory=collections.Counter)
    silent: int = 0
    pages: int = 0
    faults: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    pings: collections.Counter[str] = field(default_factory=collections.Counter)
    memory_mb: list[float] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)

    def add(self, name: str, pieces: Sequence[bytes], found: Exchange) -> None:
        """Count one exchange."""
        self.sent += 1
        self.statuses.update(found.statuses)
        self.silent += not found.statuses
        self.pages += found.pages
        self.slowest_s = max(self.slowest_s, found.took_s)
        if found.fault:
            self.faults.append(f"{name}: {found.fault}; sent {list(pieces)!r:.3000}")


def run(port: int, pid: int, seed: int, count: int) -> Report:
    """Send malformed requests to a server, some at once, and ask for /ping meanwhile.

    Args:
        port: Of the server, on this machine.
        pid: Of its first process.
        seed: Exchange n is made from `seed:n`, whatever the others are.
        count: How many connections.
    """
    report = Report(descriptors=[process_tree.descriptors(pid)])

    def one(number: int) -> tuple[str, list[bytes], Exchange]:
        name = f"{seed}:{number}"
        chosen = random.Random(name)
        pieces = malformed(chosen)
        return name, pieces, exchange(port, pieces, closes=chosen.random() < _CLOSING)

    with ThreadPoolExecutor(CLIENTS) as pool:
        for begin in range(0, count, max(1, count // 10)):
            numbers = range(begin, min(count, begin + max(1, count // 10)))
            for number, found in enumerate(pool.map(one, numbers)):
                report.add(*found)
                if number % PING_EVERY == 0:
                    report.pings[ping(port)] += 1
            report.memory_mb.append(process_tree.pss_mb(pid))
    report.descriptors.append(_at_rest(pid, report.descriptors[0] + _KEPT_DESCRIPTORS))
    return report


def faults_of_server(report: Report, growth_limit_mb: float) -> Iterator[str]:
    """Yield what is wrong with the server after a run.

    Args:
        report: Of the run.
        growth_limit_mb: How much the server may grow after the first tenth of a run.
    """
    if set(report.pings) - {OK}:
        yield f"http: /ping was {dict(report.pings)}, expected 200 alone"
    growth_mb = report.memory_mb[-1] - report.memory_mb[0]
    if growth_mb > growth_limit_mb:
        yield f"http: the server grew by {growth_mb:.0f} MB, expected {growth_limit_mb} at most"
    before, after = report.descriptors
    if after > before + _KEPT_DESCRIPTORS:
        yield f"http: {after} descriptors are open, expected {before} and those that are kept"


def _at_rest(pid: int, expected: int) -> int:
    """Return the open descriptors once they are no more than expected, or do not become so."""
    end_s = time.monotonic() + HANG_S
    while (found := process_tree.descriptors(pid)) > expected and time.monotonic() < end_s:
        time.sleep(0.1)
    return found


def ping(port: int) -> str:
    """Return the status of /ping, or what became of the connection."""
    connection = HTTPConnection(HOST, port, timeout=2)
    with contextlib.closing(connection):
        return ask(connection, "GET", "/ping").outcome
