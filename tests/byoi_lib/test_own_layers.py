"""What holds for every layer of the network that is ours."""

import numpy as np
import pytest

from byoi_lib import layers
from byoi_lib._tensorflow import keras

TOKEN_IDS = np.array([[0, 0, 4, 5, 6]], np.int32)
VALUES = np.random.default_rng(0).normal(size=(2, 5, 4)).astype(np.float32)
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


@pytest.mark.parametrize(("layer", "given"), OWN)
def test_it_is_registered_made_again_and_says_its_shape(layer, given):
    name = f"byoi>{type(layer).__name__}"
    assert keras.saving.get_registered_object(name) is type(layer)
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert layer.compute_output_shape(given.shape) == tuple(layer(given).shape)
    assert layer.built
