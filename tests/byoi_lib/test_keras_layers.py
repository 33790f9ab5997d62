"""Each layer by itself, on numbers that can be worked out by hand."""

import numpy as np
import pytest

from byoi_lib import layers
from byoi_lib._tensorflow import keras


@pytest.fixture(autouse=True)
def _same_weights_each_time():
    keras.utils.set_random_seed(0)


def numbers(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def test_phrases_are_means_counted_from_the_start():
    values = np.arange(10, dtype=np.float32).reshape(1, 5, 2)
    phrases = np.asarray(layers.PhraseMean(2)(values))
    assert phrases.tolist() == [[[1, 2], [5, 6], [8, 9]]]


def test_a_phrase_leaves_padding_out():
    values = np.arange(8, dtype=np.float32).reshape(1, 4, 2)
    mask = np.array([[True, False, False, False]])
    layer = layers.PhraseMean(2)
    assert np.asarray(layer(values, mask=mask)).tolist() == [[[0, 1], [0, 0]]]
    assert np.asarray(layer.compute_mask(values, mask)).tolist() == [[True, False]]
    assert layer.compute_mask(values) is None


@pytest.mark.parametrize("length", [None, 1, 2, 3, 7])
def test_a_phrase_more_where_tokens_are_left_over(length):
    phrases = layers.PhraseMean(3).compute_output_shape((2, length, 4))[1]
    assert phrases == {None: None, 1: 1, 2: 1, 3: 1, 7: 3}[length]


def test_a_block_without_a_mask_attends_everywhere():
    block, values = layers.TransformerBlock(4, 2, 6), numbers(2, 5, 4)
    everywhere = block(values, mask=np.ones((2, 5), bool))
    assert np.allclose(np.asarray(block(values)), np.asarray(everywhere), atol=1e-6)


def test_what_the_mask_hides_changes_nothing():
    block, values = layers.TransformerBlock(4, 2, 6), numbers(1, 5, 4)
    mask = np.array([[True, True, True, False, False]])
    before = np.asarray(block(values, mask=mask))
    values[0, 3:] *= -1
    after = np.asarray(block(values, mask=mask))
    assert np.allclose(before[0, :3], after[0, :3], atol=1e-6)
    assert not np.allclose(before[0, 3:], after[0, 3:], atol=1e-1)


def test_a_block_drops_out_while_training_only():
    block, values = layers.TransformerBlock(4, 2, 6, dropout=0.5), numbers(1, 5, 4)
    expected = np.asarray(block(values))
    assert (np.asarray(block(values)) == expected).all()
    assert not np.allclose(np.asarray(block(values, training=True)), expected)


def test_a_mean_leaves_padding_out():
    values, mask = numbers(1, 4, 3), np.array([[True, True, False, False]])
    layer = layers.MaskedMean()
    expected = values[0, :2].mean(axis=0)
    assert np.asarray(layer(values, mask=mask))[0] == pytest.approx(expected)
    assert np.asarray(layer(values))[0] == pytest.approx(values[0].mean(axis=0))
    assert layer.compute_mask(values, mask) is None
