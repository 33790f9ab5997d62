"""Responses on a socket: what is sent, in how many pieces, and whether more can follow."""

import http.client
import json
import re
import socket
from contextlib import closing, suppress
from email.utils import parsedate_to_datetime

import pytest

from byoi.server.requests import Request
from byoi.server.responses import Response, write_error
from byoi.server.settings import Settings

TYPE = [("Content-Type", "text/plain")]


class Sending:
    """The server's end of a connection, which notes each write."""

    def __init__(self, connection):
        self._connection = connection
        self.sent = []

    def sendall(self, data):
        self.sent.append(data)
        self._connection.sendall(data)


class Body:
    """An iterable that notes whether it was closed, and may break at its end."""

    def __init__(self, *pieces, breaks=None):
        self._pieces, self._breaks = pieces, breaks
        self.closed = 0

    def __iter__(self):
        yield from self._pieces
        if self._breaks is not None:
            raise self._breaks

    def close(self):
        self.closed += 1


class Listed(list):
    """A whole body that wants to be closed."""

    closed = 0

    def close(self):
        self.closed += 1


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Sending(ours), theirs


def request(method="GET", *, keep_alive=True, chunks=True):
    return Request({"REQUEST_METHOD": method}, keep_alive=keep_alive, takes_chunks=chunks)


def read(theirs, method="GET"):
    """Return what a client reads of a response."""
    response = http.client.HTTPResponse(theirs, method=method)
    with closing(response):
        response.begin()
        return response.status, response.msg.items(), response.read()


def test_a_whole_body_is_one_write(ends):
    ours, theirs = ends
    response = Response(request(), ours)
    response.start_response("200 OK", [("Content-Type", "text/plain"), ("X-A", "é")])
    assert not response.is_begun
    response.send([b"one", b"", b"two"])
    (sent,) = ours.sent
    assert sent == (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-A: \xe9\r\nContent-Length: 6\r\n"
        b"Connection: keep-alive\r\n\r\nonetwo"
    )
    assert (response.is_begun, response.is_kept, response.sent) == (True, True, 6)
    assert read(theirs)[2] == b"onetwo"


@pytest.mark.parametrize("body", [[], [b""], (b"",)])
def test_an_empty_body_says_so(ends, body):
    ours, theirs = ends
    response = Response(request(), ours)
    response.start_response("200 OK", TYPE)
    response.send(body)
    status, headers, data = read(theirs)
    assert (status, data, response.sent) == (200, b"", 0)
    assert ("Content-Length", "0") in headers


def test_a_body_whose_length_the_application_says_is_one_write_too(ends):
    ours, theirs = ends
    response = Response(request(), ours)
    response.start_response("200 OK", [("content-length", "6")])
    response.send(body := Body(b"one", b"two"))
    assert len(ours.sent) == 1
    assert ours.sent[0].lower().count(b"content-length") == 1
    assert (response.is_kept, body.closed) == (True, 1)
    assert read(theirs)[2] == b"onetwo"


@pytest.mark.parametrize("length", [None, "6"])
def test_head_gets_the_headers_alone(ends, length):
    ours, theirs = ends
    response = Response(request("HEAD"), ours)
    response.start_response("200 OK", [("Content-Length", length)] if length else TYPE)
    response.send([b"onetwo"])
    assert ours.sent[0].endswith(b"\r\n\r\n")
    status, headers, data = read(theirs, "HEAD")
    assert ("Content-Length", "6") in headers
    assert (status, data, response.is_kept, response.sent) == (200, b"", True, 0)


def test_head_of_a_stream_gets_the_headers_alone(ends):
    ours, theirs = ends
    response = Response(request("HEAD"), ours)
    response.start_response("200 OK", TYPE)
    response.send(body := Body(b"one", b"two"))
    assert b"".join(ours.sent).endswith(b"\r\n\r\n")
    assert read(theirs, "HEAD")[2] == b""
    assert body.closed == 1


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
@pytest.mark.parametrize("body", [[b"text"], Listed(), Body(b"text", b"more")])
def test_some_statuses_have_no_body_and_no_length(ends, status, body):
    ours, theirs = ends
    response = Response(request(), ours)
    response.start_response(status, [])
    response.send(body)
    sent = b"".join(ours.sent)
    assert sent.startswith(f"HTTP/1.1 {status}\r\n".encode())
    assert sent.endswith(b"\r\n\r\n")
    for word in (b"Content-Length", b"Transfer-Encoding", b"text"):
        assert word not in sent
    assert (read(theirs)[2], response.sent) == (b"", 0)


