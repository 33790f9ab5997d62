"""byoi.testing: the same questions in this process, at a URL and in an image."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sagemaker.deserializers import JSONDeserializer, NumpyDeserializer
from sagemaker.serializers import CSVSerializer, JSONSerializer, NumpySerializer

from byoi import errors, testing
from byoi.local import processes

MODULE = """
import json

from byoi import errors
from scale import times


def model_fn(model_dir):
    with open(f"{model_dir}/weights.json") as file:
        return json.load(file)


def predict_fn(data, model):
    if data.ndim == 0:
        raise errors.MalformedBody(f"received the number {data}, expected a list")
    return times(data, model["slope"])


def output_fn(prediction, accept, context):
    context.set_response_header(0, "X-Rows", str(len(prediction)))
    from byoi.formats import numbers

    return numbers.encode(prediction, accept)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.json").write_text('{"slope": 2.0}', encoding="utf-8")
    (tmp_path / "inference.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "scale.py").write_text("def times(a, b):\n    return a * b\n", encoding="utf-8")
    (tmp_path / "sample_request.csv").write_text("1,2\n", encoding="utf-8")
    return tmp_path


def test_a_project_answers_as_the_server_does(project: Path) -> None:
    with testing.model(project) as model:
        assert model.is_ready()
        answer = model.invoke([1, 2.5])
        assert answer.json() == [2.0, 5.0]
        assert (answer.status, answer.content_type) == (200, "application/json")
        assert answer.headers["x-rows"] == "2"
        assert model.invoke("1,2", content_type="text/csv", accept="text/csv").text == "2.0\n4.0\n"
        assert model.invoke(project / "sample_request.csv").json() == [2.0, 4.0]
        assert model.invoke(["a"], check=False).status == 500
        assert model.invoke(np.array([3])).json() == [6.0]


def test_an_error_status_is_raised_unless_it_is_asked_for(project: Path) -> None:
    with testing.model(project) as model:
        with pytest.raises(errors.InvocationError, match="expected a list") as raised:
            model.invoke("7")
        assert raised.value.status == 400
        answer = model.invoke("7", check=False)
        assert (answer.status, answer.json()["error"]) == (400, "MalformedBody")
        with pytest.raises(errors.InvocationError, match="415"):
            model.invoke(b"\xff\xfe")


def test_the_serializers_of_the_sdk_fit(project: Path) -> None:
    with testing.model(project) as model:
        numbers = np.array([[1.0, 2.0], [3.0, 4.0]])
        found = model.predict(
            numbers, serializer=NumpySerializer(), deserializer=NumpyDeserializer()
        )
        np.testing.assert_array_equal(found, 2 * numbers)
        found = model.predict([1, 2], serializer=JSONSerializer(), deserializer=JSONDeserializer())
        assert found == [2.0, 4.0]
        assert model.predict([[5, 6]], serializer=CSVSerializer()) == b"[10.0, 12.0]"


def test_two_projects_in_one_process_do_not_meet(project: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / "model").mkdir(parents=True)
    (other / "inference.py").write_text(
        "from scale import times\n\n\ndef model_fn(model_dir):\n    return times\n\n\n"
        "def predict_fn(data, model):\n    return model(data)\n",
        encoding="utf-8",
    )
    (other / "scale.py").write_text("def times(data):\n    return data + 1\n", encoding="utf-8")
    before = sys.path.copy()
    for folder, expected in ((project, [2.0]), (other, [2]), (project, [2.0])):
        with testing.model(folder) as model:
            assert model.invoke([1]).json() == expected
    assert sys.path == before
    assert "scale" not in sys.modules


def test_packages_without_init_are_forgotten_too(tmp_path: Path) -> None:
    for name in ("one", "two"):
        folder = tmp_path / name
        (folder / "model").mkdir(parents=True)
        (folder / "helpers").mkdir()
        (folder / "helpers" / "x.py").write_text(f"VALUE = {name!r}\n", encoding="utf-8")
        (folder / "inference.py").write_text(
            "from helpers import x\n\n\ndef model_fn(model_dir):\n    return x.VALUE\n\n\n"
            "def predict_fn(data, model):\n    return model\n",
            encoding="utf-8",
        )
        with testing.model(folder) as model:
            assert model.invoke([1]).json() == name


def test_a_module_may_stand_without_a_project(project: Path) -> None:
    with testing.model(project / "inference.py", project / "model") as model:
        assert model.invoke([1]).json() == [2.0]


def test_a_model_file_needs_no_module(tiny_onnx: Path) -> None:
    with testing.model("", tiny_onnx) as model:
        assert model.invoke({"instances": [[1.0, 2.0]]}).json() == {"predictions": [[2.0, 4.0]]}


@pytest.fixture
def tiny_onnx(tmp_path: Path) -> Path:
    import onnx
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["y"])],
        "twice",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 2])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    directory = tmp_path / "onnx"
    directory.mkdir()
    onnx.save(model, directory / "model.onnx")
    return directory


def test_what_is_missing_is_named(project: Path) -> None:
    with pytest.raises(errors.ConfigurationError, match=r"absent does not exist"):  # noqa: SIM117
        with testing.model(project, project / "absent"):
            pass
    (project / "model").rename(project / "trained")
    with pytest.raises(errors.ConfigurationError, match="has no folder model"):  # noqa: SIM117
        with testing.model(project):
            pass


def test_a_url_is_asked_the_same_questions(project: Path) -> None:
    environ = {"BYOI_INFERENCE_MODULE": str(project / "inference.py"), "BYOI_NGINX": "off"}
    with processes.ProcessStack(project / "model", environ=environ) as stack:
        model = testing.endpoint(stack.url)
        assert model.is_ready()
        assert model.invoke([1, 2.5]).json() == [2.0, 5.0]
        assert model.invoke("7", check=False).status == 400
    assert not model.is_ready()
    with pytest.raises(errors.HostingError, match="no answer from"):
        model.invoke([1])


def test_the_fixture_is_the_project_in_pytests_root_folder(project: Path) -> None:
    (project / "conftest.py").write_text(
        'pytest_plugins = ["byoi.pytest_plugin"]\n', encoding="utf-8"
    )
    (project / "test_inference.py").write_text(
        "def test_it(byoi_model):\n    assert byoi_model.invoke([2]).json() == [4.0]\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--rootdir", project, project],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


def test_an_answer_reads_as_json_and_text() -> None:
    answer = testing.Answer(200, json.dumps({"a": 1}).encode(), {})
    assert (answer.json(), answer.text, answer.content_type) == ({"a": 1}, '{"a": 1}', "")
