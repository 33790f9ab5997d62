"""A golden text: what the network answers for it at training, and must answer ever after."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

LABELS = ("negative", "positive")
# Processors and runtimes add float32 numbers in different orders, which moves a
# probability by some 1e-6; a wrong vocabulary or weight moves it by more than 1e-2.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Golden:
    """One text and what the network answers for it, replayed whenever it is loaded.

    Attributes:
        text: A held-out review.
        label: Its true label, an index into the manifest's labels.
        probabilities: What the network gave, `[p_negative, p_positive]`.
    """

    text: str
    label: int
    probabilities: tuple[float, float]

    @property
    def is_sound(self) -> bool:
        """Whether text, label and probabilities are of the kinds they should be."""
        return (
            isinstance(self.text, str)
            and self.label in (0, 1)
            and len(self.probabilities) == len(LABELS)
            and all(type(p) in (int, float) and math.isfinite(p) for p in self.probabilities)
        )

    def difference(self, answer: Sequence[float]) -> str:
        """Return how an answer differs by more than `TOLERANCE`, "" where it does not."""
        pairs = zip(self.probabilities, answer, strict=True)
        # Written so that a difference of NaN is one too.
        if all(abs(expected - got) <= TOLERANCE for expected, got in pairs):
            return ""
        return (
            f"gives {[round(float(p), 6) for p in answer]}, expected "
            f"{[round(p, 6) for p in self.probabilities]} within {TOLERANCE:g}"
        )
