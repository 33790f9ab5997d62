"""compose: found, missing, in its old form."""

from pathlib import Path

import pytest
import shell_program

from byoi import errors
from byoi.local import compose


def test_missing_compose_is_named(tmp_path: Path):
    shell_program.write(tmp_path, "docker", "exit 1")
    with pytest.raises(errors.MissingProgramError, match=r"neither .docker compose. nor"):
        compose.find_command({"PATH": str(tmp_path)})


def test_a_path_without_docker_is_named(tmp_path: Path):
    with pytest.raises(errors.MissingProgramError, match=r"neither .docker compose. nor"):
        compose.find_command({"PATH": str(tmp_path)})


@pytest.mark.parametrize(
    "version", ["Docker Compose version v2.33.1", "Docker Compose version 2.26.1-4", "v5.0.2"]
)
def test_the_plugin_is_taken_whatever_its_version_text(tmp_path: Path, version: str):
    shell_program.write(tmp_path, "docker", f"echo {version}")
    shell_program.write(tmp_path, "docker-compose", "exit 1")
    assert compose.find_command({"PATH": str(tmp_path)}) == ["docker", "compose"]


def test_the_old_program_is_taken_where_there_is_no_plugin(tmp_path: Path):
    shell_program.write(tmp_path, "docker", "exit 1")
    shell_program.write(tmp_path, "docker-compose", "exit 0")
    found = compose.find_command({"PATH": str(tmp_path)})
    assert found == [str(tmp_path / "docker-compose")]


@pytest.mark.needs("compose")
def test_compose_of_this_machine_is_found():
    import os

    assert compose.find_command(os.environ)
