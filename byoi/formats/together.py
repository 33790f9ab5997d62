"""One prediction for the rows of several requests.

Most libraries take almost as long for one row as for fifty: scikit-learn checks its input, a
network is started. A module with `BYOI_BATCH_SIZE` gets requests that are ready together as a list.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt


def predict_rows(
    requests: Sequence[npt.NDArray[Any]], predict: Callable[[npt.NDArray[Any]], Any]
) -> list[Any]:
    """Predict the rows of several requests in one call: a `predict_fn` in one line.

    Args:
        requests: Of each request its rows, shape (rows, ...), as `decode_rows` returns them.
        predict: Takes rows and returns as many predictions, in their order: a list, or an array
            of shape (rows, ...).

    Returns:
        Of each request its predictions.

    Raises:
        TypeError: There are not as many predictions as rows.
    """
    if len(requests) == 1:
        return [predict(requests[0])]
    lengths = [len(rows) for rows in requests]
    found = predict(np.concatenate(requests))
    if len(found) != sum(lengths):
        raise TypeError(
            f"received {len(found)} predictions for {sum(lengths)} rows, expected one for each"
        )
    ends = itertools.accumulate(lengths)
    return [found[end - length : end] for length, end in zip(lengths, ends, strict=True)]
