"""Batches: like lengths together, every review once, another order in each epoch."""

import numpy as np
import pytest

from byoi_lib.training import Batches

LENGTHS = np.random.default_rng(1).integers(1, 300, 1_000)
ROWS = [np.full(length, length, np.int32) for length in LENGTHS]
LABELS = (LENGTHS % 2).astype(np.int32)


def shuffled(seed=0):
    return Batches(ROWS, LABELS, 64, np.random.default_rng(seed))


@pytest.mark.parametrize("batches", [shuffled(), Batches(ROWS, LABELS, 64)])
def test_every_review_is_in_one_batch_with_its_label(batches):
    lengths = []
    for token_ids, labels in batches:
        assert token_ids.dtype == np.int32
        assert (labels == token_ids[:, -1] % 2).all()
        lengths.extend(token_ids[:, -1])
    assert sorted(lengths) == sorted(LENGTHS)
    assert len(batches) == sum(1 for _ in batches) == 16


def test_padding_is_on_the_left_and_little():
    cells = sum(token_ids.size for token_ids, _ in shuffled())
    for token_ids, _ in shuffled():
        assert (token_ids[:, -1] > 0).all()
        assert (token_ids[:, 0] > 0).any()
    assert cells < 1.15 * LENGTHS.sum()


def test_each_epoch_puts_other_reviews_together():
    batches = shuffled()
    first, second = ([set(chosen) for chosen in batches.indices()] for _ in range(2))
    assert not any(chosen in second for chosen in first)


def test_equal_seeds_give_equal_epochs():
    one, other = shuffled(5), shuffled(5)
    for _ in range(2):
        pairs = zip(one.indices(), other.indices(), strict=True)
        assert all(np.array_equal(a, b) for a, b in pairs)


def test_without_an_order_batches_run_from_short_to_long():
    widths = [token_ids.shape[1] for token_ids, _ in Batches(ROWS, LABELS, 64)]
    assert widths == sorted(widths)


def test_no_reviews_make_no_batches():
    assert list(Batches([], np.zeros(0, np.int32), 8)) == []
