"""The start-up time-out, from containers and processes that really start."""

import os
import secrets
import subprocess
import tarfile
from pathlib import Path

import pytest
from process_list import seen_commands

from byoi.deployment import startup
from byoi.local import orphans

TOYS = Path(__file__).resolve().parents[2] / "toys"
ECHO = {
    "BYOI_INFERENCE_MODULE": "/opt/ml/model/echo.py",
    "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "model.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(TOYS / "echo.py", "echo.py")
    return path


@pytest.fixture
def without_docker(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/docker.sock"}


def containers() -> str:
    """The names of this process's containers; others may measure on the same engine."""
    mine = f"label={orphans.OWNER_LABEL}={orphans.owner()}"
    command = ["docker", "ps", "--all", "--filter", mine, "--format", "{{.Names}}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    ("load_s", "timeout_s"),
    [(0.1, 60), (6, 60), (6.1, 120), (48, 480), (359, 3600), (10_000, 3600)],
)
def test_it_is_ten_times_the_load_time_in_whole_minutes(load_s: float, timeout_s: int) -> None:
    assert startup.to_timeout_s(load_s) == timeout_s


def test_the_own_image_is_stood_for_by_processes(
    archive: Path, without_docker: dict[str, str]
) -> None:
    said: list[str] = []
    image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/byoi@sha256:1"
    found = startup.find_timeout_s(
        image, archive, ECHO, progress=said.append, environ=without_docker
    )
    assert found == 60
    assert said[0].startswith("start-up: healthy after")


def test_another_image_is_not_measured_without_an_engine(
    archive: Path, without_docker: dict[str, str]
) -> None:
    said: list[str] = []
    assert (
        startup.find_timeout_s(
            "stranger:1", archive, {}, progress=said.append, environ=without_docker
        )
        is None
    )
    assert "not on this machine" in said[0]


def test_what_does_not_start_here_leaves_the_time_out_to_aws(
    archive: Path, without_docker: dict[str, str]
) -> None:
    said: list[str] = []
    environment = {"BYOI_INFERENCE_MODULE": "nothing"}
    found = startup.find_timeout_s(
        "byoi:1", archive, environment, progress=said.append, environ=without_docker
    )
    assert found is None
    assert "not healthy on this machine" in said[0]
    assert "\n" not in said[0]


@pytest.mark.needs("docker")
def test_an_image_of_this_machine_is_run_with_the_model_data(image: str, archive: Path) -> None:
    load_s = startup.measure(image, archive, ECHO)
    assert load_s is not None
    assert 0 < load_s < 60
    assert containers() == ""


@pytest.mark.needs("docker")
def test_values_of_variables_stand_on_no_process_list(image: str, archive: Path) -> None:
    secret = secrets.token_hex(16)
    with seen_commands() as seen:
        assert startup.measure(image, archive, {**ECHO, "MY_SECRET": secret}) is not None
    # The look was a real one: it met the container's own processes.
    assert any(b"container/serve" in command for command in seen)
    assert not [command for command in seen if secret.encode() in command]


@pytest.mark.needs("docker")
def test_a_container_that_ends_is_told_by_its_last_line(image: str, archive: Path) -> None:
    said: list[str] = []
    environment = {"BYOI_INFERENCE_MODULE": "nothing"}
    assert startup.find_timeout_s(image, archive, environment, progress=said.append) is None
    assert "nothing" in said[0]
    assert containers() == ""