def test_a_body_of_unknown_length_goes_in_chunks_each_one_write(ends):
    ours, theirs = ends
    response = Response(request(), ours)
    response.start_response("200 OK", TYPE)
    response.send(body := Body(b"one", b"", b"t" * 17))
    head, *rest = ours.sent
    assert head.endswith(b"\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\none\r\n")
    assert rest == [b"11\r\n" + b"t" * 17 + b"\r\n", b"0\r\n\r\n"]
    assert b"Content-Length" not in head
    assert (response.is_kept, response.sent, body.closed) == (False, 20, 1)
    assert read(theirs)[2] == b"one" + b"t" * 17


def test_the_first_piece_is_sent_before_the_second_is_made(ends):
    ours, theirs = ends
    response = Response(request(), ours)
    response.start_response("200 OK", TYPE)
    seen = []

    def made():
        assert not response.is_begun
        yield b"one"
        seen.append((len(ours.sent), response.is_begun))
        yield b"two"

    response.send(made())
    assert seen == [(1, True)]
    assert read(theirs)[2] == b"onetwo"


def test_a_client_that_takes_nothing_of_a_stream_is_left():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        body = Body(*[b"a" * 1_000_000] * 9)
        response = Response(request(), ours, let_go=lambda: None, stall_s=0.2)
        response.start_response("200 OK", TYPE)
        with pytest.raises(TimeoutError):
            response.send(body)
        assert body.closed == 1
        assert theirs.recv(12) == b"HTTP/1.1 200"


def test_a_stream_without_pieces_is_an_empty_body(ends):
    ours, theirs = ends
    response = Response(request(), ours)
    response.start_response("200 OK", TYPE)
    response.send(body := Body())
    assert (len(ours.sent), response.is_begun, body.closed) == (1, True, 1)
    assert read(theirs)[2] == b""


def test_http_1_0_knows_no_chunks_so_that_the_end_of_the_connection_is_the_bodys(ends):
    ours, theirs = ends
    response = Response(request(keep_alive=True, chunks=False), ours)
    response.start_response("200 OK", TYPE)
    response.send(Body(b"one", b"two"))
    assert ours.sent[0].endswith(b"\r\nConnection: close\r\n\r\none")
    assert ours.sent[1:-1] == [b"two"]
    assert b"Transfer-Encoding" not in ours.sent[0]
    assert not response.is_kept
    ours._connection.close()
    assert read(theirs)[2] == b"onetwo"


@pytest.mark.parametrize(
    "header",
    [
        ("X-A", "a\r\nX-Forged: 1"),
        ("X-A", "a\nX-Forged: 1"),
        ("X-A", "a\rX-Forged: 1"),
        ("X-A\r\nX-Forged", "1"),
        ("X-A", "中"),
    ],
)
@pytest.mark.parametrize("body", [Listed([b"text"]), Body(b"text")], ids=["whole", "pieces"])
def test_a_header_that_would_be_two_is_refused_before_anything_is_sent(ends, header, body):
    ours, _ = ends
    before = body.closed
    response = Response(request(), ours)
    response.start_response("200 OK", [*TYPE, header])
    with pytest.raises(ValueError, match=r"line break|latin-1"):
        response.send(body)
    assert ours.sent == []
    assert (response.is_begun, body.closed - before) == (False, 1)


def test_so_is_a_status_with_a_line_break(ends):
    ours, _ = ends
    response = Response(request(), ours)
    response.start_response("200 OK\r\nX-Forged: 1", TYPE)
    with pytest.raises(ValueError, match="line break"):
        response.send([b"text"])
    assert ours.sent == []


@pytest.mark.parametrize("error", [BrokenPipeError(), ValueError(), SystemExit()])
def test_a_body_that_breaks_has_no_last_chunk_and_is_closed(ends, error):
    ours, theirs = ends
    response = Response(request(), ours)
    response.start_response("200 OK", TYPE)
    body = Body(b"one", breaks=error)
    with pytest.raises(type(error)):
        response.send(body)
    assert (response.is_begun, response.is_kept, body.closed) == (True, False, 1)
    ours._connection.close()
    with pytest.raises(http.client.IncompleteRead):
        read(theirs)


