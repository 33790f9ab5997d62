"""A training set of one minute's reading, laid out like Keras's."""

from pathlib import Path

import numpy as np


def write_reviews(path: Path) -> Path:
    """A file laid out like Keras's imdb.npz; word 1 is in positive reviews, word 2 in others."""
    random = np.random.default_rng(0)

    def part(count: int) -> tuple[np.ndarray, np.ndarray]:
        labels = np.arange(count) % 2
        lists = np.empty(count, dtype=object)
        for row, label in enumerate(labels):
            words = random.integers(3, 30, size=8).tolist()
            lists[row] = [*words, 1 if label else 2]
        return lists, labels

    x_train, y_train = part(256)
    x_test, y_test = part(64)
    np.savez(path, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    words = ", ".join(f'"word{rank}": {rank}' for rank in range(1, 31))
    path.with_name("imdb_word_index.json").write_text(f"{{{words}}}", encoding="utf-8")
    return path
