"""A container of local mode: its port, its image, and why it is not healthy."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from answering_server import AnsweringServer, answering

from byoi import errors
from byoi.hosting import container
from byoi.local import processes
from byoi.local.docker import ContainerState, Engine


@pytest.mark.needs("docker")
def test_a_free_port_is_taken_as_it_is():
    container.require_free(processes.find_free_port(), Engine(os.environ))


@pytest.mark.needs("docker")
def test_a_port_of_another_program_is_refused():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(errors.HostingError, match=f"port {port} cannot be used"):
            container.require_free(port, Engine(os.environ))


@pytest.mark.needs("docker")
def test_an_image_that_is_not_here_is_named_with_the_way_to_get_it():
    with pytest.raises(errors.HostingError, match=r"'byoi-none:1'.*make image.*docker pull"):
        container.require_image("byoi-none:1", Engine(os.environ))


class StatesInTurn:
    """An engine whose one container is in these states, one after the other."""

    def __init__(self, *states: ContainerState, log: tuple[str, ...] = ()) -> None:
        self.states = list(states)
        self.lines = log

    def state(self, _container: str) -> ContainerState:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def log(self, _container: str, _lines: int) -> str:
        return "\n".join(self.lines)


@pytest.fixture
def server() -> Iterator[AnsweringServer]:
    with answering() as server:
        yield server


def wait_for(engine: StatesInTurn, url: str, log: Path, *, is_over: bool = False) -> None:
    container.wait_until_healthy(
        "mine", url, engine=engine, log=log, compose_has_ended=lambda: is_over, timeout_s=0.3
    )


def test_returns_when_the_running_container_answers(server: AnsweringServer, tmp_path: Path):
    states = StatesInTurn(
        ContainerState("absent"), ContainerState("created"), ContainerState("running")
    )
    wait_for(states, server.url, tmp_path / "log")
    assert [path for path, _, _ in server.requests] == ["/ping"]


def test_another_server_on_the_port_never_passes_for_it(server: AnsweringServer, tmp_path: Path):
    with pytest.raises(errors.EndpointFailedError, match=r"within 0.3 s; last: no answer"):
        wait_for(StatesInTurn(ContainerState("created")), server.url, tmp_path / "log")
    assert server.requests == []


def test_a_container_that_ended_is_told_with_its_last_lines(tmp_path: Path):
    ended = StatesInTurn(
        ContainerState("exited", 3), log=("first", "GET /ping 503", "model.onnx is missing")
    )
    with pytest.raises(errors.EndpointFailedError) as caught:
        wait_for(ended, "http://127.0.0.1:9", tmp_path / "log")
    assert "ended with exit code 3 before it was healthy" in str(caught.value)
    assert str(caught.value).endswith("  first\n  model.onnx is missing")
    assert str(tmp_path / "log") in str(caught.value)


def test_lack_of_memory_is_named(tmp_path: Path):
    killed = StatesInTurn(ContainerState("exited", 137, is_out_of_memory=True))
    with pytest.raises(errors.EndpointFailedError, match="for lack of memory"):
        wait_for(killed, "http://127.0.0.1:9", tmp_path / "log")


def test_dockers_reason_is_told_where_nothing_was_started(tmp_path: Path):
    (tmp_path / "log").write_text("\x1b[31mERROR\x1b[0m: for algo-1\r\n\nport is taken\n")
    refused = StatesInTurn(ContainerState("created", error="port is already allocated"))
    with pytest.raises(errors.EndpointFailedError) as caught:
        wait_for(refused, "http://127.0.0.1:9", tmp_path / "log", is_over=True)
    assert "was not started: port is already allocated" in str(caught.value)
    assert str(caught.value).endswith("  ERROR: for algo-1\n  port is taken")


def test_the_last_answer_is_told_and_silence_is_shown(server: AnsweringServer, tmp_path: Path):
    server.answer = (503, "application/json", b"{}")
    with pytest.raises(errors.EndpointFailedError, match=r"within 0.3 s; last: 503") as caught:
        wait_for(StatesInTurn(ContainerState("running")), server.url, tmp_path / "log")
    assert str(caught.value).endswith("(nothing)")