@pytest.mark.parametrize("error", [ValueError(), SystemExit()])
@pytest.mark.parametrize("headers", [TYPE, [("Content-Length", "3")]])
def test_a_body_that_breaks_before_its_first_piece_leaves_the_answer_open(ends, error, headers):
    ours, _ = ends
    response = Response(request(), ours)
    response.start_response("200 OK", headers)
    body = Body(breaks=error)
    with pytest.raises(type(error)):
        response.send(body)
    assert (ours.sent, response.is_begun, body.closed) == ([], False, 1)


@pytest.mark.parametrize("body", [Listed([b"x" * 10]), Body(b"x" * 10)], ids=["whole", "pieces"])
def test_when_the_client_has_left_it_is_an_os_error_and_the_body_is_closed(ends, body):
    ours, theirs = ends
    theirs.close()
    response = Response(request(), ours)
    response.start_response("200 OK", TYPE)
    with pytest.raises(OSError, match="Broken pipe"):
        response.send(body)
    assert (response.is_begun, body.closed) == (True, 1)


def test_without_a_status_nothing_is_sent_and_the_body_is_closed(ends):
    ours, _ = ends
    body = Listed([b"x"])
    with pytest.raises(TypeError, match="without calling start_response"):
        Response(request(), ours).send(body)
    assert (ours.sent, body.closed) == ([], 1)


def test_the_status_changes_only_for_an_error_and_before_anything_was_sent(ends):
    ours, theirs = ends
    response = Response(request(), ours)
    write = response.start_response("200 OK", TYPE)
    with pytest.raises(TypeError, match="second time"):
        response.start_response("200 OK", TYPE)
    response.start_response("500 No", [("X-A", "1")], (ValueError, ValueError(), None))
    assert (response.status, response.headers) == ("500 No", [("X-A", "1")])
    with pytest.raises(TypeError, match="return the body"):
        write(b"x")
    response.send([b""])
    with pytest.raises(TypeError, match="second time"):
        response.start_response("500 No", [], (ValueError, ValueError(), None))
    assert read(theirs)[0] == 500


@pytest.mark.parametrize(
    ("asks", "keeps", "is_kept"),
    [(True, True, True), (True, False, False), (False, True, False), (False, False, False)],
)
def test_the_connection_is_kept_where_client_and_server_want_it(ends, asks, keeps, is_kept):
    ours, _ = ends
    response = Response(request(keep_alive=asks), ours, keeps=keeps)
    response.start_response("200 OK", TYPE)
    response.send([b"x"])
    assert response.is_kept == is_kept
    (line,) = re.findall(rb"\r\nConnection: ([a-z-]+)\r\n", ours.sent[0])
    assert line == (b"keep-alive" if is_kept else b"close")


@pytest.mark.parametrize("body", [[b"x"], Body(b"x")], ids=["whole", "pieces"])
def test_the_date_stands_there_only_where_asked(ends, body):
    ours, theirs = ends
    dated, plain = (Response(request(), ours, has_date=has_date) for has_date in (True, False))
    for response in (dated, plain):
        response.start_response("200 OK", TYPE)
    dated.send(body)
    (date,) = [value for name, value in read(theirs)[1] if name == "Date"]
    assert date.endswith("GMT")
    assert parsedate_to_datetime(date).year >= 2024
    plain.send(body)
    assert not any(name == "Date" for name, _ in read(theirs)[1])


def test_an_error_is_written_as_a_whole_response_and_leaves_the_client_alone_if_gone():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        write_error(ours, 431, Settings(), "id-1")
        ours.close()
        head, _, body = theirs.makefile("rb").read().partition(b"\r\n\r\n")
        write_error(ours, 431, Settings(), "id-1")  # closed: nothing is raised
    assert head.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert b"\r\nX-Request-Id: id-1" in head
    assert b"\r\nConnection: close" in head
    assert b"Content-Length: %d" % len(body) in head
    assert json.loads(body)["error"] == "HeadersTooLarge"


def test_an_error_names_the_settings_that_it_is_about_and_may_be_another_of_its_status():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        write_error(ours, 413, Settings(body_limit_bytes=77), "id-1")
        write_error(ours, 503, Settings(workers=3), "id-2", ("Own", "there are {workers}"))
        ours.close()
        text = theirs.makefile("rb").read().decode()
    assert "77 bytes" in text
    assert json.loads(text.rpartition("\r\n\r\n")[2]) == {
        "error": "Own",
        "message": "there are 3",
        "request_id": "id-2",
    }


def test_an_error_waits_for_no_client_that_reads_nothing():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                ours.send(b"x" * 4096)
        ours.setblocking(True)
        write_error(ours, 408, Settings(), "id-1")
