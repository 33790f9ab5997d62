"""compose: found, missing, in its old form; and the image that local mode needs."""

import os
from pathlib import Path

import pytest
import shell_program

from byoi import errors
from byoi.local.docker import ComposeEngine


def test_missing_compose_is_named(tmp_path: Path):
    shell_program.write(tmp_path, "docker", '[ "$1" = version ]')
    with pytest.raises(errors.MissingProgramError, match=r"neither .docker compose. nor"):
        ComposeEngine({"PATH": str(tmp_path)}).find_compose()


@pytest.mark.parametrize(
    "version", ["Docker Compose version v2.33.1", "Docker Compose version 2.26.1-4", "v5.0.2"]
)
def test_the_plugin_is_taken_whatever_its_version_text(tmp_path: Path, version: str):
    shell_program.write(tmp_path, "docker", f"echo {version}")
    shell_program.write(tmp_path, "docker-compose", "exit 1")
    assert ComposeEngine({"PATH": str(tmp_path)}).find_compose() == ["docker", "compose"]


def test_the_old_program_is_taken_where_there_is_no_plugin(tmp_path: Path):
    shell_program.write(tmp_path, "docker", '[ "$1" = version ]')
    shell_program.write(tmp_path, "docker-compose", "exit 0")
    found = ComposeEngine({"PATH": str(tmp_path)}).find_compose()
    assert found == [str(tmp_path / "docker-compose")]


@pytest.mark.needs("docker")
def test_an_image_that_is_not_here_is_named_with_the_way_to_get_it():
    with pytest.raises(errors.HostingError, match=r"'byoi-none:1'.*make image.*docker pull"):
        ComposeEngine(os.environ).require_image("byoi-none:1")
