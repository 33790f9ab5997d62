"""What a training run achieved, as a table and as plots.

How well answers agree with labels: accuracy, confusion, calibration, learning curves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from byoi import _canvas
from byoi_lib.manifest import LABELS


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


_TRAIN_COLOUR, _HELD_OUT_COLOUR = _canvas.LIGHT, _canvas.DARK


def table(training: Training) -> str:
    """Return the figures of a run as lines of text, names left, values right."""
    evaluation, history = training.evaluation, training.history
    rows = [
        ("data set", training.data_name),
        ("reviews learnt from", f"{training.train_reviews:,}"),
        ("reviews held out", f"{len(evaluation.labels):,}"),
        ("epochs", f"{len(history['loss'])}"),
        ("accuracy, training part", f"{history['accuracy'][-1]:.4f}"),
        ("accuracy, held-out part", f"{evaluation.accuracy:.4f}"),
        ("ONNX against Keras, largest difference", f"{training.onnx_difference:.1e}"),
        ("time to fit", f"{training.fit_s:.1f} s"),
        ("time in all", f"{training.total_s:.1f} s"),
    ]
    if training.note:
        rows.append(("note", training.note))
    width = max(len(name) for name, _ in rows)
    lines = [f"{name:<{width}}  {value}" for name, value in rows]
    return "\n".join([*lines, "", confusion_table(evaluation)])


def confusion_table(evaluation: Evaluation) -> str:
    """Return the confusion matrix as lines of text: true labels down, given ones across."""
    head = f"{'true label':<12}" + "".join(f"{label:>12}" for label in LABELS)
    lines = [
        f"{label:<12}" + "".join(f"{count:>12,}" for count in counts)
        for label, counts in zip(LABELS, evaluation.confusion.tolist(), strict=True)
    ]
    return "\n".join([head, *lines])


def plots(training: Training, directory: Path) -> list[Path]:
    """Write the three plots as PNG files into `directory`, made where absent.

    Returns:
        The paths of learning curves, confusion matrix and calibration.
    """
    directory.mkdir(parents=True, exist_ok=True)
    drawn = {
        "learning_curves.png": learning_curves(training.history),
        "confusion_matrix.png": confusion_matrix(training.evaluation),
        "calibration.png": calibration(training.evaluation),
    }
    for name, figure in drawn.items():
        figure.savefig(directory / name)
    return [directory / name for name in drawn]


def learning_curves(history: Any) -> Any:
    """Draw loss and accuracy by epoch, of the training part and of held-out reviews.

    Args:
        history: `Training.history`.

    Returns:
        A matplotlib figure.
    """
    figure = _canvas.empty(width_in=9)
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        epochs = range(1, len(history[name]) + 1)
        for key, label, colour in (
            (name, "training, while learning", _TRAIN_COLOUR),
            (f"held_out_{name}", "held out", _HELD_OUT_COLOUR),
        ):
            axes.plot(epochs, history[key], marker="o", color=colour, label=label)
        axes.set(title=name.capitalize(), xlabel="epoch", ylabel=name)
        axes.set_xticks(list(epochs))
        axes.legend(frameon=False)
        _canvas.tidy(axes)
    return figure


def confusion_matrix(evaluation: Evaluation) -> Any:
    """Draw how many held-out reviews of each label got which label; a matplotlib figure."""
    figure = _canvas.empty(width_in=4.6)
    axes = figure.subplots()
    counts = evaluation.confusion
    axes.imshow(counts, cmap="Blues", vmin=0)
    for row in range(2):
        for column in range(2):
            share = counts[row, column] / max(counts[row].sum(), 1)
            axes.text(
                column,
                row,
                f"{counts[row, column]:,}\n{share:.1%}",
                ha="center",
                va="center",
                color="white" if counts[row, column] > counts.max() / 2 else "black",
            )
    axes.set_xticks([0, 1], LABELS)
    axes.set_yticks([0, 1], LABELS, rotation=90, va="center")
    axes.set(title=f"Accuracy {evaluation.accuracy:.4f}", xlabel="given label", ylabel="true label")
    return figure


def calibration(evaluation: Evaluation) -> Any:
    """Draw the share of positive reviews against what the network said; a matplotlib figure."""
    figure = _canvas.empty(width_in=4.6)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    bins = evaluation.calibration()
    said = [one.mean_probability for one in bins]
    above.plot([0, 1], [0, 1], color=_canvas.GREY, linestyle="--", label="perfect")
    above.plot(
        said,
        [one.share_positive for one in bins],
        marker="o",
        color=_HELD_OUT_COLOUR,
        label="held out",
        clip_on=False,
    )
    above.set(title="Calibration", ylabel="share positive", xlim=(0, 1), ylim=(0, 1))
    above.legend(frameon=False)
    below.bar(said, _counts(evaluation), width=0.05, color=_TRAIN_COLOUR)
    below.set(xlabel="probability of positive", ylabel="reviews")
    _canvas.tidy(above)
    _canvas.tidy(below)
    return figure


def _counts(evaluation: Evaluation) -> Sequence[int]:
    return [one.count for one in evaluation.calibration()]
