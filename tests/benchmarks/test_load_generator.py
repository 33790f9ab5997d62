import collections
import http.server
import shutil
import threading

import load_generator
import pytest

# wrk is needed by benchmarks only: where it is missing, its place is taken, as in a benchmark.
GENERATORS = ["_own", "_wrk"] if shutil.which("wrk") else ["_own"]


class Handler(http.server.BaseHTTPRequestHandler):
    """Counts the bodies; one of them gets another status."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies[body] += 1
        self.send_response(500 if body == b'"bad"' else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, request, client_address):
            """The generator may close a connection in the middle of an answer."""

    with Server(("127.0.0.1", 0), Handler) as found:
        found.bodies = collections.Counter()
        thread = threading.Thread(target=found.serve_forever, args=(0.01,))
        thread.start()
        yield found
        found.shutdown()
        thread.join()


def demand(server, bodies):
    url = f"http://127.0.0.1:{server.server_port}/invocations"
    return load_generator.Demand(url, bodies, connections=3, duration_s=1.0, seed=1)


@pytest.mark.parametrize("name", GENERATORS)
def test_each_body_is_sent_and_each_answer_counted(server, tmp_path, name):
    bodies = [b'"\\u00e9 \\"quoted\\""', '"é\n"'.encode(), b"[1, 2]"]
    found = getattr(load_generator, name)(tmp_path, demand(server, bodies))
    assert set(server.bodies) == set(bodies)
    # A request of each connection may have been on its way at the end.
    assert found.requests <= server.bodies.total() <= found.requests + 3
    assert found.errors == 0
    assert found.duration_s == pytest.approx(1, abs=0.9)
    assert 0 < found.p50_ms <= found.p99_ms
    assert found.requests_per_s == found.requests / found.duration_s


@pytest.mark.parametrize("name", GENERATORS)
def test_another_status_than_200_is_an_error(server, tmp_path, name):
    found = getattr(load_generator, name)(tmp_path, demand(server, [b'"bad"']))
    assert found.errors == found.requests > 0


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1), (0.5, 50), (0.99, 99), (0.991, 100), (1.0, 100)]
)
def test_a_percentile_is_a_value_that_was_measured(share, expected):
    assert load_generator.percentile(list(range(100, 0, -1)), share) == expected


def test_the_result_of_wrk_is_found_among_its_other_lines():
    output = "Running 1s test\n  8 connections\nmeasured 2000 1000000 1500 9000 3\n"
    found = load_generator.parse_wrk(output)
    assert found == load_generator.Load(2000, 1.0, 1.5, 9.0, 3)


def test_a_wrk_without_a_result_is_told_with_what_it_said():
    with pytest.raises(ValueError, match="unable to connect"):
        load_generator.parse_wrk("unable to connect to 127.0.0.1")


def test_any_byte_can_be_quoted_for_lua():
    assert load_generator.quoted(b'a"\n\xe9\\') == r'"\097\034\010\233\092"'
