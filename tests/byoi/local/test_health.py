"""Health checks: what /ping answers, the wait for it, and the end of a log."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from byoi.local import health


class Pinged(ThreadingHTTPServer):
    """Answers /ping with `status`, `delay_s` later."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 200
        self.delay_s = 0.0
        self.pings = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Pinged

    def do_GET(self) -> None:
        self.server.pings += 1
        time.sleep(self.server.delay_s)
        self.send_response(self.server.status if self.path == "/ping" else 404)
        self.send_header("Location", "/other")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def server() -> Iterator[Pinged]:
    with Pinged() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("status", [200, 204, 302, 503])
def test_ping_gives_the_status_as_it_is(server: Pinged, status: int):
    server.status = status
    assert health.ping(server.url) == str(status)
    assert health.is_healthy(server.url) is (status == 200)


def test_ping_says_why_there_is_no_answer(server: Pinged, free_port: int):
    assert "refused" in health.ping(f"http://127.0.0.1:{free_port}")
    server.delay_s = 2.5
    assert health.ping(server.url) == "no answer (timed out)"


def test_no_proxy_is_asked_about_this_machine(server: Pinged, monkeypatch: pytest.MonkeyPatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert health.ping(server.url) == "200"


def test_the_wait_ends_when_ping_turns_200(server: Pinged):
    server.status = 503

    def pause(seconds: float) -> None:
        time.sleep(seconds)
        server.status = 503 if server.pings < 3 else 200

    cause = health.wait_until_healthy(
        server.url, cause_of_end=lambda: None, timeout_s=60, pause=pause
    )
    assert cause is None
    assert server.pings == 4


def test_the_wait_ends_with_the_reason_when_the_server_has_ended(server: Pinged):
    causes = iter([None, None, "it ended"])
    server.status = 503
    assert health.wait_until_healthy(
        server.url, cause_of_end=lambda: next(causes), timeout_s=60
    ) == ("it ended")
    assert server.pings == 2


def test_another_server_on_the_port_is_not_asked(server: Pinged):
    assert health.wait_until_healthy(server.url, cause_of_end=lambda: "it ended", timeout_s=60) == (
        "it ended"
    )
    cause = health.wait_until_healthy(
        server.url, cause_of_end=lambda: None, may_ping=lambda: False, timeout_s=0.1
    )
    assert cause == "did not answer /ping with 200 within 0.1 s; last: no answer"
    assert server.pings == 0


def test_the_wait_can_be_cut_short_by_an_event(server: Pinged):
    server.status = 503
    is_stopping = threading.Event()
    threading.Timer(0.1, is_stopping.set).start()
    began_s = time.monotonic()
    cause = health.wait_until_healthy(
        server.url,
        cause_of_end=lambda: "stopping" if is_stopping.is_set() else None,
        timeout_s=60,
        pause=is_stopping.wait,
        poll_s=30,
    )
    assert cause == "stopping"
    assert time.monotonic() - began_s < 10


def test_terminal_output_becomes_plain_lines():
    text = "\x1b[36malgo |\x1b[0m text \r\n\r\n\nmore\n"
    assert health.plain_lines(text) == ["algo | text", "more"]


def test_the_end_of_a_log_has_no_health_checks():
    lines = [
        "first",
        '127.0.0.1 - "GET /ping HTTP/1.1" 503',
        '{"level": "info", "path": "/ping", "status": 503}',
        '{"level":"info","path":"/ping"}',
        "my model cannot answer /ping yet",
        "last",
    ]
    log = "\n".join(lines)
    assert health.tail(log, 2) == ["my model cannot answer /ping yet", "last"]
    assert health.tail(log, 9) == ["first", "my model cannot answer /ping yet", "last"]
    assert health.tail("", 3) == []
