"""Requests out of bytes: what is read, what is refused, and that neither depends on the pieces."""

import random
import time
import tracemalloc
from pathlib import Path
from wsgiref.validate import validator

import pytest

from byoi.server import requests
from byoi.server.requests import BODY, RefusedError, RequestReader, base_environ

LIMIT_BYTES = 2000
BASE = base_environ("0.0.0.0", 8080, is_multithreaded=False)
HOST = b"Host: x\r\n"
UPGRADE = b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAEAAEA\r\n"


def reader(*, body_limit_bytes=LIMIT_BYTES, spool_dir=None):
    return RequestReader(BASE, body_limit_bytes=body_limit_bytes, spool_dir=spool_dir)


def bytes_of(data):
    return [data[at : at + 1] for at in range(len(data))]


def fed(*pieces, to=None):
    """Return the requests that are whole, and the status of the refusal that ended them."""
    to = to or reader()
    status = None
    try:
        for piece in pieces:
            to.feed(piece)
    except RefusedError as refusal:
        status = refusal.status
    found = []
    while to.ready:
        request = to.ready.popleft()
        environ = {key: value for key, value in request.environ.items() if key not in BASE}
        assert environ.pop("wsgi.input").read() == environ[BODY]
        found.append((environ, request.keep_alive, request.takes_chunks))
    return found, status


def request(body=b"", *, keep_alive=True, chunks=True, method="GET", path="/", query="", **names):
    """Return one request as `fed` does; `names` are headers, without HTTP_."""
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "RAW_URI": names.pop("RAW_URI", path + (f"?{query}" if query else "")),
        "SERVER_PROTOCOL": "HTTP/1.1" if chunks else "HTTP/1.0",
        "CONTENT_LENGTH": str(len(body)),
        BODY: body,
    }
    own = {"CONTENT_TYPE"}
    environ |= {(key if key in own else f"HTTP_{key}"): value for key, value in names.items()}
    return environ, keep_alive, chunks


POST = b"POST /invocations HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n"
posted = {"method": "POST", "path": "/invocations", "HOST": "x"}

