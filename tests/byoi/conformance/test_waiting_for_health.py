"""A server that waiting does not mend is named soon; one that still starts is waited for."""

import contextlib
import http.server
import threading
import time

import pytest

from byoi.conformance import restarts, waiting
from byoi.conformance.proc import Process
from byoi.conformance.server import Listener, Server, Unseen
from byoi.conformance.verdict import Broken

REFUSED = (
    "2026/11/29 06:14:29 [error] 9#9: *1 connect() failed (111: Connection refused) while "
    'connecting to upstream, client: 172.17.0.1, server: , request: "GET /ping HTTP/1.1", '
    'upstream: "http://127.0.0.1:8000/ping", host: "172.17.0.2:8080"\n'
)
GUNICORN = "[2026-11-29 06:14:29 +0000] [8] [INFO] Listening at: unix:/tmp/gunicorn.sock (8)\n"
TRACE = (
    "Traceback (most recent call last):\n"
    '  File "/app/server.py", line 2, in <module>\n'
    "ModuleNotFoundError: No module named 'torch'\n"
)


class Sight(Unseen):
    """What is seen of a container, as a test says it."""

    sees_start = True

    def __init__(self, log="", names=""):
        self.text = log
        self.names = names

    def log(self):
        return self.text

    def listeners(self):
        return [Listener("0.0.0.0", 8080)]

    def unix_sockets(self):
        return ["/tmp/gunicorn.sock"]

    def nginx_configuration(self):
        return self.names

    def children(self):
        return []

    def is_out_of_memory(self):
        return False


class Ping(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Endless(Ping):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with contextlib.suppress(OSError):
            while True:
                self.wfile.write(b"1\r\n.\r\n")
                time.sleep(0.05)


class Short(Ping):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "10")
        self.end_headers()
        self.wfile.write(b"ok")
        self.close_connection = True


class OfOneHost(Ping):
    def do_GET(self):
        if self.headers["Host"] == "api.example.com":
            self.answer(200)
        self.close_connection = True


class Closing(Ping):
    def do_GET(self):
        self.close_connection = True


class BadGateway(Ping):
    def do_GET(self):
        self.answer(502)


class ReadyLater(Ping):
    """As a program in front of a server that takes its time, by the first status."""

    since_s = 0.0
    first = 0

    def do_GET(self):
        if time.monotonic() - self.since_s > 1.5:
            self.answer(200)
        elif self.first:
            self.answer(self.first)
        else:
            self.close_connection = True


def waited(answers, sight, limit_s=2.0):
    """Return the problem, and the seconds until it was found."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), answers) as served:
        threading.Thread(target=served.serve_forever, args=(0.02,), daemon=True).start()
        began_s = time.monotonic()
        server = Server("127.0.0.1", served.server_port, sight)
        problem = waiting.wait_until_healthy(
            server, limit_s, explain_end=lambda _: Broken("ended", ""), port=8080
        )
        served.shutdown()
        return problem, time.monotonic() - began_s


def test_a_body_of_ping_that_does_not_end_is_named_at_once():
    problem, seconds = waited(Endless, Sight(), limit_s=60)
    assert "not complete within 2 s" in problem.seen
    assert "status 200" in problem.seen
    assert "end the body" in problem.remedy
    assert seconds < 20


def test_a_body_that_is_shorter_than_it_says_is_named():
    problem, seconds = waited(Short, Sight(), limit_s=10)
    assert "not complete" in problem.seen
    assert "Content-Length" in problem.remedy
    assert seconds < 8


def test_a_server_that_closes_unless_the_host_is_its_own_is_named_with_that_host():
    sight = Sight(names="http { server { listen 8080; server_name api.example.com _; } }")
    problem, seconds = waited(OfOneHost, sight, limit_s=10)
    assert "answers 200 with Host: api.example.com" in problem.seen
    assert "server_name" in problem.remedy
    assert seconds < 8


def test_nginx_that_closes_on_purpose_is_named():
    line = '172.17.0.1 - - [29/Nov/2026:06:14:30 +0000] "GET /ping HTTP/1.1" 444 0 "-" "-"\n'
    problem, _ = waited(Closing, Sight(log=line))
    assert "444" in problem.seen
    assert "no `return 444`" in problem.remedy


def test_one_that_closes_for_an_unknown_reason_is_waited_for_and_told():
    problem, _ = waited(Closing, Sight(), limit_s=0.6)
    assert isinstance(problem, waiting.NotReady)
    assert "accepts the connections and closes them" in problem.remedy


@pytest.mark.parametrize("first", [0, 502, 503])
def test_a_server_behind_a_program_that_is_there_first_may_take_its_time(first):
    late = type("Late", (ReadyLater,), {"since_s": time.monotonic(), "first": first})
    problem, _ = waited(late, Sight(log=REFUSED), limit_s=8)
    assert problem is None


def test_an_application_that_listens_elsewhere_than_nginx_looks_is_named_before_the_limit():
    problem, seconds = waited(BadGateway, Sight(log=GUNICORN + REFUSED), limit_s=5)
    assert "nginx finds nothing at 127.0.0.1:8000" in problem.seen
    assert "unix:/tmp/gunicorn.sock" in problem.seen
    assert "proxy_pass" in problem.remedy
    assert seconds < 4


@pytest.mark.parametrize(
    "announced", ["", GUNICORN.replace("unix:/tmp/gunicorn.sock", "http://127.0.0.1:8000")]
)
def test_an_application_that_may_still_start_is_waited_for(announced):
    problem, _ = waited(BadGateway, Sight(log=announced + REFUSED), limit_s=1)
    assert isinstance(problem, waiting.NotReady)
    assert "127.0.0.1:8000" in problem.seen
    assert "what listens is 0.0.0.0:8080, unix:/tmp/gunicorn.sock" in problem.seen


def test_a_socket_that_nginx_may_not_open_is_named():
    line = REFUSED.replace(
        "connect() failed (111: Connection refused)",
        "connect() to unix:/run/app.sock failed (13: Permission denied)",
    )
    problem, _ = waited(BadGateway, Sight(log=line))
    assert "nginx may not open unix:/run/app.sock" in problem.seen


class Looping(Sight):
    """A shell that starts a server which crashes, again and again."""

    count = 0
    is_new = True

    def children(self):
        self.count += self.is_new
        self.text += TRACE
        return [Process(10 + self.count, 1, "python3")]


def test_a_server_that_is_started_again_and_again_is_named():
    problem, seconds = waited(Closing, Looping(), limit_s=30)
    assert "the package torch is not in the image" in problem.seen
    assert "started again and again" in problem.seen
    assert seconds < 5


def test_one_process_that_logs_an_error_again_and_again_is_no_restart():
    sight = Looping()
    sight.is_new = False
    problem, _ = waited(Closing, sight, limit_s=2)
    assert "again and again" not in problem.seen


def test_different_errors_are_no_restart():
    log = "ValueError: 1\nValueError: 2\nValueError: 3\n"
    assert restarts.of_log(log, 3) is None
    assert restarts.of_log("ValueError: 1\n" * 3, 3) is not None
