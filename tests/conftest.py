"""What every test shares: programs a test needs, a clean environment, no leaks."""

import os
import shutil
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from byoi.local.registry import LocalRegistry

pytest.register_assert_rewrite("contract_cases")

ROOT = Path(__file__).resolve().parent.parent
# The SDK warns of its own age when it is imported, and a warning is an error here.
os.environ.setdefault("SAGEMAKER_SUPPRESS_V2_WARNING", "1")
REQUIRE_ALL = os.environ.get("BYOI_REQUIRE_ALL") == "1"

# One word for each thing a test may need, and how to tell that it is there.
_COMMANDS = {
    "docker": ["docker", "version", "--format", "{{.Server.Version}}"],
    "nginx": ["nginx", "-v"],
    "docker-registry": ["docker-registry", "--version"],
    "debootstrap": ["debootstrap", "--version"],
    "shellcheck": ["shellcheck", "--version"],
    "chromium": ["chromium", "--version"],
    "make": ["make", "--version"],
}
_MISSING: dict[str, str | None] = {}
# The real data set stands beside the checkout where it is measured, never in it.
IMDB_DIR = ROOT.parent / "shared" / "data" / "imdb"
# What a stranger cannot install: its absence is a skip, also where everything is required.
_OPTIONAL = ("imdb",)


def missing(program: str) -> str | None:
    """Say why `program` cannot be used here, or None where it can."""
    if program not in _MISSING:
        _MISSING[program] = _look_for(program)
    return _MISSING[program]


def _look_for(program: str) -> str | None:
    if program == "imdb":
        return None if IMDB_DIR.is_dir() else "imdb is not beside the checkout"
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
    # A job in a shell's background ignores Ctrl-C, and so would every program a test starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs"):
        for program in mark.args:
            if reason := missing(program):
                pytest.skip(reason)


def _is_optional(item: pytest.Item) -> bool:
    needs = [program for mark in item.iter_markers("needs") for program in mark.args]
    absent = [program for program in needs if missing(program)]
    return bool(absent) and all(program in _OPTIONAL for program in absent)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """Where BYOI_REQUIRE_ALL=1, a skip is a failure."""
    report = yield
    if (
        REQUIRE_ALL
        and report.skipped
        and not hasattr(report, "wasxfail")
        and not _is_optional(item)
    ):
        report.outcome = "failed"
        report.longrepr = f"skipped although BYOI_REQUIRE_ALL=1: {report.longrepr[2]}"
    return report


@pytest.fixture(scope="session")
def imdb_dir() -> Path:
    """Return the folder of the real data; a test that asks for it is marked needs("imdb")."""
    return IMDB_DIR


@pytest.fixture
def tiny_model_dir(tmp_path: Path) -> Path:
    """A model directory of the reviews' kind, small enough to check by hand."""
    from tiny_model import write_tiny_model

    write_tiny_model(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def free_port() -> int:
    """A TCP port of this machine that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="session")
def image() -> str:
    """The default image, built before by `tests/run images`."""
    import images

    return images.current("serve")


@pytest.fixture(scope="session")
def tensorflow_image() -> str:
    """The image that trains."""
    import images

    return images.current("tensorflow")


@pytest.fixture
def image_registry() -> Iterator[Callable[..., str]]:
    """Start Debian's docker-registry on a free port; the call returns its host:port.

    An argument is the content of an htpasswd file: then it asks for a login.
    """
    if reason := missing("docker-registry"):
        pytest.skip(reason)
    started: list[LocalRegistry] = []

    def start(htpasswd: str = "") -> str:
        started.append(LocalRegistry(htpasswd=htpasswd))
        return started[-1].address

    yield start
    for registry in started:
        registry.stop()


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    """Serve moto's AWS on a free port."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def moto_aws(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Point boto3, here and in child processes, at an empty AWS account of moto's."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "AWS_ENDPOINT_URL": moto_url,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    urllib.request.urlopen(f"{moto_url}/moto-api/reset", data=b"", timeout=10).close()
    return moto_url
