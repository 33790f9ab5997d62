"""Each embedding by itself, on numbers that can be worked out by hand."""

import numpy as np
import pytest

from byoi_lib import layers

OWN = [layers.TokenAndPositionEmbedding(20, 9, 4), layers.PairEmbedding(11, 8, 4)]
TOKEN_IDS = np.array([[0, 0, 4, 5, 6]], np.int32)


@pytest.mark.parametrize("layer", OWN, ids=lambda layer: type(layer).__name__)
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
