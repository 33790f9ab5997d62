"""Health checks: what /ping answers, the wait for it, and the end of a log."""

import threading
import time
from collections.abc import Iterator

import pytest
from answering_server import AnsweringServer, answering

from byoi.local import health


def answer(server: AnsweringServer, status: int) -> None:
    server.answer = (status, "text/plain", b"")


@pytest.fixture
def server() -> Iterator[AnsweringServer]:
    with answering() as server:
        yield server


@pytest.mark.parametrize("status", [200, 204, 302, 503])
def test_ping_gives_the_status_as_it_is(server: AnsweringServer, status: int):
    answer(server, status)
    assert health.ping(server.url) == str(status)
    assert health.is_healthy(server.url) is (status == 200)


def test_ping_says_why_there_is_no_answer(server: AnsweringServer, free_port: int):
    assert "refused" in health.ping(f"http://127.0.0.1:{free_port}")
    server.delay_s = 2.5
    assert health.ping(server.url) == "no answer (timed out)"


def test_no_proxy_is_asked_about_this_machine(
    server: AnsweringServer, monkeypatch: pytest.MonkeyPatch
):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert health.ping(server.url) == "200"


def test_the_wait_ends_when_ping_turns_200(server: AnsweringServer):
    answer(server, 503)

    def pause(seconds: float) -> None:
        time.sleep(seconds)
        answer(server, 503 if len(server.requests) < 3 else 200)

    cause = health.wait_until_healthy(
        server.url, cause_of_end=lambda: None, timeout_s=60, pause=pause
    )
    assert cause is None
    assert len(server.requests) == 4


def test_the_wait_ends_with_the_reason_when_the_server_has_ended(server: AnsweringServer):
    causes = iter([None, None, "it ended"])
    answer(server, 503)
    assert health.wait_until_healthy(
        server.url, cause_of_end=lambda: next(causes), timeout_s=60
    ) == ("it ended")
    assert len(server.requests) == 2


def test_another_server_on_the_port_is_not_asked(server: AnsweringServer):
    assert health.wait_until_healthy(server.url, cause_of_end=lambda: "it ended", timeout_s=60) == (
        "it ended"
    )
    cause = health.wait_until_healthy(
        server.url, cause_of_end=lambda: None, may_ping=lambda: False, timeout_s=0.1
    )
    assert cause == "did not answer /ping with 200 within 0.1 s; last: no answer"
    assert len(server.requests) == 0


def test_the_wait_can_be_cut_short_by_an_event(server: AnsweringServer):
    answer(server, 503)
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