GOOD = {
    "get": (b"GET /ping HTTP/1.1\r\n" + HOST + b"\r\n", [request(path="/ping", HOST="x")]),
    "length": (
        POST + b"Content-Type: text/csv; a=b\r\nContent-Length: 5\r\n\r\n1,2\r\n",
        [request(b"1,2\r\n", **posted, CONTENT_TYPE="text/csv; a=b")],
    ),
    "length of zero": (POST + b"Content-Length: 0\r\n\r\n", [request(**posted)]),
    "chunks": (
        CHUNKED + b"\r\n3\r\nabc\r\n0a\r\n0123456789\r\n0\r\n\r\n",
        [request(b"abc0123456789", **posted)],
    ),
    "chunks with extensions": (
        CHUNKED + b'\r\n3;name=value\r\nabc\r\n2;quoted="a b"\r\nde\r\n0;last\r\n\r\n',
        [request(b"abcde", **posted)],
    ),
    "no chunk": (CHUNKED + b"\r\n0\r\n\r\n", [request(**posted)]),
    "coding in capitals, with space behind it": (
        POST + b"Transfer-Encoding:  Chunked  \r\n\r\n1\r\na\r\n0\r\n\r\n",
        [request(b"a", **posted)],
    ),
    "trailers are no headers": (
        CHUNKED + b"\r\n1\r\na\r\n0\r\nX-Request-Id: forged\r\nHost: evil\r\n\r\n"
        b"GET / HTTP/1.1\r\n\r\n",
        [request(b"a", **posted), request()],
    ),
    "HTTP/1.0": (
        b"POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi",
        [request(b"hi", method="POST", keep_alive=False, chunks=False)],
    ),
    "HTTP/1.0 that stays": (
        b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" * 2,
        [request(chunks=False, CONNECTION="keep-alive")] * 2,
    ),
    "last of its connection": (
        b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
        [request(keep_alive=False, CONNECTION="close")],
    ),
    "nothing is read behind the last": (
        b"GET / HTTP/1.1\r\nConnection: close\r\n\r\nGET /2 HTTP/1.1\r\n\r\n",
        [request(keep_alive=False, CONNECTION="close")],
    ),
    "absolute form": (
        b"GET http://example.com:80/ping?a=/b HTTP/1.1\r\n" + HOST + b"\r\n",
        [request(path="/ping", query="a=/b", HOST="x", RAW_URI="http://example.com:80/ping?a=/b")],
    ),
    "absolute form without a path": (
        b"GET http://example.com?a=/b HTTP/1.1\r\n\r\n",
        [request(query="a=/b", RAW_URI="http://example.com?a=/b")],
    ),
    "a URL in the path": (
        b"GET /http://example.com/x HTTP/1.1\r\n\r\n",
        [request(path="/http://example.com/x")],
    ),
    "percent": (
        b"GET /%69n%C3%A4%2f%zz?%20 HTTP/1.1\r\n\r\n",
        [request(path="/in\xc3\xa4/%zz", query="%20", RAW_URI="/%69n%C3%A4%2f%zz?%20")],
    ),
    "all of a server": (b"OPTIONS * HTTP/1.1\r\n\r\n", [request(method="OPTIONS", path="*")]),
    "a header named twice": (
        b"GET / HTTP/1.1\r\nAccept: a/b\r\nX-A: 1\r\naccept: c/d;q=0.5\r\n\r\n",
        [request(ACCEPT="a/b,c/d;q=0.5", X_A="1")],
    ),
    "names with underscores are dropped": (
        b"GET / HTTP/1.1\r\nX_Request_Id: forged\r\nContent_Length: 9\r\nX-Request-Id: 1\r\n\r\n",
        [request(X_REQUEST_ID="1")],
    ),
    "values keep their bytes, without space around": (
        b"GET / HTTP/1.1\r\nX-A:\t \xc3\xa4 b\xff \t\r\nX-B:\r\n\r\n",
        [request(X_A="\xc3\xa4 b\xff", X_B="")],
    ),
    "blank lines between requests": (
        b"\r\n\r\nGET / HTTP/1.1\r\n\r\n\r\nGET /2 HTTP/1.1\r\n\r\n",
        [request(), request(path="/2")],
    ),
    "pipelined": (
        b"GET /1 HTTP/1.1\r\n\r\n"
        + POST
        + b"Content-Length: 3\r\n\r\nabc"
        + CHUNKED
        + b"\r\n2\r\nde\r\n0\r\n\r\n"
        + b"HEAD /4 HTTP/1.1\r\nConnection: close\r\n\r\n",
        [
            request(path="/1"),
            request(b"abc", **posted),
            request(b"de", **posted),
            request(path="/4", method="HEAD", keep_alive=False, CONNECTION="close"),
        ],
    ),
}
UPGRADES = {"UPGRADE": "h2c", "CONNECTION": "Upgrade, HTTP2-Settings", "HTTP2_SETTINGS": "AAEAAEA"}
GOOD |= {
    "an upgrade is ignored": (
        b"GET / HTTP/1.1\r\n" + UPGRADE + b"\r\nGET /2 HTTP/1.1\r\n\r\n",
        [request(keep_alive=False, **UPGRADES)],
    ),
    "an upgrade with a body": (
        POST + UPGRADE + b"Content-Length: 3\r\n\r\nabcGET /2 HTTP/1.1\r\n\r\n",
        [request(b"abc", keep_alive=False, **posted, **UPGRADES)],
    ),
    "an upgrade with chunks": (
        CHUNKED + UPGRADE + b"\r\n3\r\nabc\r\n1;x\r\nd\r\n0\r\nX-T: t\r\n\r\n",
        [request(b"abcd", keep_alive=False, **posted, **UPGRADES)],
    ),
    "an upgrade behind another request": (
        b"GET /1 HTTP/1.1\r\n\r\n" + POST + UPGRADE + b"Content-Length: 1\r\n\r\na",
        [request(path="/1"), request(b"a", keep_alive=False, **posted, **UPGRADES)],
    ),
    "an upgrade that the connection does not ask for": (
        b"GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\nGET /2 HTTP/1.1\r\n\r\n",
        [request(UPGRADE="h2c"), request(path="/2")],
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_request_is_read_whole_or_byte_by_byte(name):
    data, expected = GOOD[name]
    assert fed(data) == (expected, None)
    assert fed(*bytes_of(data)) == (expected, None)
    half = len(data) // 2
    assert fed(data[:half], data[half:]) == (expected, None)


REFUSED = {
    "no HTTP": (b"NONSENSE\r\n\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    "HTTP/0.9": (b"GET /\r\n\r\n", 400),
    "HTTP/0.9 by name": (b"GET / HTTP/0.9\r\n\r\n", 400),
    "an unknown method": (b"FOO / HTTP/1.1\r\n\r\n", 400),
    "a path that is none": (b"GET foo HTTP/1.1\r\n\r\n", 400),
    "bytes in a path": (b"GET /\xc3\xa4 HTTP/1.1\r\n\r\n", 400),
    "a length that is no number": (POST + b"Content-Length: many\r\n\r\n", 400),
    "a length with a sign": (POST + b"Content-Length: +3\r\n\r\nabc", 400),
    "a length without digits": (POST + b"Content-Length: \r\n\r\n", 400),
    "two lengths": (POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400),
    "length and chunks": (CHUNKED + b"Content-Length: 3\r\n\r\nabc", 400),
    "chunked twice": (POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
    "a chunk without a size": (CHUNKED + b"\r\nzz\r\nhello\r\n0\r\n\r\n", 400),
    "a chunk longer than it says": (CHUNKED + b"\r\n3\r\nabcd\r\n0\r\n\r\n", 400),
    "a line without CR": (b"GET / HTTP/1.1\r\nX-A: a\nX-B: b\r\n\r\n", 400),
    "a folded header": (b"GET / HTTP/1.1\r\nX-A: a\r\n b\r\n\r\n", 400),
    "space behind a name": (b"GET / HTTP/1.1\r\nX-A : a\r\n\r\n", 400),
    "a NUL": (b"GET / HTTP/1.1\r\nX-A: a\0b\r\n\r\n", 400),
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "a tunnel": (b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n", 405),
    "too long a body": (POST + b"Content-Length: %d\r\n\r\n" % (LIMIT_BYTES + 1), 413),
    "a length of 60 bits": (POST + b"Content-Length: 1152921504606846976\r\n\r\n", 413),
    "too long a body in one chunk": (CHUNKED + b"\r\n7d1\r\n" + b"a" * 2001, 413),
    "too long a body in chunks": (CHUNKED + b"\r\n" + b"1\r\na\r\n" * 2001, 413),
    "too long a body behind an upgrade": (
        CHUNKED + UPGRADE + b"\r\n" + b"400\r\n%b\r\n" % (b"a" * 1024) * 2,
        413,
    ),
    "a target too long": (b"GET /" + b"a" * 8190 + b" HTTP/1.1\r\n\r\n", 414),
    "a target without end": (b"GET /" + b"a" * 9000, 414),
    "another expectation": (POST + b"Expect: 200-ok\r\n\r\n", 417),
    "a header too long": (b"GET / HTTP/1.1\r\nX-A: " + b"a" * 16_400 + b"\r\n\r\n", 431),
    "too many headers": (b"GET / HTTP/1.1\r\n" + b"X-A: a\r\n" * 1001 + b"\r\n", 431),
    "headers without end": (b"GET / HTTP/1.1\r\n" + b"X-A: %b\r\n" % (b"a" * 9000) * 40, 431),
    "a header without end": (b"GET / HTTP/1.1\r\nX-A: " + b"a" * 400_000, 431),
    "blank lines without end": (b"\r\n" * 200_000, 431),
    "trailers without end": (
        CHUNKED + b"\r\n1\r\na\r\n0\r\n" + b"X-A: %b\r\n" % (b"a" * 9000) * 40,
        431,
    ),
    "a trailer without end": (CHUNKED + b"\r\n1\r\na\r\n0\r\nX-A: " + b"a" * 400_000, 431),
    "too many trailers": (CHUNKED + b"\r\n0\r\n" + b"X-A: a\r\n" * 1001 + b"\r\n", 431),
    "an extension without end": (CHUNKED + b"\r\n1;" + b"a" * 400_000, 431),
    "another coding": (POST + b"Transfer-Encoding: gzip\r\n\r\n", 501),
    "another coding before chunked": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501),
    "no coding": (POST + b"Transfer-Encoding: \r\nContent-Length: 3\r\n\r\nabc", 400),
    "identity": (POST + b"Transfer-Encoding: identity\r\n\r\n", 501),
    "two hosts": (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    "HTTP/1.2": (b"GET / HTTP/1.2\r\n\r\n", 505),
    "HTTP/2": (b"GET / HTTP/2.0\r\n\r\n", 505),
    "HTTP/3": (b"GET / HTTP/3.0\r\n\r\n", 505),
}


def as_received(data, each_bytes=65_536):
    return [data[at : at + each_bytes] for at in range(0, len(data), each_bytes)]


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("before", [0, 2])
def test_what_cannot_be_served_is_refused_with_its_status(name, before):
    data, status = REFUSED[name]
    good = b"GET /1 HTTP/1.1\r\n\r\n" * before
    expected = [request(path="/1")] * before
    assert fed(*as_received(good + data)) == (expected, status)
    assert fed(*as_received(good + data, 997)) == (expected, status)
    if len(data) < 50_000:
        assert fed(*bytes_of(good + data)) == (expected, status)


@pytest.mark.parametrize("name", REFUSED)
def test_after_a_refusal_nothing_more_is_read(name):
    data, status = REFUSED[name]
    one = reader()
    assert fed(*as_received(data), to=one) == ([], status)
    assert not one.is_as_new
    found, again = fed(b"GET / HTTP/1.1\r\n\r\n", to=one)
    assert found == []
    assert again is not None


@pytest.mark.parametrize(
    "data",
    [
        b"GET /" + b"a" * 8188 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX-A: " + b"a" * 16_381 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X-A: a\r\n" * 1000 + b"\r\n",
        b"GET / HTTP/1.1\r\n" + b"X-A: %b\r\n" % (b"a" * 15_000) * 17 + b"\r\n",
        POST + b"Content-Length: %d\r\n\r\n" % LIMIT_BYTES + b"a" * LIMIT_BYTES,
        CHUNKED + b"\r\n" + b"1\r\na\r\n" * LIMIT_BYTES + b"0\r\n\r\n",
    ],
    ids=["target", "header", "number", "total", "length", "chunks"],
)
def test_what_is_just_within_a_limit_is_read(data):
    for pieces in ([data], as_received(data, 10_000)):
        found, status = fed(*pieces)
        assert (len(found), status) == (1, None)


def test_many_requests_of_one_connection_reach_no_limit():
    one = reader()
    large = b"GET / HTTP/1.1\r\nX-A: %b\r\n\r\n" % (b"a" * 10_000)
    chunks = CHUNKED + b"\r\n1;%b\r\na\r\n0\r\n\r\n" % (b"e" * 10_000)
    for _ in range(60):
        found, status = fed(*as_received(large + chunks, 7000), to=one)
        assert (len(found), status) == (2, None)


@pytest.mark.parametrize(
    ("head", "wants"),
    [
        (POST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n", True),
        (POST + b"expect: 100-Continue \r\nContent-Length: 2\r\n\r\n", True),
        (POST + b"Content-Length: 2\r\n\r\n", False),
        (b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", False),
    ],
)
def test_a_client_that_waits_for_100_continue_is_known_until_its_body_came(head, wants):
    one = reader()
    one.feed(head[:-1])
    assert not one.is_in_body
    one.feed(head[-1:])
    assert (one.wants_continue, one.is_in_body, one.has_begun) == (wants, True, True)
    one.feed(b"hi")
    assert (one.wants_continue, one.is_in_body, one.has_begun) == (False, False, False)
    assert one.ready[0].environ[BODY] == b"hi"


def test_it_tells_how_far_a_request_has_come():
    one = reader()
    seen = []
    for piece in (b"\r\n", b"P", POST[1:], b"X-Request-Id: id-1\r\n\r\n"):
        one.feed(piece)
        seen.append((one.has_begun, one.is_in_body, one.method, one.path, one.request_id))
    assert seen == [
        (False, False, "", "", None),
        (True, False, "", "", None),
        (True, False, "", "", None),
        (False, False, "POST", "/invocations", "id-1"),
    ]
    one.feed(b"G")
    assert (one.method, one.path, one.request_id) == ("", "", None)


def test_a_reader_reads_a_second_connection_as_a_new_one_would():
    one = reader()
    assert one.is_as_new
    for data, expected in GOOD.values():
        if not one.is_as_new:
            one = reader()
        assert fed(data, to=one) == (expected, None)
    one = reader()
    for data, status in REFUSED.values():
        assert fed(CHUNKED + b"\r\n1\r\na\r\n0\r\nX-Left: over\r\n\r\n", to=one) == (
            [request(b"a", **posted)],
            None,
        )
        assert one.is_as_new
        assert fed(*as_received(data), to=one) == ([], status)
        one = reader()


@pytest.mark.parametrize(
    "data",
    [
        b"G",
        POST,
        POST + b"Content-Length: 2\r\n\r\na",
        GOOD["HTTP/1.0"][0],
        GOOD["last of its connection"][0],
        GOOD["an upgrade is ignored"][0],
        GOOD["an upgrade with a body"][0],
    ],
)
def test_one_with_a_half_request_or_at_its_end_is_not_used_again(data):
    one = reader()
    fed(data, to=one)
    assert not one.is_as_new


def test_one_with_a_request_that_nobody_took_is_not_used_again():
    one = reader()
    one.feed(b"GET / HTTP/1.1\r\n\r\n")
    assert not one.is_as_new
    one.ready.clear()
    assert one.is_as_new


LARGE = 3 * 1024 * 1024


@pytest.mark.parametrize(
    "pieces",
    [
        [POST + b"Content-Length: %d\r\n\r\n" % LARGE, *[b"0123456789abcdef" * 4096] * 48],
        [CHUNKED + b"\r\n", *[b"10000\r\n" + b"0123456789abcdef" * 4096 + b"\r\n"] * 48,
         b"0\r\n\r\n"],
    ],
    ids=["length", "chunks"],
)  # fmt: skip
def test_a_large_body_waits_on_the_disk_and_not_in_memory(tmp_path, pieces):
    one = reader(body_limit_bytes=2 * LARGE, spool_dir=tmp_path)
    *all_but_last, last = pieces
    tracemalloc.start()
    try:
        for piece in all_but_last:
            one.feed(piece)
            assert list(tmp_path.iterdir()) == [], "it has no name, so that nobody must remove it"
        held_bytes, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held_bytes < LARGE / 10
    assert peak_bytes < LARGE / 2
    one.feed(last)
    assert one.ready.popleft().environ[BODY] == b"0123456789abcdef" * (LARGE // 16)
    assert one.is_as_new
    one.feed(POST + b"Content-Length: 2\r\n\r\nhi")
    assert one.ready.popleft().environ[BODY] == b"hi"


def open_files(folder):
    return [
        link
        for link in Path("/proc/self/fd").iterdir()
        if link.is_symlink() and str(link.readlink()).startswith(str(folder))
    ]


def test_the_file_of_a_body_that_is_refused_or_broken_off_is_removed_at_once(tmp_path):
    refused = reader(body_limit_bytes=LARGE, spool_dir=tmp_path)
    refused.feed(CHUNKED + b"\r\n300000\r\n" + b"a" * (LARGE - 1))
    assert len(open_files(tmp_path)) == 1
    with pytest.raises(RefusedError):
        refused.feed(b"a\r\n1\r\na")
    assert open_files(tmp_path) == []
    left = reader(body_limit_bytes=LARGE, spool_dir=tmp_path)
    left.feed(POST + b"Content-Length: %d\r\n\r\n" % LARGE + b"a" * (LARGE - 1))
    assert len(open_files(tmp_path)) == 1
    left.forget_body()
    assert open_files(tmp_path) == []


def test_a_reader_that_waits_for_the_next_request_holds_no_body():
    one = reader(body_limit_bytes=LARGE)
    tracemalloc.start()
    try:
        one.feed(POST + b"Content-Length: 1000000\r\n\r\n" + b"a" * 1_000_000)
        one.ready.clear()
        held_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held_bytes < 100_000


@pytest.mark.filterwarnings("ignore:Unknown REQUEST_METHOD")
@pytest.mark.parametrize("name", GOOD)
def test_the_environment_is_as_pep_3333_has_it(name):
    def application(environ, start_response):
        assert environ["wsgi.input"].read(1) == environ_of[BODY][:1]
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"fine"]

    one = reader()
    one.feed(GOOD[name][0])
    for each in one.ready:
        environ_of = dict(each.environ)
        if environ_of["PATH_INFO"] == "*":
            continue  # of no path, for which PEP 3333 has no form
        body = validator(application)(environ_of, lambda *_: lambda _: None)
        assert list(body) == [b"fine"]
        body.close()


def test_environments_share_nothing_that_changes():
    one = reader()
    one.feed(b"GET / HTTP/1.1\r\n\r\n" * 2)
    first, second = one.ready
    first.environ["wsgi.errors"] = first.environ["mark"] = 1
    assert "mark" not in second.environ
    assert second.environ["wsgi.errors"] is BASE["wsgi.errors"]
    assert BASE["wsgi.multiprocess"]
    assert base_environ("x", 1, is_multithreaded=True)["wsgi.multithread"] is True


def test_a_request_has_its_headers_without_those_of_the_bodys_form():
    one = reader()
    one.feed(POST + b"Content-Type: a/b\r\nContent-Length: 1\r\nX-A-B: c\r\n\r\na")
    (each,) = one.ready
    assert each.headers == [("HOST", "x"), ("X-A-B", "c")]
    assert (each.method, each.path) == ("POST", "/invocations")


def test_many_names_of_headers_do_not_fill_the_memory():
    for number in range(2000):
        fed(b"GET / HTTP/1.1\r\nX-Name-%d: a\r\n\r\n" % number)
    assert requests._key.cache_info().currsize <= 256


# Each mutation in one of these ways, at random places.
def _mutated(data, chance):
    data = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data) + 1)
        kind = chance.randrange(6)
        if kind == 0:
            data[at : at + 1] = bytes([chance.randrange(256)])
        elif kind == 1:
            del data[at : at + chance.randint(1, 8)]
        elif kind == 2:
            data[at:at] = chance.choice(FRAGMENTS)
        elif kind == 3:
            data[at:at] = data[at : at + chance.randint(1, 40)]
        elif kind == 4:
            data[at : at + 1] = data[at : at + 1].swapcase()
        else:
            del data[at + 1 :]
    return bytes(data)


FRAGMENTS = (
    b"\r\n", b"\n", b"\r", b" ", b"\t", b"\0", b":", b";", b"0", b"f", b"-1", b"%", b"\xff",
    b"\r\n\r\n",
    b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip\r\n",
    b"Connection: close\r\n", b"Expect: 100-continue\r\n", UPGRADE, b"0\r\n\r\n", b"7fffffff\r\n",
    b"HTTP/1.0", b"CONNECT ", b"HEAD ", b"PRI * HTTP/2.0\r\n\r\n",
)  # fmt: skip


def _pieces(data, chance):
    cuts = sorted(chance.randrange(len(data) + 1) for _ in range(chance.randint(1, 12)))
    return [data[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def test_whatever_comes_is_read_or_refused_and_the_pieces_make_no_difference():
    chance = random.Random(20)
    good = [data for data, _ in GOOD.values()]
    outcomes = set()
    began_s = time.monotonic()
    for number in range(4000):
        data = _mutated(chance.choice(good) + chance.choice((b"", *good)), chance)
        whole = fed(data)
        pieces = _pieces(data, chance) if number % 10 else bytes_of(data)
        assert fed(*pieces) == whole, data
        outcomes.add((len(whole[0]), whole[1]))
    assert time.monotonic() - began_s < 20
    # It is no test of refusals alone, nor of good requests.
    assert {(0, 400), (0, 501), (1, None), (1, 400), (2, None)} <= outcomes


def test_a_body_that_cannot_be_kept_is_a_500_and_its_cause_is_logged(tmp_path, caplog):
    length = 2 * 1024 * 1024
    full = reader(body_limit_bytes=length, spool_dir=tmp_path / "absent")
    full.feed(POST + b"Content-Length: %d\r\n\r\n" % length)
    with pytest.raises(RefusedError) as refused:
        full.feed(b"a" * length)
    assert refused.value.status == 500
    assert "cannot be stored on disk" in caplog.text
    assert "absent" in caplog.text
