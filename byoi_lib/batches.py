"""Reviews of unlike length in batches of like length, so that little is spent on padding."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from byoi_lib import preprocessing

# Lengths are shaken by up to this many tokens before they are sorted, so that each
# epoch puts other reviews together.
_SHAKE_TOKENS = 16


@dataclass
class Batches:
    """Token ids and labels, cut into batches; iterate once for each epoch.

    Attributes:
        rows: n arrays of token ids.
        labels: Shape (n,), int32.
        batch_size: Most reviews in one batch.
        order: Shakes lengths and shuffles batches, anew in each epoch. None keeps
            them sorted by length.
    """

    rows: Sequence[preprocessing.TokenIds]
    labels: npt.NDArray[np.int32]
    batch_size: int
    order: np.random.Generator | None = None

    def __len__(self) -> int:
        return math.ceil(len(self.rows) / self.batch_size)

    def __iter__(self) -> Iterator[tuple[preprocessing.TokenIds, npt.NDArray[np.int32]]]:
        """Yield token ids of shape (batch, width), padded on the left, and labels (batch,)."""
        for chosen in self.indices():
            yield preprocessing.pad([self.rows[row] for row in chosen]), self.labels[chosen]

    def indices(self) -> list[npt.NDArray[np.intp]]:
        """Return the row numbers of each batch, every row in exactly one."""
        lengths = np.array([len(row) for row in self.rows], np.float64)
        if self.order is not None:
            lengths += self.order.uniform(0, _SHAKE_TOKENS, len(lengths))
        rows = np.argsort(lengths, kind="stable")
        batches = [rows[i : i + self.batch_size] for i in range(0, len(rows), self.batch_size)]
        if self.order is not None:
            batches = [batches[i] for i in self.order.permutation(len(batches))]
        return batches
