"""What the tests of local mode share: no credentials, one tiny model, and nothing left behind."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_model import write_tiny_model

from byoi import hosting, model_data
from byoi.local.docker import Engine
from byoi.local.orphans import OWNER_LABEL, owner

TESTS = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="package", autouse=True)
def no_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hide everything that names an AWS account; there is not even a region."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        nowhere = tmp_path_factory.mktemp("aws") / "absent"
        patch.setenv("AWS_CONFIG_FILE", str(nowhere))
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(nowhere))
        yield


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model.tar.gz of the built-in kind."""
    directory = tmp_path_factory.mktemp("tiny")
    write_tiny_model(directory / "model")
    return model_data.pack(directory / "model", directory / "packed" / "model.tar.gz").path


@pytest.fixture(scope="session")
def toy_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory that holds only the inference modules of the tests."""
    directory = tmp_path_factory.mktemp("toys")
    for path in (*(TESTS / "toys").glob("*.py"), *Path(__file__).with_name("toys").glob("*.py")):
        shutil.copy(path, directory)
    return directory


@pytest.fixture
def session() -> hosting.LocalSession:
    return hosting.LocalSession(startup_timeout_s=60)


@pytest.fixture
def restricted_dir() -> Iterator[Path]:
    """A folder the SDK's local mode refuses to mount."""
    parent = Path.home() / ".config"
    was_there = parent.exists()
    parent.mkdir(exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="byoi test ", dir=parent))
    yield directory
    shutil.rmtree(directory)
    if not was_there:
        parent.rmdir()


@pytest.fixture(autouse=True)
def no_leftovers(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a container of its own running."""
    needs = [name for mark in request.node.iter_markers("needs") for name in mark.args]
    engine = Engine(os.environ)
    before = engine.find_labels(OWNER_LABEL) if "docker" in needs else {}
    yield
    if "docker" in needs:
        left = engine.find_labels(OWNER_LABEL).items() - before.items()
        assert not [container for container, label in left if label == owner()]
