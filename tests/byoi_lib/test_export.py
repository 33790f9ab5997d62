"""The graph written from the weights: few nodes, and the answers of the Keras network."""

from dataclasses import replace

import numpy as np
import onnx
import pytest

from byoi import errors
from byoi_lib import export, model, runtime
from byoi_lib._tensorflow import keras
from byoi_lib.preprocessing import pad

# Keras reads TensorFlow's variables in a way that NumPy 2 has announced to end.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

PHRASES = model.ModelConfig(
    vocabulary_size=60,
    max_length=40,
    phrase_tokens=4,
    embedding_dim=8,
    # More pairs than rows, and words that count in no pair.
    pair_rows=31,
    pair_words=45,
    num_heads=2,
    feed_forward_dim=6,
    hidden_dim=5,
)
CONFIGS = {
    "phrases": PHRASES,
    "tokens": replace(PHRASES, phrase_tokens=1),
    "one head": replace(PHRASES, num_heads=1, phrase_tokens=7, hidden_dim=3),
    "four heads": replace(PHRASES, num_heads=4, embedding_dim=12, pair_rows=997),
    "heads of unequal size": replace(PHRASES, num_heads=3, max_length=41),
    "pairs of all words": replace(PHRASES, pair_words=46_340, pair_rows=65_521),
}
# Measured: 111, of which 38 are run where there is no padding. Keras's exporter writes 379.
MOST_NODES, MOST_NODES_RUN = 120, 40


def random_network(config: model.ModelConfig):
    """Random weights, so that every part matters, biases and positions included."""
    network = model.build_model(config)
    random = np.random.default_rng(5)
    network.set_weights(
        [random.normal(0, 0.4, w.shape).astype(w.dtype) for w in network.get_weights()]
    )
    return network


@pytest.fixture(scope="module", params=CONFIGS, ids=lambda name: name.replace(" ", "-"))
def both(request, tmp_path_factory):
    """A network, its file, and how many ids a row may have."""
    config = CONFIGS[request.param]
    network = random_network(config)
    path = tmp_path_factory.mktemp("export") / "model.onnx"
    export.write(network, path)
    return network, runtime.OnnxNetwork(path, threads=1), config.max_length


def rows(*lengths: int, seed: int = 0) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [random.integers(1, 60, length).astype(np.int32) for length in lengths]


def differences(both, token_ids: np.ndarray) -> float:
    network, exported, _ = both
    answers = exported.predict(token_ids)
    assert np.isfinite(answers).all()
    return float(np.abs(answers - np.asarray(network(token_ids))).max())


def nodes_in(graph: onnx.GraphProto) -> int:
    inner = [a.g for node in graph.node for a in node.attribute if a.HasField("g")]
    return len(graph.node) + sum(map(nodes_in, inner))


@pytest.mark.parametrize("name", ["phrases", "tokens"])
def test_the_graph_has_a_few_dozen_standard_nodes(name):
    made = export.make_graph(random_network(CONFIGS[name]))
    assert [(opset.domain, opset.version) for opset in made.opset_import] == [("", 17)]
    assert nodes_in(made.graph) <= MOST_NODES
    (choice,) = (node for node in made.graph.node if node.op_type == "If")
    branches = {attribute.name: attribute.g for attribute in choice.attribute}
    assert len(made.graph.node) + len(branches["then_branch"].node) <= MOST_NODES_RUN


def test_the_file_is_as_large_as_the_weights(tmp_path):
    network = random_network(replace(PHRASES, vocabulary_size=500, pair_rows=4_093))
    export.write(network, tmp_path / "model.onnx")
    weights = sum(weight.nbytes for weight in network.get_weights())
    assert (tmp_path / "model.onnx").stat().st_size < weights + 40_000


def test_a_review_of_any_length_alone(both):
    network, exported, longest = both
    reviews = rows(*range(1, longest + 1))
    # In one call of Keras, where padding changes nothing (test_model.py).
    expected = np.asarray(network(pad(reviews)))
    for row, answer in zip(reviews, expected, strict=True):
        assert np.abs(exported.predict(row[None])[0] - answer).max() < 1e-5, len(row)


def test_reviews_of_one_length_need_no_padding(both):
    for count, length in ((2, 1), (8, 12), (64, 5), (3, both[2])):
        assert differences(both, np.stack(rows(*[length] * count))) < 1e-5


