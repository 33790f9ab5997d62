"""Connections to an instance: kept while requests follow closely, and never one that has ended."""

import http.server
import threading
import time

import pytest

from byoi.emulator.endpoints.instances import ConnectionPool


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.server.ports.append(self.client_address[1])
        self.send_response(200)
        self.send_header("Content-Length", "2")
        if self.path == "/last":
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"ok")
        # What a server that grows tired does: it says nothing of it.
        self.close_connection = self.path != "/stay"

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.ports = []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def connections(server):
    connections = ConnectionPool("127.0.0.1", server.server_port)
    yield connections
    connections.close()


def ask(connections, path):
    connection = connections.take(timeout_s=5)
    connection.request("POST", path, b"")
    answer = connection.getresponse()
    assert answer.read() == b"ok"
    connections.give_back(connection)


@pytest.mark.parametrize(
    ("path", "pause_s", "expected"),
    [("/stay", 0, 1), ("/stay", 1.1, 2), ("/last", 0, 2), ("/hangs-up", 0.2, 2)],
)
def test_one_is_used_again_only_while_it_is_sure_to_be_heard(
    server, connections, path, pause_s, expected
):
    ask(connections, path)
    time.sleep(pause_s)
    ask(connections, path)
    assert len(server.ports) == 2
    assert len(set(server.ports)) == expected


def test_requests_at_the_same_time_have_one_each(server, connections):
    first, second = connections.take(5), connections.take(5)
    assert first is not second


def test_none_is_kept_after_the_end(server, connections):
    connection = connections.take(5)
    connection.request("POST", "/stay", b"")
    connection.getresponse().read()
    connections.close()
    connections.give_back(connection)
    assert connection.sock is None
