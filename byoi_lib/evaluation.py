"""How well answers agree with labels: accuracy, confusion, calibration, learning curves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class CalibrationBin:
    """Reviews whose probability of being positive lies in one range.

    Attributes:
        count: How many there are.
        mean_probability: Mean of what the network said, from 0 to 1.
        share_positive: Share of them that are positive, from 0 to 1.
    """

    count: int
    mean_probability: float
    share_positive: float


@dataclass(frozen=True)
class Evaluation:
    """Labels and answers for the same reviews.

    Attributes:
        labels: Shape (n,), int32, 1 = positive.
        probabilities: Shape (n, 2), float32, `[p_negative, p_positive]`.
    """

    labels: npt.NDArray[np.int32]
    probabilities: npt.NDArray[np.float32]

    @property
    def accuracy(self) -> float:
        """Share of reviews classified right, from 0 to 1."""
        return float(np.mean(self.predicted == self.labels))

    @property
    def predicted(self) -> npt.NDArray[np.intp]:
        """Shape (n,): the label with the larger probability."""
        predicted: npt.NDArray[np.intp] = np.argmax(self.probabilities, axis=1)
        return predicted

    @property
    def confusion(self) -> npt.NDArray[np.int64]:
        """Shape (2, 2): how many reviews of true label (row) got each label (column)."""
        counts = np.zeros((2, 2), np.int64)
        np.add.at(counts, (self.labels, self.predicted), 1)
        return counts

    def calibration(self, bins: int = 10) -> list[CalibrationBin]:
        """Compare what the network says with how often it is so, in ranges of equal width.

        Args:
            bins: How many ranges divide 0 to 1; those without a review are left out.
        """
        positive = self.probabilities[:, 1].astype(np.float64)
        places = np.minimum((positive * bins).astype(int), bins - 1)
        return [
            CalibrationBin(
                int(chosen.sum()),
                float(positive[chosen].mean()),
                float(self.labels[chosen].mean()),
            )
            for chosen in (places == place for place in range(bins))
            if chosen.any()
        ]


@dataclass(frozen=True)
class Training:
    """What a training run produced.

    Attributes:
        model_dir: Directory that `model_data.pack` takes.
        data_name: Name of the data set.
        note: What the data set's reader wants known, or an empty text.
        train_reviews: Reviews learnt from.
        evaluation: Labels and answers of the held-out part.
        history: One number an epoch under each of `loss`, `accuracy` (of the training
            part, while it was learnt), `held_out_loss`, `held_out_accuracy` (of a
            fixed choice of held-out reviews).
        fit_s: Wall time of the fit, in seconds.
        total_s: Wall time of everything, in seconds.
        onnx_difference: Largest difference between the probabilities of ONNX Runtime
            and of Keras.
    """

    model_dir: Path
    data_name: str
    note: str
    train_reviews: int
    evaluation: Evaluation
    history: Mapping[str, Sequence[float]]
    fit_s: float
    total_s: float
    onnx_difference: float

    @property
    def held_out_accuracy(self) -> float:
        """Share of the held-out part classified right, from 0 to 1."""
        return self.evaluation.accuracy
