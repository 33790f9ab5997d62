import os
import subprocess
import sys

import keras
import numpy as np
import onnx
import pytest
from tiny_model import WEIGHTS, tiny_answer, write_tiny_network

from byoi import errors
from byoi_lib import model, preprocessing, runtime

IDS = np.array([[0, 1, 6], [1, 7, 8], [2, 2, 2]], np.int32)


def test_onnx_runtime_gives_a_pair_for_each_review(tiny_model_dir):
    network = runtime.load(tiny_model_dir, "onnx")
    answers = network.predict(IDS)
    assert answers.shape == (3, 2)
    assert answers.dtype == np.float32
    np.testing.assert_allclose(answers, [tiny_answer(row) for row in IDS], atol=1e-6)


@pytest.mark.parametrize("threads", [1, 2])
def test_any_number_of_threads_gives_the_same_answers(threads, tiny_model_dir):
    network = runtime.load(tiny_model_dir, "onnx", threads=threads)
    expected = runtime.load(tiny_model_dir, "onnx").predict(IDS)
    np.testing.assert_allclose(network.predict(IDS), expected, atol=1e-6)


def test_the_files_are_those_the_runtimes_read():
    assert runtime.FILES == {"onnx": "model.onnx", "keras": "model.keras"}


def test_an_unknown_runtime_is_refused(tiny_model_dir):
    with pytest.raises(errors.ConfigurationError, match="'torch' is not one of onnx, keras"):
        runtime.load(tiny_model_dir, "torch")


@pytest.mark.parametrize("content", [b"", b"not a network"])
@pytest.mark.parametrize("name", ["onnx", "keras"])
def test_a_file_that_is_no_network_is_refused_in_one_line(content, name, tiny_model_dir):
    path = tiny_model_dir / runtime.FILES[name]
    path.write_bytes(content)
    with pytest.raises(errors.ModelDataError) as caught:
        runtime.load(tiny_model_dir, name)
    message = str(caught.value)
    assert message.startswith(f"{path}: cannot be loaded (")
    assert message.endswith("); train again with the versions installed here")
    assert "\n" not in message


def test_a_network_of_another_shape_is_refused(tiny_model_dir):
    write_tiny_network(tiny_model_dir / "model.onnx", np.ones((9, 3), np.float32))
    network = runtime.load(tiny_model_dir, "onnx")
    with pytest.raises(errors.ModelDataError) as caught:
        network.predict(IDS)
    assert "model.onnx: gives shape (3, 3) of float32, expected (3, 2) of float32; export" in str(
        caught.value
    )


def test_a_network_of_another_type_is_refused(tiny_model_dir):
    write_tiny_network(tiny_model_dir / "model.onnx", WEIGHTS.astype(np.float64))
    with pytest.raises(errors.ModelDataError, match="of float64, expected"):
        runtime.load(tiny_model_dir, "onnx").predict(IDS)


# Keras's own variables do not know NumPy 2's copy argument.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_keras_gives_the_answers_of_the_network_that_was_saved(tmp_path):
    import keras

    from byoi_lib.model import ModelConfig, build_model

    keras.utils.set_random_seed(1)
    config = ModelConfig(vocabulary_size=50, max_length=12)
    network = build_model(config)
    network.save(tmp_path / "model.keras")
    loaded = runtime.load(tmp_path, "keras")
    ids = np.array([[0, 0, 1, 7, 49], [1, 5, 6, 7, 8]], np.int32)
    answers = loaded.predict(ids)
    assert answers.shape == (2, 2)
    assert answers.dtype == np.float32
    np.testing.assert_allclose(answers, network.predict(ids, verbose=0), atol=1e-6)
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-6)


def test_onnx_runtime_needs_no_tensorflow(tiny_model_dir):
    code = (
        "import sys, pathlib, byoi_lib.runtime as r;"
        "r.load(pathlib.Path(sys.argv[1]), 'onnx');"
        "print([name for name in ('tensorflow', 'keras') if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, str(tiny_model_dir)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ})
    assert done.stdout == "[]\n"


def test_onnx_runtime_reports_to_nobody(tiny_model_dir, monkeypatch) -> None:
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    runtime.OnnxNetwork(tiny_model_dir / "model.onnx", threads=1)
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"


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
