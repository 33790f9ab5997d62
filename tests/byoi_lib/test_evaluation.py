"""Figures of an evaluation, against numbers worked out by hand."""

from pathlib import Path

import numpy as np

from byoi_lib.report import CalibrationBin, Evaluation, Training

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
