"""The base image made without a registry: what it needs, said where it is not there."""

import os
import subprocess

import pytest
from containers import ROOT

SCRIPT = ROOT / "container" / "make_base_image.sh"
REMEDY = "name another image: make image BASE_IMAGE=..."


def run(command: list[str], **variables: str) -> str:
    """Run the script from stdin, so that any user can, and return its one line of complaint."""
    done = subprocess.run(
        command,
        input=SCRIPT.read_text(),
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    return line


def test_without_debootstrap_it_tells_how_to_get_it(tmp_path) -> None:
    for program in ("uname", "id"):
        (tmp_path / program).symlink_to(f"/usr/bin/{program}")
    line = run(["/bin/bash", "-s"], PATH=str(tmp_path))
    if os.uname().sysname == "Linux":
        assert "debootstrap is not installed (Debian, Ubuntu: apt-get install debootstrap)" in line
    assert REMEDY in line


@pytest.mark.needs("debootstrap")
def test_another_user_than_root_is_told_to_be_root() -> None:
    become = ["setpriv", "--reuid=65534", "--clear-groups"] if os.getuid() == 0 else []
    line = run([*become, "bash", "-s"])
    assert "debootstrap needs root, this is user" in line
    assert "sudo container/make_base_image.sh" in line
    assert REMEDY in line


@pytest.fixture
def as_root() -> tuple[str, ...]:
    """What makes the script believe that it is run by root."""
    return ("unshare", "--user", "--map-root-user") if os.getuid() else ()


@pytest.mark.needs("debootstrap")
def test_a_debootstrap_older_than_the_suite_is_named(tmp_path, as_root) -> None:
    line = run([*as_root, "bash", "-s"], SUITE="trixie", DEBOOTSTRAP_DIR=str(tmp_path))
    assert f"this debootstrap does not know SUITE=trixie: {tmp_path}/scripts/trixie" in line
    assert "apt-get install debootstrap" in line
    assert REMEDY in line


@pytest.mark.needs("debootstrap")
def test_keys_older_than_the_suite_are_named(tmp_path, as_root) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "later").touch()
    line = run([*as_root, "bash", "-s"], SUITE="later", DEBOOTSTRAP_DIR=str(tmp_path))
    assert "Debian's key for later is not in /usr/share/keyrings" in line
    assert "apt-get install debian-archive-keyring" in line
    assert REMEDY in line
