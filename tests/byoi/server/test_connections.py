"""A connection: what it knows of what came, how long ago, and whether it can be given."""

import socket
import time

import pytest

from byoi.server.connections import Connection
from byoi.server.requests import BODY, RefusedError, RequestReader
from byoi.server.sharing import MOVABLE_BYTES

GET = b"GET /a HTTP/1.1\r\nX-Request-Id: id-1\r\n\r\n"
HEAD = b"POST /b HTTP/1.1\r\nContent-Length: %d\r\n\r\n"


class Sharing:
    """Takes what is given, and notes it."""

    def __init__(self, *, is_full=False):
        self.given, self._is_full = [], is_full

    def give(self, sock, received, to=0):
        if self._is_full:
            return False
        self.given.append((sock, received))
        return True


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Connection(ours, RequestReader({}, body_limit_bytes=10**6)), theirs


def receives(connection):
    """Take what there is; return whether more can come."""
    connection.receive()
    return not connection.is_ended


def test_it_takes_what_there_is_and_never_waits(ends):
    connection, client = ends
    assert receives(connection)
    client.sendall(GET[:10])
    assert receives(connection)
    assert connection.has_begun
    assert connection.next_request() is None
    client.sendall(GET[10:] + GET)
    assert receives(connection)
    assert [connection.next_request().path for _ in range(2)] == ["/a", "/a"]
    assert connection.next_request() is None
    assert (connection.method, connection.path, connection.request_id) == ("GET", "/a", "id-1")
    client.close()
    assert not receives(connection)
    assert connection.fileno() == connection.socket.fileno() >= 0


def test_of_a_client_that_sends_no_more_the_request_is_there(ends):
    connection, client = ends
    client.sendall(GET)
    client.shutdown(socket.SHUT_WR)
    assert receives(connection)
    assert not receives(connection)
    assert connection.next_request().path == "/a"


def test_what_is_no_http_is_refused(ends):
    connection, client = ends
    client.sendall(b"NONSENSE\r\n\r\n")
    with pytest.raises(RefusedError) as caught:
        connection.receive()
    assert caught.value.status == 400


def test_a_client_that_waits_for_it_is_told_to_continue_once(ends):
    connection, client = ends
    connection.take(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\n")
    client.setblocking(False)
    with pytest.raises(BlockingIOError):
        client.recv(100)
    connection.take(b"Content-Length: 2\r\n\r\n")
    assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.take(b"h")
    connection.take(b"i")
    with pytest.raises(BlockingIOError):
        client.recv(100)
    assert connection.next_request().environ[BODY] == b"hi"


def test_one_whose_body_came_with_its_headers_is_not_told(ends):
    connection, client = ends
    connection.take(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi")
    client.setblocking(False)
    with pytest.raises(BlockingIOError):
        client.recv(100)


def test_headers_have_their_time_from_the_first_byte_on_and_a_body_from_the_latest(ends):
    connection, _ = ends
    connection.take(b"P")
    begun_s = connection.since_s
    assert time.monotonic() - begun_s < 1
    for piece in (b"OST", b" / HTTP/1.1\r\n", b"Content-Length: 9\r\n"):
        time.sleep(0.01)
        connection.take(piece)
    assert connection.since_s == begun_s
    assert not connection.is_in_body
    connection.take(b"\r\n")
    assert connection.is_in_body
    for piece in (b"a", b"b"):
        before_s = connection.since_s
        time.sleep(0.01)
        connection.take(piece)
        assert connection.since_s > before_s
    connection.take(b"1234567")
    time.sleep(0.01)
    connection.answered()
    assert connection.since_s > before_s


SENT = b"POST /b HTTP/1.1\r\nX-Byoi-Sent: 12.500\r\nContent-Length: 4\r\n\r\n"


def sent_of(request):
    return float(request.environ["HTTP_X_BYOI_SENT"])


@pytest.mark.parametrize("cuts", [[len(SENT)], [5], [len(SENT) + 2, len(SENT) + 3]])
def test_a_request_waits_since_its_body_was_not_whole_and_not_since_its_headers(ends, cuts):
    connection, client = ends
    whole = SENT + b"body"
    for begin, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        latest_s = time.time()
        client.sendall(whole[begin:end])
        assert receives(connection)
        if end != len(whole):
            time.sleep(0.01)
            before_s = latest_s
    sent_s = sent_of(connection.next_request())
    assert before_s - 0.001 <= sent_s <= latest_s
    client.sendall(whole + whole[:-1])
    connection.receive()
    assert sent_of(connection.next_request()) == 12.5
    client.sendall(whole[-1:] + whole)
    connection.receive()
    assert sent_of(connection.next_request()) > 12.5
    assert sent_of(connection.next_request()) == 12.5


def test_one_that_waited_whole_waits_since_nginx_sent_it_whoever_had_it(ends):
    connection, client = ends
    connection.take(SENT)  # another worker read so much
    client.sendall(b"body")
    connection.receive()
    assert sent_of(connection.next_request()) == 12.5
    connection.take(SENT)
    connection.receive()
    client.sendall(b"body")
    connection.receive()
    assert time.time() - sent_of(connection.next_request()) < 1


def test_while_its_worker_had_nothing_to_do_it_did_not_wait_for_that(ends):
    connection, client = ends
    for idle_s in (time.time() + 100, 0.0):
        began_s = time.time()
        client.sendall(SENT)
        connection.receive(began_s - 1)
        client.sendall(b"body")
        connection.receive(idle_s)
        sent_s = sent_of(connection.next_request())
        assert sent_s == pytest.approx(idle_s or began_s, abs=1)
    client.sendall(SENT + b"body")
    connection.receive(time.time())
    assert sent_of(connection.next_request()) == 12.5


@pytest.mark.parametrize(("bytes_each_s", "is_slow"), [(1, True), (400, True), (510, False)])
def test_a_body_that_trickles_is_slow_after_a_minute(ends, bytes_each_s, is_slow):
    connection, client = ends
    client.sendall(HEAD % 10**6)
    connection.receive()
    for second in range(1, 1_000):
        client.sendall(b"a" * bytes_each_s)
        # As of a loop that has waited for it.
        connection.receive(time.time() + second)
        connection._seen_s = time.time() + second
        if connection.is_slow:
            break
    assert connection.is_slow is is_slow
    assert second > 60 or not is_slow


def test_without_nginx_there_is_no_such_header(ends):
    connection, client = ends
    for piece in (HEAD % 2, b"h", b"i"):
        client.sendall(piece)
        connection.receive()
    assert "HTTP_X_BYOI_SENT" not in connection.next_request().environ


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [GET],
        [GET[:10], GET[10:20]],
        [HEAD % 9, b"half"],
        [GET + GET[:9]],
        [HEAD % 60_000 + b"a" * 30_000, b"a" * 30_000],
    ],
)
def test_it_is_given_with_all_that_came_of_its_requests(ends, pieces):
    connection, _ = ends
    for piece in pieces:
        connection.take(piece)
    sharing = Sharing()
    assert connection.give(sharing)
    assert sharing.given == [(connection.socket, b"".join(pieces))]


