"""What every test shares: programs a test needs, a clean environment, no leaks."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
REQUIRE_ALL = os.environ.get("BYOI_REQUIRE_ALL") == "1"

# One word for each thing a test may need, and how to tell that it is there.
_COMMANDS = {
    "docker": ["docker", "version", "--format", "{{.Server.Version}}"],
    "nginx": ["nginx", "-v"],
    "docker-registry": ["docker-registry", "--version"],
    "shellcheck": ["shellcheck", "--version"],
    "chromium": ["chromium", "--version"],
    "make": ["make", "--version"],
}
_MISSING: dict[str, str | None] = {}


def missing(program: str) -> str | None:
    """Say why `program` cannot be used here, or None where it can."""
    if program not in _MISSING:
        _MISSING[program] = _look_for(program)
    return _MISSING[program]


def _look_for(program: str) -> str | None:
    if program == "compose":
        if shutil.which("docker-compose"):
            return None
        command = ["docker", "compose", "version"]
    else:
        command = _COMMANDS[program]
    if shutil.which(command[0]) is None:
        return f"{program} is not installed"
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    return None if done.returncode == 0 else f"{program} does not answer: {done.stderr.strip()}"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(*programs): skip, naming it, where one is missing")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs"):
        for program in mark.args:
            if reason := missing(program):
                pytest.skip(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """Where BYOI_REQUIRE_ALL=1, a skip is a failure."""
    report = yield
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped although BYOI_REQUIRE_ALL=1: {report.longrepr[2]}"
    return report


@pytest.fixture
def free_port() -> int:
    """A TCP port of this machine that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
