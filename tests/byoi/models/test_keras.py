"""Keras files and SavedModel: two models, each in both formats."""

import pytest
from asking import answer, load_refusal, refusal, tensors

from byoi import errors, models

# NumPy warns of how Keras reads its variables.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A model with two inputs and two outputs, as a file and as a SavedModel."""
    import keras

    folder = tmp_path_factory.mktemp("keras")
    numbers = keras.Input((2,), name="numbers")
    place = keras.Input((), name="place", dtype="int32")
    ones = keras.layers.Embedding(5, 2, embeddings_initializer="ones")(place)
    both = keras.layers.Add(name="both")([numbers, ones])
    network = keras.Model([numbers, place], {"both": both, "same": numbers})
    (folder / "file").mkdir()
    network.save(folder / "file" / "model.keras")
    network.export(folder / "saved" / "1", verbose=False)
    return folder


@pytest.mark.parametrize("kind", ["file", "saved"])
def test_inputs_and_outputs_have_the_names_of_the_file(written, kind):
    model = models.load(written / kind)
    assert tensors(model.signature.inputs) == [
        ("numbers", "float32", (None, 2)),
        ("place", "int32", (None,)),
    ]
    assert tensors(model.signature.outputs) == [
        ("both", "float32", (None, 2)),
        ("same", "float32", (None, 2)),
    ]
    body = {"instances": [{"numbers": [0.5, 1], "place": 3.0}]}
    assert answer(model, body) == {"predictions": [{"both": [1.5, 2.0], "same": [0.5, 1.0]}]}
    assert "received 0.5, a number, expected a whole number" in refusal(
        model, {"instances": [{"numbers": [1, 1], "place": 0.5}]}
    )
    # An embedding has no row 5.
    assert refusal(model, {"instances": [{"numbers": [1, 1], "place": 5}]}).startswith(
        "the model refuses these values: "
    )


def test_a_sequential_model_has_one_output(tmp_path):
    import keras

    layers = [keras.Input((2,)), keras.layers.Rescaling(2.0)]
    keras.Sequential(layers).save(tmp_path / "model.keras")
    model = models.load(tmp_path)
    assert answer(model, [[0.5, 1]]) == [[1.0, 2.0]]
    assert tensors(model.signature.outputs) == [("prediction", "float32", (None, 2))]


def test_texts_of_a_saved_model_are_texts(tmp_path):
    import tensorflow as tf

    class Upper(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
        def __call__(self, text):
            return {"upper": tf.strings.upper(text, encoding="utf-8")}

    module = Upper()
    tf.saved_model.save(module, str(tmp_path / "1"), {"serving_default": module.__call__})
    model = models.load(tmp_path)
    assert tensors(model.signature.inputs) == [("text", "str", (None,))]
    assert answer(model, ["ä", "b"]) == ["Ä", "B"]


def test_a_damaged_keras_file_is_refused_in_one_line(tmp_path):
    (tmp_path / "model.keras").write_text("no model")
    assert "model.keras: cannot be loaded" in load_refusal(tmp_path, errors.ModelDataError)
