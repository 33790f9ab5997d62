"""What the tests of the emulator share: one emulator for each runner, and a cheap model.

All emulators of this folder's tests, also those of a command, record their calls in one file.
After each test, none of its calls may have met the emulator's last resort, and no answer may have
what the service's model does not allow.
"""

import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import images
import pytest
import recorded_calls
from containers import docker
from emulated_aws import OWN_IMAGE, PATIENCE_S, Aws

from byoi import emulator

TESTS = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def image() -> str:
    """The default image, under the name that users give it."""
    docker("tag", images.current("serve"), OWN_IMAGE)
    return OWN_IMAGE


@pytest.fixture(scope="session")
def stranger() -> str:
    """An image that has nothing of this project but its Python."""
    return images.current("stranger")


@pytest.fixture(scope="session")
def mute_image() -> str:
    """An image that knows no `serve`."""
    return images.current("mute")


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model.tar.gz that holds an inference module: it answers with what it was given."""
    path = tmp_path_factory.mktemp("echo") / "model.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(TESTS / "toys" / "echo.py", "echo.py")
    return path


# What all tests share, once it runs.
_shared: list[Aws] = []


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "provokes_failure: its calls meet the last resort")
    recorded_calls.start()


def pytest_unconfigure() -> None:
    recorded_calls.stop()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let the test of the whole run be the last, and drop it where only a part runs."""
    last = [item for item in items if item.name == recorded_calls.LAST]
    others = [item for item in items if item not in last]
    if last and not recorded_calls.is_whole(config, others, Path(__file__).parent):
        config.hook.pytest_deselected(items=last)
        last = []
    items[:] = [*others, *last]


@pytest.fixture(autouse=True)
def answers_are_aws_s(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test whose calls were answered as AWS never does."""
    yield
    calls = recorded_calls.new()
    if request.node.get_closest_marker("provokes_failure"):
        return
    for call in calls:
        what = f"{call['service']} {call['action']}"
        assert not call["unforeseen"], f"{what} met the last resort: {call['unforeseen']}"
        assert not call["deviations"], f"{what} is not answered as AWS does: {call['deviations']}"


@pytest.fixture(autouse=True)
def none_sees_what_another_made() -> Iterator[None]:
    """Delete the models and configurations that a test made on the shared emulators."""
    yield
    for one in _shared:
        one.forget()


@pytest.fixture(scope="session")
def in_containers(image: str) -> Iterator[Aws]:
    """An emulator that runs containers."""
    with emulator.running(
        runner="containers", startup_timeout_s=PATIENCE_S, environ=dict(os.environ)
    ) as running:
        _shared.append(Aws(running))
        yield _shared[-1]


@pytest.fixture(scope="session")
def in_processes() -> Iterator[Aws]:
    """An emulator that runs without an engine."""
    with emulator.running(
        runner="processes", startup_timeout_s=PATIENCE_S, environ=dict(os.environ)
    ) as running:
        _shared.append(Aws(running))
        yield _shared[-1]


@pytest.fixture(
    params=[pytest.param("in_containers", marks=pytest.mark.needs("docker")), "in_processes"]
)
def aws(request: pytest.FixtureRequest) -> Aws:
    """An emulator, once with containers and once without an engine."""
    found: Aws = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def endpoint(in_processes: Aws, archive: Path) -> Iterator[str]:
    """The name of an endpoint that echoes."""
    model = in_processes.model(in_processes.upload(archive))
    with in_processes.endpoint(in_processes.config(model)) as name:
        yield name
