"""Images, and a model trained in one of them, made once for all tests of containers."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from containers import RESTRICTED
from jobs import HYPERPARAMETERS, Job, run_job, write_reviews


@pytest.fixture(scope="session")
def trained(tensorflow_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Job]:
    """A job under every restriction at once: read-only root, no network, another user."""
    directory = tmp_path_factory.mktemp("job")
    write_reviews(directory / "input" / "data" / "train")
    for name in ("model", "output"):
        (directory / name).mkdir()
    for path in (directory, *directory.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)
    yield run_job(tensorflow_image, directory, HYPERPARAMETERS, *RESTRICTED)
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def model_dir(trained: Job) -> Path:
    """The model directory of that job."""
    assert trained.status == 0, trained.log
    return trained.model_dir