def test_after_an_answer_it_is_given_with_what_came_since(ends):
    connection, _ = ends
    connection.take(GET)
    connection.next_request()
    connection.answered()
    assert connection.give(idle := Sharing())
    assert idle.given == [(connection.socket, b"")]
    connection.take(GET[:5])
    assert connection.give(begun := Sharing())
    assert begun.given == [(connection.socket, GET[:5])]


def test_where_the_next_request_came_with_the_answered_one_it_stays_until_that_is_answered(ends):
    connection, _ = ends
    connection.take(GET + GET[:9])
    connection.next_request()
    connection.answered()
    assert not connection.give(Sharing())
    connection.take(GET[9:] + GET)
    connection.next_request()
    connection.answered()
    assert not connection.give(Sharing()), "the third one is still here"
    connection.next_request()
    connection.answered()
    assert connection.give(sharing := Sharing())
    assert sharing.given == [(connection.socket, b"")]


def test_one_of_which_too_much_came_stays_until_the_next_request(ends):
    connection, _ = ends
    head = HEAD % 200_000
    connection.take(head + b"a" * (MOVABLE_BYTES - len(head)))
    assert connection.give(Sharing())
    connection.take(b"a")
    assert not connection.give(Sharing())
    connection.take(b"a" * (200_000 - 1 - MOVABLE_BYTES + len(head)))
    assert not connection.give(Sharing())
    assert len(connection.next_request().environ[BODY]) == 200_000
    connection.answered()
    assert connection.give(Sharing())


def test_where_too_many_were_given_it_stays(ends):
    connection, _ = ends
    connection.take(GET)
    assert not connection.give(Sharing(is_full=True))
    assert connection.next_request().path == "/a"


def test_after_a_refusal_what_still_comes_is_read_and_dropped(ends):
    connection, client = ends
    client.sendall(b"NONSENSE\r\n\r\n")
    with pytest.raises(RefusedError):
        connection.receive()
    connection.linger()
    assert 5 < connection.lingers_until_s - time.monotonic() < 15
    assert client.recv(10) == b"", "the client sees the end of the answer"
    client.sendall(GET)
    assert receives(connection)
    assert connection.next_request() is None
    assert not connection.give(Sharing())
    client.close()
    assert not receives(connection)


def test_a_broken_connection_is_an_os_error(ends):
    connection, client = ends
    client.close()
    connection.socket.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        connection.receive()
