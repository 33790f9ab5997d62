"""docker: found, missing, silent, and what it says of images and containers."""

import os
from pathlib import Path

import pytest
import shell_program

from byoi import errors
from byoi.local.docker import ContainerState, Engine, plain_lines


def test_a_path_without_docker_is_named(tmp_path: Path):
    with pytest.raises(errors.MissingProgramError, match=r"docker command.*not on PATH"):
        Engine({"PATH": str(tmp_path)}).require()


@pytest.mark.needs("docker")
def test_an_engine_that_does_not_answer_is_named(tmp_path: Path):
    environ = {**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/docker.sock"}
    with pytest.raises(errors.MissingProgramError, match=r"docker does not answer \(.*docker.sock"):
        Engine(environ).require()


def test_a_docker_that_hangs_is_given_up(tmp_path: Path):
    shell_program.write(tmp_path, "docker", "exec sleep 60")
    path = f"{tmp_path}:{os.environ['PATH']}"
    with pytest.raises(errors.HostingError, match=r"version --format. did not answer within 0.2 s"):
        Engine({"PATH": path}, command_timeout_s=0.2).require()


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
    shell_program.write(tmp_path, "docker", f'[ "$1" = info ] && echo {driver} || echo {endpoint}')
    assert Engine({"PATH": str(tmp_path)}).find_host() == host


@pytest.mark.needs("docker")
def test_a_container_that_is_not_there_is_absent():
    assert Engine(os.environ).state("byoi-none") == ContainerState("absent")
    assert Engine(os.environ).address("byoi-none", 8080) is None


def test_without_docker_no_image_is_here(tmp_path: Path):
    assert Engine({"PATH": str(tmp_path)}).image_id("byoi:latest") == ""


@pytest.mark.needs("docker")
def test_why_a_container_did_not_start_is_told_without_the_hint_to_help():
    reason = Engine(os.environ).run("byoi-none:1", "serve", ["--pull=never"])
    assert "byoi-none:1" in reason
    assert "--help" not in reason
    assert not reason.startswith("docker: ")


def test_terminal_output_becomes_plain_lines():
    assert plain_lines("\x1b[36malgo |\x1b[0m text \r\n\r\n\nmore\n") == ["algo | text", "more"]
    assert ContainerState("dead").has_ended
    assert not ContainerState("created").has_ended
