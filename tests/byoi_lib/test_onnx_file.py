"""The ONNX file answers as the Keras network does, or is refused."""

import keras
import numpy as np
import onnx
import pytest

from byoi import errors
from byoi_lib import model, preprocessing, runtime

CONFIG = model.ModelConfig(
    vocabulary_size=40, max_length=16, embedding_dim=4, num_heads=1, feed_forward_dim=4
)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    keras.utils.set_random_seed(1)
    network = model.build_model(CONFIG)
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    runtime.write_onnx(network, path)
    return network, path


def rows(count, seed=0):
    random = np.random.default_rng(seed)
    return [random.integers(1, 40, random.integers(1, 17)).astype(np.int32) for _ in range(count)]


def test_batch_and_length_are_free(exported):
    graph = onnx.load(exported[1]).graph
    (given,) = graph.input
    assert given.type.tensor_type.elem_type == onnx.TensorProto.INT32
    assert all(not axis.HasField("dim_value") for axis in given.type.tensor_type.shape.dim)


@pytest.mark.parametrize("width", range(1, CONFIG.max_length + 1))
def test_every_width_is_answered_as_keras_does(exported, width):
    network, path = exported
    answers = runtime.OnnxNetwork(path, threads=1)
    for count in (1, 3):
        token_ids = preprocessing.pad([row[-width:] for row in rows(count, seed=width)], width)
        expected = np.asarray(network(token_ids))
        assert np.abs(answers.predict(token_ids) - expected).max() < 1e-5


def test_the_difference_is_measured(exported):
    assert runtime.compare_onnx(*exported, rows(1_200)) <= runtime.ONNX_TOLERANCE


def test_a_file_of_another_network_is_refused(exported):
    other = model.build_model(CONFIG)
    with pytest.raises(errors.ModelDataError, match=r"differs from .* expected at most 1e-05"):
        runtime.compare_onnx(other, exported[1], rows(60))


def test_a_network_that_answers_with_no_number_is_refused(exported):
    def broken(token_ids):
        return np.full((len(token_ids), 2), np.nan, np.float32)

    with pytest.raises(errors.ModelDataError, match="differs from the Keras network by nan"):
        runtime.compare_onnx(broken, exported[1], rows(60))


def test_nothing_is_printed_while_it_is_written(exported, tmp_path, capfd):
    runtime.write_onnx(exported[0], tmp_path / "model.onnx")
    assert capfd.readouterr().out == ""
