"""Fixtures of the library's tests."""

from pathlib import Path

import pytest
from golden_rows import GOLDEN
from tiny_model import write_tiny_model

from byoi_lib.vocabulary import Vocabulary


@pytest.fixture
def tiny_model_dir(tmp_path: Path) -> Path:
    write_tiny_model(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture(scope="session")
def vocabulary() -> Vocabulary:
    """The words of the golden rows, some of them beyond the cut."""
    return Vocabulary.from_word_index(GOLDEN["word_index"], size=10)
