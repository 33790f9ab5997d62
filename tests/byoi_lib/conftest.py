"""Fixtures of the library's tests."""

import pytest
from golden_rows import GOLDEN

from byoi_lib.vocabulary import Vocabulary


@pytest.fixture(scope="session")
def vocabulary() -> Vocabulary:
    """The words of the golden rows, some of them beyond the cut."""
    return Vocabulary.from_word_index(GOLDEN["word_index"], size=10)
