"""The parts of AWS's container libraries that scripts import, beside the real ones."""

import io
import json
import subprocess
import sys

import numpy as np
import pytest
import sagemaker_inference.content_types
import sagemaker_inference.decoder
import sagemaker_inference.encoder

from byoi import errors
from byoi.server import aws_libraries

# In a process of its own: here the real toolkit is installed, and is found first.
HIDDEN = """
import sys
class Hidden:
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] == "sagemaker_inference" and path is None:
            from importlib import util
            return aws_libraries._Finder().find_spec(name, path)
from byoi.server import aws_libraries
aws_libraries.install()
sys.meta_path.insert(0, Hidden())
"""
OLDER = """
import json
from sagemaker_containers.beta.framework import (
    content_types, encoders, env, modules, transformer, worker)
def model_fn(model_dir): return 3
def input_fn(body, content_type): return encoders.decode(body, content_type)
def predict_fn(data, model): return data * model
def output_fn(prediction, accept):
    if accept == content_types.JSON:
        body = json.dumps({"instances": prediction.tolist()})
        return worker.Response(body, mimetype=accept)
    return worker.Response(encoders.encode(prediction, accept), accept, 201)
"""


@pytest.fixture(autouse=True)
def imports():
    before = set(sys.modules), sys.meta_path[:]
    yield
    sys.meta_path[:] = before[1]
    for name in set(sys.modules) - before[0]:
        del sys.modules[name]


def run(source):
    done = subprocess.run(
        [sys.executable, "-c", HIDDEN + source], capture_output=True, text=True, check=False
    )
    return done.returncode, (done.stdout + done.stderr).strip()


def test_an_installed_library_is_used_as_it_is():
    aws_libraries.install()
    assert "site-packages" in sagemaker_inference.decoder.__file__


def test_the_constants_are_those_of_the_toolkit():
    real = {
        name: value
        for name, value in vars(sagemaker_inference.content_types).items()
        if name.isupper()
    }
    assert aws_libraries._content_types() == real


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", "[[1, 2], [3, 4]]"),
        ("application/json", '["a"]'),
        ("text/csv", "1,2\n3,4"),
        ("text/csv", "1.5"),
    ],
)
def test_bodies_become_the_arrays_of_the_toolkit(content_type, body):
    ours = aws_libraries._decoder()["decode"](body, content_type)
    real = sagemaker_inference.decoder.decode(body, content_type)
    np.testing.assert_array_equal(ours, real)
    assert ours.dtype == real.dtype


def test_sparse_rows_are_read():
    import scipy.sparse

    stream = io.BytesIO()
    scipy.sparse.save_npz(stream, scipy.sparse.csr_matrix([[0, 1]]))
    read = aws_libraries._decoder()["decode"](stream.getvalue(), "application/x-npz")
    assert read.toarray().tolist() == [[0, 1]]


def test_a_pickle_in_an_array_is_not_run():
    stream = io.BytesIO()
    np.save(stream, np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        aws_libraries._decoder()["decode"](stream.getvalue(), "application/x-npy")


@pytest.mark.parametrize("content_type", ["application/json", "text/csv", "application/x-npy"])
@pytest.mark.parametrize("values", [[1, 2], np.array([[0.5, 1], [2, 3]]), np.array(["a"])])
def test_arrays_become_the_bodies_of_the_toolkit(content_type, values):
    ours = aws_libraries._encoder()["encode"](values, content_type)
    assert ours == sagemaker_inference.encoder.encode(values, content_type)


def test_an_unknown_type_is_the_clients_fault():
    for function in (aws_libraries._decoder()["decode"], aws_libraries._encoder()["encode"]):
        with pytest.raises(errors.UnsupportedContentType, match="'image/png' is not supported"):
            function("", "image/png")


def test_without_the_toolkit_its_parts_can_be_imported():
    status, printed = run(
        "from sagemaker_inference import content_types, decoder, encoder, errors, utils\n"
        "print(encoder.encode(decoder.decode('[1]', content_types.JSON), content_types.JSON))\n"
    )
    assert (status, printed) == (0, "[1]")


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("import sagemaker_inference.model_server", "sagemaker_inference.model_server"),
        ("from sagemaker_inference import transformer\ntransformer.Transformer()",
         "sagemaker_inference.transformer.Transformer"),
        ("import sagemaker_xgboost_container.encoder", "sagemaker_xgboost_container"),
        ("from sagemaker_sklearn_extension.externals import read_csv_data",
         "sagemaker_sklearn_extension"),
        ("from sagemaker_containers.beta.framework import env\nenv.ServingEnv()",
         "sagemaker_containers.beta.framework.env.ServingEnv"),
    ],
)  # fmt: skip
def test_what_is_not_here_is_named_in_one_line_with_the_way_out(statement, named, tmp_path):
    script = tmp_path / "inference.py"
    script.write_text(f"{statement}\ndef model_fn(model_dir): ...\n")
    status, printed = run(
        f"from byoi.server import inference_module; inference_module.find({str(script)!r})"
    )
    assert status == 1
    line = printed.splitlines()[-1]
    assert line.startswith(f"byoi.errors.ConfigurationError: the script uses {named}, ")
    assert "byoi.formats" in line


@pytest.mark.parametrize(
    "statement",
    [
        "try:\n    import sagemaker_xgboost_container\nexcept ImportError:\n    pass",
        "from sagemaker_containers.beta.framework import server",
        "from sagemaker_inference import environment",
        "import importlib.util\nassert importlib.util.find_spec('sagemaker_training') is None",
    ],
)
def test_a_library_that_a_script_can_do_without_costs_nothing(statement, tmp_path):
    script = tmp_path / "inference.py"
    script.write_text(f"{statement}\ndef model_fn(model_dir):\n    return len\nprint('here')\n")
    found = f"from byoi.server import inference_module; inference_module.find({str(script)!r})"
    assert run(found) == (0, "here")


def test_a_script_for_the_older_framework_serves(start):
    stack = start(OLDER)
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    answer = stack.target.send("POST", "/invocations", b"[1, 2]", headers)
    assert (answer.status, answer.json) == (200, {"instances": [3, 6]})
    headers["Accept"] = "text/csv"
    answer = stack.target.send("POST", "/invocations", b"[1, 2]", headers)
    assert (answer.status, answer.body) == (201, b"3\n6\n")
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert json.loads(stack.target.send("POST", "/invocations", b"x").body)["error"]
