"""Rows of several requests in one call of the model."""

import numpy as np
import pytest

from byoi.formats import predict_rows


def rows(*lengths):
    numbers = iter(range(100))
    return [np.array([[next(numbers), 1.0] for _ in range(length)]) for length in lengths]


@pytest.mark.parametrize("lengths", [(1,), (3,), (1, 1), (2, 1, 3)])
def test_each_request_gets_the_predictions_of_its_own_rows_by_one_call(lengths):
    calls = []

    def predict(data):
        calls.append(data.shape)
        return data[:, 0] * 10

    requests = rows(*lengths)
    found = predict_rows(requests, predict)
    assert [one.tolist() for one in found] == [(one[:, 0] * 10).tolist() for one in requests]
    assert calls == [(sum(lengths), 2)]


def test_predictions_may_be_a_list_and_may_have_columns():
    assert predict_rows(rows(1, 2), lambda data: [str(row[0]) for row in data]) == [
        ["0.0"],
        ["1.0", "2.0"],
    ]
    found = predict_rows(rows(1, 2), lambda data: data)
    assert [one.shape for one in found] == [(1, 2), (2, 2)]


def test_another_number_of_predictions_is_refused():
    with pytest.raises(TypeError, match="received 2 predictions for 3 rows"):
        predict_rows(rows(1, 2), lambda data: data[:-1])
