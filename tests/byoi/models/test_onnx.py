"""ONNX files: every type, open axes, a classifier with its map, and the server around one."""

import json

import numpy as np
import onnx
import pytest
from asking import answer, load_refusal, refusal, tensors
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression

from byoi import errors, models
from byoi.local.processes import ProcessStack


def value(name, dtype, shape):
    return helper.make_tensor_value_info(name, dtype, shape)


def write(folder, nodes, inputs, outputs):
    graph = helper.make_graph([helper.make_node(*one) for one in nodes], "g", inputs, outputs)
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), folder / "model.onnx")
    return folder


@pytest.fixture
def adder(tmp_path):
    """A model of two inputs and two outputs: a + b, and b as it is."""
    shape = ["batch", 2]
    return write(
        tmp_path,
        [("Add", ["a", "b"], ["sum"]), ("Identity", ["b"], ["same"])],
        [value("a", TensorProto.FLOAT, shape), value("b", TensorProto.FLOAT, shape)],
        [value("sum", TensorProto.FLOAT, shape), value("same", TensorProto.FLOAT, shape)],
    )


@pytest.mark.parametrize(
    ("dtype", "name", "row", "wrong"),
    [
        (TensorProto.FLOAT, "float32", 0.1, "a"),
        (TensorProto.DOUBLE, "float64", 0.1, True),
        (TensorProto.FLOAT16, "float16", 0.1, 70000),
        (TensorProto.INT64, "int64", 7.0, 1.5),
        (TensorProto.INT32, "int32", -7, 2**31),
        (TensorProto.INT8, "int8", -128, 128),
        (TensorProto.UINT8, "uint8", 255, -1),
        (TensorProto.BOOL, "bool", True, 2),
        (TensorProto.STRING, "str", "ä", 1),
    ],
)
def test_each_type_goes_in_and_comes_out(tmp_path, dtype, name, row, wrong):
    nodes = [("Identity", ["x"], ["y"])]
    model = models.load(
        write(tmp_path, nodes, [value("x", dtype, ["n"])], [value("y", dtype, ["n"])])
    )
    assert tensors(model.signature.inputs) == [("x", name, (None,))]
    assert tensors(model.signature.outputs) == [("y", name, (None,))]
    assert answer(model, {"instances": [row]}) == {"predictions": [row]}
    assert "input 'x', row 1: received" in refusal(model, {"instances": [wrong]})


def test_several_inputs_and_outputs_have_their_names(adder):
    model = models.load(adder)
    assert tensors(model.signature.inputs) == [
        ("a", "float32", (None, 2)),
        ("b", "float32", (None, 2)),
    ]
    expected = {"sum": [1.5, 3.0], "same": [1.0, 2.0]}
    a, b = [0.5, 1], [1, 2]
    assert answer(model, {"instances": [{"a": a, "b": b}]}) == {"predictions": [expected]}
    assert answer(model, {"inputs": {"a": [a], "b": [b]}}) == {
        "outputs": {name: [row] for name, row in expected.items()}
    }
    assert answer(model, "0.5,1,1,2", "text/csv", "text/csv") == "1.5,3.0,1.0,2.0"


def test_inputs_that_do_not_fit_one_another_are_refused(adder):
    message = refusal(models.load(adder), {"inputs": {"a": [[1, 2]] * 2, "b": [[1, 2]] * 3}})
    assert message.startswith("the model refuses these values: [ONNXRuntimeError]")


def test_a_text_that_is_no_number_is_refused_where_the_model_reads_one(tmp_path):
    graph = helper.make_graph(
        [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)],
        "g",
        [value("x", TensorProto.STRING, ["n"])],
        [value("y", TensorProto.FLOAT, ["n"])],
    )
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), tmp_path / "m.onnx")
    model = models.load(tmp_path)
    assert answer(model, ["1.5"]) == [1.5]
    assert refusal(model, ["abc"]).startswith("the model refuses these values: ")


def test_a_classifier_of_skl2onnx_gives_labels_and_the_probability_of_each(tmp_path):
    rows = np.random.default_rng(0).random((30, 4), np.float32)
    classifier = LogisticRegression().fit(rows, np.array(["c", "a", "b"] * 10))
    exported = to_onnx(classifier, rows, target_opset=18)
    (tmp_path / "iris.onnx").write_bytes(exported.SerializeToString())
    model = models.load(tmp_path)
    assert tensors(model.signature.outputs) == [
        ("output_label", "str", (None,)),
        ("output_probability", "float32", (None, None)),
    ]
    predictions = answer(model, rows[:3].tolist())
    assert [one["output_label"] for one in predictions] == classifier.predict(rows[:3]).tolist()
    np.testing.assert_allclose(
        [one["output_probability"] for one in predictions],
        classifier.predict_proba(rows[:3]),
        atol=1e-5,
    )


def test_a_type_that_no_body_can_hold_is_refused_by_name(tmp_path):
    sequence = helper.make_tensor_sequence_value_info("s", TensorProto.FLOAT, None)
    output = value("n", TensorProto.INT64, [])
    write(tmp_path, [("SequenceLength", ["s"], ["n"])], [sequence], [output])
    assert "model.onnx: the input 's' is a seq(tensor(float))" in load_refusal(tmp_path)


def test_the_threads_of_one_prediction_are_a_whole_number(adder, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert "OMP_NUM_THREADS='many': expected a whole number" in load_refusal(adder)


def test_a_model_file_is_served_as_it_is(adder):
    stack = ProcessStack(adder, environ={}, log_file=adder / "log")
    try:
        stack.start()
        stack.wait()
        body = json.dumps({"instances": [{"a": [1, 2], "b": [3, 4]}]}).encode()
        assert post(stack, body) == (
            200,
            {"predictions": [{"sum": [4.0, 6.0], "same": [3.0, 4.0]}]},
        )
        status, error = post(stack, b'[{"a": [1, 2], "b": [3, "4"]}]')
        assert (status, error["error"]) == (400, "MalformedBody")
        assert "input 'b', row 1, column 2: received '4', a text" in error["message"]
        assert post(stack, b"1", content_type="image/png")[0] == 415
        assert post(stack, body, accept="image/png")[0] == 406
    finally:
        stack.stop()


def post(stack, body, *, content_type="application/json", accept="application/json"):
    from byoi import invocation

    try:
        given = invocation.invoke(
            f"http://127.0.0.1:{stack.port}", body, content_type=content_type, accept=accept
        )
    except errors.InvocationError as error:
        return error.status, json.loads(error.body)
    return 200, json.loads(given.body)
