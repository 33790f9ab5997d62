"""Figures, tables and plots of a run, against numbers worked out by hand."""

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from byoi_lib import report
from byoi_lib.report import CalibrationBin, Evaluation, Training

PROBABILITIES = np.linspace(0.01, 0.99, 40, dtype=np.float32)
TRAINING = Training(
    model_dir=Path("model"),
    data_name="sample",
    note="",
    train_reviews=4_800,
    evaluation=Evaluation(
        (np.arange(40) >= 18).astype(np.int32), np.stack([1 - PROBABILITIES, PROBABILITIES], 1)
    ),
    history={
        "loss": [0.7, 0.4, 0.2],
        "accuracy": [0.6, 0.8, 0.9125],
        "held_out_loss": [0.6, 0.5, 0.4],
        "held_out_accuracy": [0.7, 0.8, 0.85],
    },
    fit_s=12.34,
    total_s=20.0,
    onnx_difference=1.2e-7,
)


def test_the_table_has_the_figures_of_the_run():
    lines = report.table(TRAINING).splitlines()
    values = dict(line.rsplit("  ", 1) for line in lines[:9])
    found = {name.strip(): value for name, value in values.items()}
    assert found["data set"] == "sample"
    assert found["training reviews"] == "4,800"
    assert found["held-out reviews"] == "40"
    assert found["epochs"] == "3"
    assert found["accuracy, training part"] == "0.9125"
    assert found["accuracy, held-out part"] == f"{TRAINING.held_out_accuracy:.4f}" == "0.9500"
    assert found["ONNX against Keras, largest difference"] == "1.2e-07"
    assert found["time to fit"] == "12.3 s"
    assert "note" not in found


def test_a_note_of_the_data_set_is_in_the_table():
    assert "another digest" in report.table(replace(TRAINING, note="another digest"))


def test_the_confusion_table_names_rows_and_columns():
    head, negative, positive = report.confusion_table(TRAINING.evaluation).splitlines()
    assert head.split() == ["true", "label", "negative", "positive"]
    assert negative.split() == ["negative", "18", "0"]
    assert positive.split() == ["positive", "2", "20"]


def test_three_plots_are_written_as_png(tmp_path):
    paths = report.plots(TRAINING, tmp_path / "new" / "plots")
    assert [path.name for path in paths] == [
        "learning_curves.png",
        "confusion_matrix.png",
        "calibration.png",
    ]
    for path in paths:
        content = path.read_bytes()
        assert content.startswith(b"\x89PNG")
        width, height = struct.unpack(">II", content[16:24])
        assert min(width, height) >= 400


def test_learning_curves_draw_both_parts_of_both_figures():
    left, right = report.learning_curves(TRAINING.history).axes
    drawn = [line.get_ydata().tolist() for axes in (left, right) for line in axes.get_lines()]
    assert drawn == [
        TRAINING.history[name]
        for name in ("loss", "held_out_loss", "accuracy", "held_out_accuracy")
    ]


def test_the_confusion_matrix_writes_counts_and_shares():
    (axes,) = report.confusion_matrix(TRAINING.evaluation).axes
    assert [text.get_text() for text in axes.texts] == [
        "18\n100.0%",
        "0\n0.0%",
        "2\n9.1%",
        "20\n90.9%",
    ]


def test_calibration_draws_the_bins():
    above, below = report.calibration(TRAINING.evaluation).axes
    perfect, drawn = above.get_lines()
    assert list(perfect.get_xdata()) == list(perfect.get_ydata()) == [0, 1]
    bins = TRAINING.evaluation.calibration()
    assert drawn.get_ydata().tolist() == pytest.approx([one.share_positive for one in bins])
    assert [bar.get_height() for bar in below.patches] == [one.count for one in bins]


EVALUATION = Evaluation(
    np.array([0, 0, 0, 1, 1], np.int32),
    np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.25, 0.75], [0.6, 0.4]], np.float32),
)


def test_accuracy_is_the_share_of_right_labels():
    assert EVALUATION.accuracy == 3 / 5


def test_confusion_has_true_labels_down_and_given_labels_across():
    assert EVALUATION.confusion.tolist() == [[2, 1], [1, 1]]


def test_calibration_compares_words_with_deeds_and_leaves_out_empty_ranges():
    first, second, *others = EVALUATION.calibration(bins=8)
    # 0.1 | 0.2 | 0.4 | 0.7 | 0.75: five of the eight ranges hold a review.
    assert (first.count, first.share_positive) == (1, 0.0)
    assert (second.count, second.share_positive) == (1, 0.0)
    assert [one.share_positive for one in others] == [1.0, 0.0, 1.0]
    assert [round(one.mean_probability, 6) for one in others] == [0.4, 0.7, 0.75]


def test_calibration_averages_within_a_range():
    low, high = EVALUATION.calibration(bins=2)
    assert (low.count, round(low.share_positive, 6)) == (3, round(1 / 3, 6))
    assert round(high.mean_probability, 6) == 0.725


def test_a_probability_of_one_belongs_to_the_last_range():
    certain = Evaluation(np.array([1], np.int32), np.array([[0.0, 1.0]], np.float32))
    assert certain.calibration() == [CalibrationBin(1, 1.0, 1.0)]


def test_a_trainings_accuracy_is_that_of_its_evaluation():
    training = Training(
        model_dir=Path("model"),
        data_name="sample",
        note="",
        train_reviews=1,
        evaluation=EVALUATION,
        history={},
        fit_s=1.0,
        total_s=2.0,
        onnx_difference=0.0,
    )
    assert training.held_out_accuracy == 0.6
