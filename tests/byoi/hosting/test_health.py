"""Why a container is not healthy, in words."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from answering_server import AnsweringServer, answering

from byoi import errors
from byoi.local import health
from byoi.local.docker import ContainerState


class StatesInTurn:
    """An engine whose one container is in these states, one after the other."""

    def __init__(self, *states: ContainerState, log: tuple[str, ...] = ()) -> None:
        self.states = list(states)
        self.log = list(log)

    def state(self, _container: str) -> ContainerState:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def last_lines(self, _container: str, _lines: int) -> list[str]:
        return self.log


@pytest.fixture
def server() -> Iterator[AnsweringServer]:
    with answering() as server:
        yield server


def wait(engine: StatesInTurn, url: str, log: Path, *, is_over: bool = False) -> None:
    health.wait_until_healthy(
        "mine", url, engine=engine, log=log, compose_has_ended=lambda: is_over, timeout_s=0.3
    )


def test_returns_when_the_running_container_answers(server: AnsweringServer, tmp_path: Path):
    states = StatesInTurn(
        ContainerState("absent"), ContainerState("created"), ContainerState("running")
    )
    wait(states, server.url, tmp_path / "log")
    assert [path for path, _, _ in server.requests] == ["/ping"]


def test_another_server_on_the_port_never_passes_for_it(server: AnsweringServer, tmp_path: Path):
    with pytest.raises(errors.EndpointFailedError, match=r"within 0.3 s; last: no answer"):
        wait(StatesInTurn(ContainerState("created")), server.url, tmp_path / "log")
    assert server.requests == []


def test_a_container_that_ended_is_told_with_its_last_lines(tmp_path: Path):
    ended = StatesInTurn(
        ContainerState("exited", 3), log=("first", "GET /ping 503", "model.onnx is missing")
    )
    with pytest.raises(errors.EndpointFailedError) as caught:
        wait(ended, "http://127.0.0.1:9", tmp_path / "log")
    assert "ended with exit code 3 before it was healthy" in str(caught.value)
    assert str(caught.value).endswith("  first\n  model.onnx is missing")
    assert str(tmp_path / "log") in str(caught.value)


def test_lack_of_memory_is_named(tmp_path: Path):
    killed = StatesInTurn(ContainerState("exited", 137, is_out_of_memory=True))
    with pytest.raises(errors.EndpointFailedError, match="for lack of memory"):
        wait(killed, "http://127.0.0.1:9", tmp_path / "log")


def test_dockers_reason_is_told_where_nothing_was_started(tmp_path: Path):
    (tmp_path / "log").write_text("\x1b[31mERROR\x1b[0m: for algo-1\r\n\nport is taken\n")
    refused = StatesInTurn(ContainerState("created", error="port is already allocated"))
    with pytest.raises(errors.EndpointFailedError) as caught:
        wait(refused, "http://127.0.0.1:9", tmp_path / "log", is_over=True)
    assert "was not started: port is already allocated" in str(caught.value)
    assert str(caught.value).endswith("  ERROR: for algo-1\n  port is taken")


def test_the_last_answer_is_told_and_silence_is_shown(server: AnsweringServer, tmp_path: Path):
    server.answer = (503, "application/json", b"{}")
    with pytest.raises(errors.EndpointFailedError, match=r"within 0.3 s; last: 503") as caught:
        wait(StatesInTurn(ContainerState("running")), server.url, tmp_path / "log")
    assert str(caught.value).endswith("(nothing)")


def test_ping_says_why_there_is_no_answer(server: AnsweringServer, free_port: int):
    assert health.ping(server.url) == "200"
    server.answer = (204, "text/plain", b"")
    assert health.ping(server.url) == "204"
    assert "refused" in health.ping(f"http://127.0.0.1:{free_port}")
