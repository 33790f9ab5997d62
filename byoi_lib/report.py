"""The report of a training run: accuracy, confusion, calibration and learning curves.

As numbers, as a table of text and as matplotlib figures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from byoi import _canvas
from byoi_lib.manifest import LABELS

_TRAIN_COLOUR, _HELD_OUT_COLOUR = _canvas.LIGHT, _canvas.DARK


@dataclass(frozen=True)
class CalibrationBin:
    """Reviews whose probability of being positive lies in one range.

    Attributes:
        count: Number of these reviews, from 1 on.
        mean_probability: Mean of the probabilities that the network gave, from 0 to 1.
        share_positive: Share of these reviews that are positive, from 0 to 1.
    """

    count: int
    mean_probability: float
    share_positive: float


@dataclass(frozen=True)
class Evaluation:
    """True labels and the network's answers for the same reviews.

    Attributes:
        labels: Shape (n,), int32, 1 = positive, 0 = negative.
        probabilities: Shape (n, 2), float32, `[p_negative, p_positive]`, each from 0 to 1.
    """

    labels: npt.NDArray[np.int32]
    probabilities: npt.NDArray[np.float32]

    @property
    def accuracy(self) -> float:
        """Share of reviews classified correctly, from 0 to 1."""
        return float(np.mean(self.predicted == self.labels))

    @property
    def predicted(self) -> npt.NDArray[np.intp]:
        """The label with the larger probability: shape (n,), intp, 0 or 1."""
        predicted: npt.NDArray[np.intp] = np.argmax(self.probabilities, axis=1)
        return predicted

    @property
    def confusion(self) -> npt.NDArray[np.int64]:
        """Reviews by true label (row) and predicted label (column): shape (2, 2), int64."""
        counts = np.zeros((2, 2), np.int64)
        np.add.at(counts, (self.labels, self.predicted), 1)
        return counts

    def calibration(self, bins: int = 10) -> list[CalibrationBin]:
        """Compare probabilities with the share of positive reviews, in ranges of equal width.

        Args:
            bins: Number of ranges from 0 to 1.

        Returns:
            The ranges that have a review, from low to high probability.
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
    """The result of a training run.

    Attributes:
        model_dir: The directory that was written, for `model_data.pack`.
        data_name: Name of the data set.
        note: As in `datasets.Dataset`.
        train_reviews: Number of training reviews.
        evaluation: Labels and answers of the held-out part.
        history: One number per epoch under each of `loss`, `accuracy` (both of the training
            part, measured during the epoch), `held_out_loss`, `held_out_accuracy` (both of a
            fixed choice of held-out reviews, measured after it).
        fit_s: Wall time of the fit, in seconds.
        total_s: Wall time of the whole run, in seconds.
        onnx_difference: Largest difference between a probability in ONNX Runtime and in Keras.
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
        """Share of the held-out part classified correctly, from 0 to 1."""
        return self.evaluation.accuracy


def table(training: Training) -> str:
    """Format the numbers of a run as lines of text: names on the left, values on the right."""
    evaluation, history = training.evaluation, training.history
    rows = [
        ("data set", training.data_name),
        ("training reviews", f"{training.train_reviews:,}"),
        ("held-out reviews", f"{len(evaluation.labels):,}"),
        ("epochs", f"{len(history['loss'])}"),
        ("accuracy, training part", f"{history['accuracy'][-1]:.4f}"),
        ("accuracy, held-out part", f"{evaluation.accuracy:.4f}"),
        ("ONNX against Keras, largest difference", f"{training.onnx_difference:.1e}"),
        ("time to fit", f"{training.fit_s:.1f} s"),
        ("total time", f"{training.total_s:.1f} s"),
    ]
    if training.note:
        rows.append(("note", training.note))
    width = max(len(name) for name, _ in rows)
    lines = [f"{name:<{width}}  {value}" for name, value in rows]
    return "\n".join([*lines, "", confusion_table(evaluation)])


def confusion_table(evaluation: Evaluation) -> str:
    """Format the confusion matrix as lines of text: one row per true label."""
    head = f"{'true label':<12}" + "".join(f"{label:>12}" for label in LABELS)
    lines = [
        f"{label:<12}" + "".join(f"{count:>12,}" for count in counts)
        for label, counts in zip(LABELS, evaluation.confusion.tolist(), strict=True)
    ]
    return "\n".join([head, *lines])


def plots(training: Training, directory: Path) -> list[Path]:
    """Write the three plots as PNG files.

    Args:
        training: The run.
        directory: Where the files go; created if necessary.

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


def learning_curves(history: Mapping[str, Sequence[float]]) -> Any:
    """Draw loss and accuracy by epoch, of training and of held-out reviews.

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
    """Draw the confusion matrix with shares of each true label; returns a matplotlib figure."""
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
    axes.set(
        title=f"Accuracy {evaluation.accuracy:.4f}", xlabel="predicted label", ylabel="true label"
    )
    return figure


def calibration(evaluation: Evaluation) -> Any:
    """Draw the share of positive reviews by probability; returns a matplotlib figure."""
    figure = _canvas.empty(width_in=4.6)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    bins = evaluation.calibration()
    probabilities = [one.mean_probability for one in bins]
    above.plot([0, 1], [0, 1], color=_canvas.GREY, linestyle="--", label="perfect")
    above.plot(
        probabilities,
        [one.share_positive for one in bins],
        marker="o",
        color=_HELD_OUT_COLOUR,
        label="held out",
        clip_on=False,
    )
    above.set(title="Calibration", ylabel="share positive", xlim=(0, 1), ylim=(0, 1))
    above.legend(frameon=False)
    below.bar(probabilities, [one.count for one in bins], width=0.05, color=_TRAIN_COLOUR)
    below.set(xlabel="probability of positive", ylabel="reviews")
    _canvas.tidy(above)
    _canvas.tidy(below)
    return figure
