"""Each layer of the network, on numbers that can be worked out by hand."""

import numpy as np
import pytest

from byoi_lib import layers
from byoi_lib._tensorflow import keras

TOKEN_IDS = np.array([[0, 0, 4, 5, 6]], np.int32)
VALUES = np.random.default_rng(0).normal(size=(2, 5, 4)).astype(np.float32)
EMBEDDINGS = [layers.TokenAndPositionEmbedding(20, 9, 4), layers.PairEmbedding(11, 8, 4)]
OWN = [
    pytest.param(layer, given, id=type(layer).__name__)
    for layer, given in (
        (layers.TokenAndPositionEmbedding(20, 9, 4), TOKEN_IDS),
        (layers.PairEmbedding(11, 8, 4), TOKEN_IDS),
        (layers.PhraseMean(3), VALUES),
        (layers.TransformerBlock(4, 2, 6, dropout=0.2), VALUES),
        (layers.MaskedMean(), VALUES),
    )
]


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


@pytest.mark.parametrize("layer", EMBEDDINGS, ids=lambda layer: type(layer).__name__)
def test_embeddings_move_text_to_the_left_edge_and_mask_the_rest(layer):
    mask = layer.compute_mask(TOKEN_IDS)
    assert np.asarray(mask).tolist() == [[True, True, True, False, False]]
    embedded = np.asarray(layer(TOKEN_IDS))
    assert not embedded[0, 3:].any()
    right = np.array([[4, 5, 6, 0, 0]], np.int32)
    assert (np.asarray(layer(right)) == embedded).all()


def test_a_place_adds_its_own_numbers():
    layer = layers.TokenAndPositionEmbedding(20, 9, 4)
    embedded = np.asarray(layer(np.array([[7, 7]], np.int32)))[0]
    places = np.asarray(layer.positions(np.arange(2)))
    assert embedded[1] - embedded[0] == pytest.approx(places[1] - places[0], abs=1e-6)


def test_a_text_longer_than_the_table_shares_its_last_place():
    layer = layers.TokenAndPositionEmbedding(20, 2, 4)
    embedded = np.asarray(layer(np.array([[7, 7, 7]], np.int32)))[0]
    assert (embedded[1] == embedded[2]).all()


def test_only_pairs_of_frequent_words_are_embedded():
    layer = layers.PairEmbedding(rows=1_009, frequent=8, embedding_dim=4)
    # start, word, word, rare word, word, unknown, word: one pair of frequent words.
    embedded = np.asarray(layer(np.array([[1, 4, 5, 9, 5, 2, 5]], np.int32)))[0]
    assert [bool(row.any()) for row in embedded] == [False, False, True, *[False] * 4]
    row = np.asarray(layer.pairs(np.array([4 * 8 + 5])))[0]
    assert (embedded[2] == row).all()


def test_a_pair_and_its_reverse_differ():
    layer = layers.PairEmbedding(rows=1_009, frequent=8, embedding_dim=4)
    one, other = np.asarray(layer(np.array([[4, 5], [5, 4]], np.int32)))
    assert not np.allclose(one[1], other[1])


@pytest.mark.parametrize(("layer", "given"), OWN)
def test_it_is_registered_made_again_and_says_its_shape(layer, given):
    name = f"byoi>{type(layer).__name__}"
    assert keras.saving.get_registered_object(name) is type(layer)
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert layer.compute_output_shape(given.shape) == tuple(layer(given).shape)
    assert layer.built
