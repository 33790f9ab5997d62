"""The network: padding changes nothing, and it can be written and read again."""

from dataclasses import replace

import numpy as np
import pytest

from byoi_lib import model, preprocessing
from byoi_lib._tensorflow import keras

# Keras reads TensorFlow's variables in a way that NumPy 2 has announced to end.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

PHRASES = model.ModelConfig(
    vocabulary_size=50,
    max_length=24,
    phrase_tokens=3,
    embedding_dim=8,
    pair_rows=31,
    pair_words=30,
    num_heads=2,
    feed_forward_dim=6,
    hidden_dim=5,
)
TOKENS = replace(PHRASES, phrase_tokens=1)
LENGTH = PHRASES.max_length


@pytest.fixture(scope="module", params=[PHRASES, TOKENS], ids=["phrases", "tokens"])
def network(request):
    """Random weights, so that every part matters, biases and positions included."""
    keras.utils.set_random_seed(3)
    made = model.build_model(request.param)
    random = np.random.default_rng(3)
    made.set_weights([random.normal(0, 0.4, w.shape).astype(w.dtype) for w in made.get_weights()])
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
    for width in range(length, LENGTH + 1):
        padded = answer(network, preprocessing.pad([row], width))
        assert np.abs(padded - alone).max() < 1e-5, width


@pytest.mark.parametrize("length", [1, 7, 23])
def test_an_answer_does_not_depend_on_the_side_of_the_padding(network, length):
    (row,) = rows(length)
    alone = answer(network, row[None])
    for width in range(length, LENGTH + 1):
        right = np.pad(row, (0, width - length))[None]
        assert np.abs(answer(network, right) - alone).max() < 1e-5, width


def test_an_answer_does_not_depend_on_the_reviews_beside_it(network):
    reviews = rows(2, 24, 11)
    together = answer(network, preprocessing.pad(reviews))
    for row, expected in zip(reviews, together, strict=True):
        assert np.abs(answer(network, row[None])[0] - expected).max() < 1e-5


@pytest.mark.parametrize("count", range(1, 9))
def test_as_many_reviews_as_columns_are_no_special_case(network, count):
    reviews = rows(*range(1, count + 1))
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


def test_padding_alone_gives_no_broken_number(network):
    assert np.isfinite(answer(network, np.zeros((1, 4), np.int32))).all()


def test_short_reviews_are_attended_to_word_by_word():
    config = model.ModelConfig.for_lengths([3, 85, 20])
    assert (config.max_length, config.phrase_tokens) == (85, 1)


def test_long_reviews_are_cut_and_attended_to_in_phrases():
    config = model.ModelConfig.for_lengths([3, 2_000])
    assert config.max_length == 512
    assert config.max_length / config.phrase_tokens <= 128
    assert model.ModelConfig.for_lengths([200]).max_length == 200


def test_no_reviews_still_give_sizes():
    assert model.ModelConfig.for_lengths([]).max_length == 1
