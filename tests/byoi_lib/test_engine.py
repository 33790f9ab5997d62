"""docker and compose: found, missing, silent, and as fakes that lead to the real ones."""

import os
from pathlib import Path

import pytest

from byoi_lib import errors
from byoi_lib.engine import ContainerState, Engine, plain_lines


def program(directory: Path, name: str, *lines: str) -> None:
    path = directory / name
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)


def test_a_path_without_docker_is_named(tmp_path: Path):
    with pytest.raises(errors.MissingProgramError, match=r"docker command.*not on PATH"):
        Engine({"PATH": str(tmp_path)}).find_compose()


@pytest.mark.needs("docker")
def test_an_engine_that_does_not_answer_is_named(tmp_path: Path):
    environ = {**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/docker.sock"}
    with pytest.raises(errors.MissingProgramError, match=r"docker does not answer \(.*docker.sock"):
        Engine(environ).find_compose()


def test_missing_compose_is_named(tmp_path: Path):
    program(tmp_path, "docker", '[ "$1" = version ]')
    with pytest.raises(errors.MissingProgramError, match=r"neither .docker compose. nor"):
        Engine({"PATH": str(tmp_path)}).find_compose()


@pytest.mark.parametrize(
    "version", ["Docker Compose version v2.33.1", "Docker Compose version 2.26.1-4", "v5.0.2"]
)
def test_the_plugin_is_taken_whatever_its_version_text(tmp_path: Path, version: str):
    program(tmp_path, "docker", f"echo {version}")
    program(tmp_path, "docker-compose", "exit 1")
    assert Engine({"PATH": str(tmp_path)}).find_compose() == ["docker", "compose"]


def test_the_old_program_is_taken_where_there_is_no_plugin(tmp_path: Path):
    program(tmp_path, "docker", '[ "$1" = version ]')
    program(tmp_path, "docker-compose", "exit 0")
    found = Engine({"PATH": str(tmp_path)}).find_compose()
    assert found == [str(tmp_path / "docker-compose")]


def test_a_docker_that_hangs_is_given_up(tmp_path: Path):
    program(tmp_path, "docker", "exec sleep 60")
    path = f"{tmp_path}:{os.environ['PATH']}"
    with pytest.raises(errors.HostingError, match=r"version --format. did not answer within 0.2 s"):
        Engine({"PATH": path}, command_timeout_s=0.2).find_compose()


@pytest.mark.parametrize(
    ("answers", "host"),
    [
        (("none", ""), "172.17.0.1"),
        (("systemd", "tcp://10.1.2.3:2375"), "10.1.2.3"),
        (("cgroupfs", "unix:///var/run/docker.sock"), None),
    ],
)
def test_published_ports_are_where_the_engine_is(
    tmp_path: Path, answers: tuple[str, str], host: str | None
):
    driver, endpoint = answers
    program(tmp_path, "docker", f'[ "$1" = info ] && echo {driver} || echo {endpoint}')
    assert Engine({"PATH": str(tmp_path)}).find_host() == host


@pytest.mark.needs("docker")
def test_an_image_that_is_not_here_is_named_with_the_way_to_get_it():
    with pytest.raises(errors.HostingError, match=r"'byoi-none:1'.*make image.*docker pull"):
        Engine(os.environ).require_image("byoi-none:1")


@pytest.mark.needs("docker")
def test_a_container_that_is_not_there_is_absent():
    assert Engine(os.environ).state("byoi-none") == ContainerState("absent")
    assert Engine(os.environ).existing(["byoi-none"]) == []


def test_terminal_output_becomes_plain_lines():
    assert plain_lines("\x1b[36malgo |\x1b[0m text \r\n\r\n\nmore\n") == ["algo | text", "more"]
    assert ContainerState("dead").has_ended
    assert not ContainerState("created").has_ended
