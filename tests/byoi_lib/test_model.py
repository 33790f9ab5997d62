"""The network: padding changes nothing, and it can be written and read again."""

import keras
import numpy as np
import pytest

from byoi_lib import model, preprocessing

# Keras reads TensorFlow's variables in a way that NumPy 2 has announced to end.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

CONFIG = model.ModelConfig(
    vocabulary_size=50,
    max_length=24,
    embedding_dim=8,
    num_heads=2,
    feed_forward_dim=6,
    hidden_dim=5,
    dropout=0.5,
)


@pytest.fixture(scope="module")
def network():
    """Random weights, so that every part matters, biases and positions included."""
    keras.utils.set_random_seed(3)
    made = model.build_model(CONFIG)
    random = np.random.default_rng(3)
    made.set_weights([random.normal(0, 0.7, w.shape).astype(w.dtype) for w in made.get_weights()])
    return made


def rows(*lengths, seed=0):
    random = np.random.default_rng(seed)
    return [random.integers(1, 50, length).astype(np.int32) for length in lengths]


def answer(network, token_ids):
    return np.asarray(network(token_ids))


def test_two_probabilities_that_add_up_to_one(network):
    answers = answer(network, preprocessing.pad(rows(3, 9, 24)))
    assert answers.shape == (3, 2)
    assert answers.dtype == np.float32
    assert answers.sum(axis=1) == pytest.approx(1.0)
    assert (answers >= 0).all()


def test_answers_differ_between_reviews(network):
    assert np.ptp(answer(network, preprocessing.pad(rows(5, 6, 7, 8)))[:, 0]) > 1e-2


@pytest.mark.parametrize("length", [1, 2, 7, 23])
def test_an_answer_does_not_depend_on_the_width(network, length):
    (row,) = rows(length)
    alone = answer(network, row[None])
    for width in range(length, CONFIG.max_length + 1):
        padded = answer(network, preprocessing.pad([row], width))
        assert np.abs(padded - alone).max() < 1e-5, width


@pytest.mark.parametrize("length", [1, 7, 23])
def test_an_answer_does_not_depend_on_the_side_of_the_padding(network, length):
    (row,) = rows(length)
    alone = answer(network, row[None])
    for width in range(length, CONFIG.max_length + 1):
        right = np.pad(row, (0, width - length))[None]
        assert np.abs(answer(network, right) - alone).max() < 1e-5, width


def test_an_answer_does_not_depend_on_the_reviews_beside_it(network):
    reviews = rows(2, 24, 11)
    together = answer(network, preprocessing.pad(reviews))
    for row, expected in zip(reviews, together, strict=True):
        assert np.abs(answer(network, row[None])[0] - expected).max() < 1e-5


def test_the_order_of_words_counts(network):
    (row,) = rows(12)
    assert np.abs(answer(network, row[None]) - answer(network, row[None, ::-1])).max() > 1e-4


def test_dropout_works_while_training_only(network):
    token_ids = preprocessing.pad(rows(9, 9))
    while_training = np.asarray(network(token_ids, training=True))
    assert np.abs(while_training - answer(network, token_ids)).max() > 1e-4
    assert (answer(network, token_ids) == answer(network, token_ids)).all()


def test_a_saved_network_is_read_again_with_its_layers(network, tmp_path):
    network.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    token_ids = preprocessing.pad(rows(4, 20))
    assert np.abs(answer(again, token_ids) - answer(network, token_ids)).max() < 1e-6
    kinds = {type(layer).__name__ for layer in again.layers}
    assert {"TokenAndPositionEmbedding", "TransformerBlock"} <= kinds


def own_layers(network):
    return [layer for layer in network.layers if type(layer).__module__ == model.__name__]


def test_every_layer_of_ours_is_registered_under_the_projects_name(network):
    layers = own_layers(network)
    assert len(layers) >= 3
    for layer in layers:
        name = f"byoi>{type(layer).__name__}"
        assert keras.saving.get_registered_object(name) is type(layer)


def test_every_layer_of_ours_is_made_again_from_its_configuration(network):
    for layer in own_layers(network):
        again = type(layer).from_config(layer.get_config())
        assert again.get_config() == layer.get_config()


def test_every_layer_of_ours_says_what_shape_it_gives(network):
    for layer in own_layers(network):
        given = layer.input.shape if not isinstance(layer.input, list) else layer.input[0].shape
        assert tuple(layer.compute_output_shape(given)) == tuple(layer.output.shape)


def test_the_embedding_masks_padding_and_gives_zero_there(network):
    layer = network.get_layer("embedding")
    token_ids = np.array([[0, 0, 4, 5]], np.int32)
    assert np.asarray(layer.compute_mask(token_ids)).tolist() == [[False, False, True, True]]
    embedded = np.asarray(layer(token_ids))
    assert not embedded[0, :2].any()
    assert embedded[0, 2:].all()


def test_positions_count_from_the_texts_first_token(network):
    layer = network.get_layer("embedding")
    left = np.asarray(layer(np.array([[0, 0, 4, 5]], np.int32)))[0, 2:]
    right = np.asarray(layer(np.array([[4, 5, 0, 0]], np.int32)))[0, :2]
    assert (left == right).all()
    assert not np.allclose(left, np.asarray(layer(np.array([[5, 4]], np.int32)))[0, ::-1])


def test_padding_alone_gives_no_broken_number(network):
    assert np.isfinite(answer(network, np.zeros((1, 4), np.int32))).all()


def test_a_mean_without_a_mask_is_the_plain_mean():
    values = np.arange(12, dtype=np.float32).reshape(1, 4, 3)
    assert np.asarray(model.MaskedMean()(values)).tolist() == values.mean(axis=1).tolist()


def test_a_block_without_a_mask_attends_everywhere(network):
    block = network.get_layer("transformer")
    values = np.random.default_rng(0).normal(size=(2, 5, 8)).astype(np.float32)
    everywhere = block(values, mask=np.ones((2, 5), bool))
    assert np.allclose(np.asarray(block(values)), np.asarray(everywhere), atol=1e-6)
