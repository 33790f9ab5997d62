"""The images hold the modules that serve, or train, and no other.

PYTHONVERBOSE makes each Python of a container (supervisor, master, workers) name the files it
loads, so that nothing in the product has to.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import onnx
import pytest
from containers import ROOT, docker, mounted, started
from jobs import HYPERPARAMETERS, run_job, write_reviews
from onnx import TensorProto, helper
from test_serve import invoke

pytestmark = pytest.mark.needs("docker")
VERBOSE = ("--env", "PYTHONVERBOSE=1")
BYTECODE = re.compile(r"/opt/program/((?:\w+/)*)__pycache__/([\w.]+)\.cpython-\d+\.pyc")


def held(image: str) -> set[str]:
    """Return the modules of this project that are in an image, as paths from the root."""
    listed = docker("run", "--rm", image, "find", "/opt/program", "-name", "*.py", "-printf", "%P ")
    return set(listed.split())


def loaded(log: str) -> set[str]:
    """Return the modules of this project that the processes of a container loaded."""
    return {f"{folder}{name}.py" for folder, name in BYTECODE.findall(log)}


def serve(image: str, model_dir: Path) -> str:
    """Serve one invocation and return the log."""
    with started(image, *VERBOSE, *mounted(model_dir)) as container:
        assert invoke(container.port, {"review": "the film"})[0] == 200
        return container.log


def serve_numbers(image: str, model_dir: Path) -> str:
    """Serve a script without functions for its bodies, and return the log."""
    (model_dir / "code").mkdir(parents=True)
    (model_dir / "code" / "inference.py").write_text(
        "from byoi.formats import predict_rows\nBYOI_BATCH_SIZE = 2\n"
        "def model_fn(model_dir): return 2\n"
        "def predict_fn(requests, model):\n"
        "    return predict_rows(requests, lambda rows: rows * model)\n"
    )
    # With what a container has only where it is asked for.
    asked = ("--env", "BYOI_PAGE=on", "--env", "BYOI_RELOAD=on")
    with started(image, *VERBOSE, *asked, *mounted(model_dir)) as container:
        assert invoke(container.port, [1, 2]) == (200, [2, 4])
        return container.log


def train_by_script(image: str, directory: Path) -> str:
    """Run a training job whose fit is a script, and return the log."""
    directory.mkdir()
    (directory / "fit.py").write_text("print('fitted')\n")
    script = ("--env", "BYOI_TRAINING_SCRIPT=/opt/ml/fit.py")
    job = run_job(image, directory, {}, *VERBOSE, *script)
    assert job.status == 0
    return job.log


def serve_model_file(image: str, model_dir: Path) -> str:
    """Serve one ONNX file without a script, and return the log."""
    shape = ["rows", 2]
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["double"])],
        "doubles",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("double", TensorProto.FLOAT, shape)],
    )
    model_dir.mkdir()
    opset = [helper.make_opsetid("", 18)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=9)
    onnx.save(model, model_dir / "model.onnx")
    with started(image, *VERBOSE, *mounted(model_dir)) as container:
        assert invoke(container.port, [[1, 2]]) == (200, [[2.0, 4.0]])
        return container.log


def test_every_module_of_the_default_image_serves_or_answers_train(
    image, model_dir, tmp_path
) -> None:
    refused = run_job(image, tmp_path, HYPERPARAMETERS, *VERBOSE)
    assert refused.status == 1
    serving = loaded(serve(image, model_dir)) | loaded(serve_numbers(image, tmp_path / "own"))
    training = loaded(refused.log) | loaded(train_by_script(image, tmp_path / "script"))
    serving |= loaded(serve_model_file(image, tmp_path / "file"))
    assert serving | training == held(image)


def test_every_module_of_the_tensorflow_image_serves_or_trains(
    tensorflow_image, model_dir, tmp_path
) -> None:
    write_reviews(tmp_path / "input" / "data" / "train")
    job = run_job(tensorflow_image, tmp_path, HYPERPARAMETERS, *VERBOSE)
    assert job.status == 0
    serving = loaded(serve(tensorflow_image, model_dir))
    serving |= loaded(serve_numbers(tensorflow_image, tmp_path / "own"))
    training = loaded(job.log) | loaded(train_by_script(tensorflow_image, tmp_path / "script"))
    serving |= loaded(serve_model_file(tensorflow_image, tmp_path / "file"))
    assert serving | training == held(tensorflow_image)


def imports(path: str, *, deep: bool) -> Iterator[str]:
    """Yield the modules of this project that a module imports; `deep`: in functions, too."""
    tree = ast.parse((ROOT / path).read_text())
    # A face lists its names a second time for type checkers.
    tree.body = [
        node for node in tree.body if not (isinstance(node, ast.If) and _is_for_types(node))
    ]
    for node in ast.walk(tree) if deep else tree.body:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            names.append(str(node.module))
        else:
            continue
        for name in names:
            place = name.replace(".", "/")
            files = (f"{place}.py", f"{place}/__init__.py")
            yield from (file for file in files if (ROOT / file).exists())


def _is_for_types(node: ast.If) -> bool:
    return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


@pytest.mark.parametrize(
    ("fixture", "deep"),
    # What the default image imports in functions is for training and for Keras.
    [("image", False), ("tensorflow_image", True)],
)
def test_no_module_is_missing_that_a_module_of_the_image_imports(fixture, deep, request) -> None:
    modules = held(request.getfixturevalue(fixture))
    assert len(modules) > 20
    wanted = {found for path in modules for found in imports(path, deep=deep)}
    assert wanted - modules == set()