@pytest.mark.parametrize("side", ["left", "right", "both"])
def test_padding_on_any_side(both, side):
    network, exported, longest = both
    reviews = rows(1, 2, 4, 5, 13, longest)
    expected = np.asarray(network(pad(reviews)))
    for row, answer in zip(reviews, expected, strict=True):
        for more in range(longest + 6 - len(row)):
            left = {"left": more, "right": 0, "both": more // 2}[side]
            padded = np.pad(row, (left, more - left))[None]
            assert np.abs(exported.predict(padded)[0] - answer).max() < 1e-5, (len(row), more)
    wide = np.stack([np.pad(row, (5, longest + 6 - len(row))) for row in reviews])
    assert differences(both, wide) < 1e-5


@pytest.mark.parametrize("count", [1, 2, 3, 7, 16, 64])
def test_batches_of_random_lengths(both, count):
    lengths = np.random.default_rng(count).integers(1, both[2] + 1, count)
    assert differences(both, pad(rows(*lengths, seed=count))) < 1e-5


def test_a_row_of_one_token_beside_longer_ones(both):
    for place in (0, 7, 19):
        ids = np.zeros((3, 20), np.int32)
        ids[0, place] = 9
        ids[1] = rows(20)[0]
        assert differences(both, ids) < 1e-5


def test_zeros_between_words_are_what_keras_makes_of_them(both):
    random = np.random.default_rng(3)
    for length in (3, 8, 21, both[2]):
        ids = np.stack(rows(*[length] * 9, seed=length))
        ids[random.random(ids.shape) < 0.3] = 0
        assert differences(both, ids) < 1e-5


def test_padding_alone(both):
    assert differences(both, np.zeros((1, 9), np.int32)) < 1e-5
    ids = pad([rows(9)[0], np.zeros(0, np.int32), rows(4)[0]])
    assert differences(both, ids) < 1e-5


def test_padding_beyond_the_longest_text(both):
    ids = np.pad(np.stack(rows(both[2], both[2])), ((0, 0), (17, 30)))
    assert differences(both, ids) < 1e-5


def test_more_words_than_places_are_answered_as_keras_does_if_there_is_padding(both):
    ids = np.pad(np.stack(rows(both[2] + 9)), ((0, 0), (1, 0)))
    assert differences(both, ids) < 1e-5


@pytest.mark.parametrize("more", [1, 2, 9])
def test_more_words_than_places_are_refused_if_there_is_none(both, more):
    # Any class: ONNX Runtime's errors have none in common.
    with pytest.raises(Exception, match="broadcast"):
        both[1].predict(np.stack(rows(both[2] + more)))


def test_an_answer_does_not_depend_on_the_branch(both):
    exported = both[1]
    (row,) = rows(23)
    alone = exported.predict(row[None])
    beside = exported.predict(pad([row, np.concatenate([row, row[:9]])]))
    assert np.abs(alone[0] - beside[0]).max() < 1e-6


def test_the_numbers_of_layer_normalization_are_read_from_the_network(tmp_path):
    network = random_network(PHRASES)
    network.get_layer("transformer").attention_norm.epsilon = 0.25
    network.get_layer("transformer").outer_norm.epsilon = 0.5
    assert runtime.write_onnx(network, tmp_path / "model.onnx", find=nothing) == ""


def nothing(package: str) -> None:
    """Find no package."""


def with_another_layer():
    """Build the network with one more layer, as a user may in `model.py`."""
    network = random_network(PHRASES)
    features = network.get_layer("features").output
    more = keras.layers.Dense(6, activation="relu", name="more")(features)
    answers = keras.layers.Dense(2, activation="softmax", name="probabilities")(more)
    return keras.Model(network.input, answers)


def with_another_activation():
    network = random_network(PHRASES)
    network.get_layer("hidden").activation = keras.activations.tanh
    return network


def without_a_bias():
    network = random_network(PHRASES)
    hidden = keras.layers.Dense(5, activation="relu", use_bias=False, name="hidden")
    answers = keras.layers.Dense(2, activation="softmax", name="probabilities")(
        hidden(network.get_layer("features").output)
    )
    return keras.Model(network.input, answers)


def test_another_layer_is_named():
    with pytest.raises(
        export.UnknownNetworkError, match="the network has Dense 'more' instead of Dense 'hidden'"
    ):
        export.make_graph(with_another_layer())


def test_missing_weights_are_named():
    with pytest.raises(export.UnknownNetworkError, match=r"layers have other parts \(not enough"):
        export.make_graph(without_a_bias())


CHANGED = {
    with_another_layer: "the network has Dense 'more' instead of Dense 'hidden'",
    with_another_activation: "the network's layers compute something else (answers differ by ",
    without_a_bias: "the network's layers have other parts (",
}


@pytest.mark.parametrize("change", CHANGED)
def test_keras_exports_a_changed_network(change, tmp_path):
    network = change()
    reason = runtime.write_onnx(network, tmp_path / "model.onnx")
    assert reason.startswith(CHANGED[change])
    reviews = rows(3, 9, 40)
    assert runtime.compare_onnx(network, tmp_path / "model.onnx", reviews) < 1e-5


@pytest.mark.parametrize("change", CHANGED)
def test_a_changed_network_without_tf2onnx_is_refused_before_training(change, tmp_path):
    network = change()
    with pytest.raises(errors.MissingPackageError) as caught:
        runtime.check_export(network, find=nothing)
    message = str(caught.value)
    assert message.startswith(CHANGED[change])
    assert message.endswith(
        "which is not installed; install tf2onnx with pip, or change byoi_lib/export.py as the "
        "network was changed"
    )
    with pytest.raises(errors.MissingPackageError):
        runtime.write_onnx(network, tmp_path / "model.onnx", find=nothing)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=lambda config: str(config.phrase_tokens))
def test_changed_sizes_need_no_other_package(config):
    runtime.check_export(model.build_model(config), find=nothing)


def test_dropout_does_not_matter(tmp_path):
    network = random_network(PHRASES)
    features = network.get_layer("features").output
    hidden = network.get_layer("hidden")(keras.layers.Dropout(0.2, name="again")(features))
    answers = network.get_layer("probabilities")(hidden)
    changed = keras.Model(network.input, answers)
    assert runtime.write_onnx(changed, tmp_path / "model.onnx", find=nothing) == ""
