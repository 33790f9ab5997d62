"""Fixtures of the library's tests."""

from pathlib import Path

import pytest
from tiny_model import write_tiny_model


@pytest.fixture
def tiny_model_dir(tmp_path: Path) -> Path:
    write_tiny_model(tmp_path / "model")
    return tmp_path / "model"
