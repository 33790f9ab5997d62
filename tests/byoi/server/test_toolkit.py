"""Scripts of the kinds that people write for AWS's containers, in AWS's own toolkit and here.

Where the toolkit answers 200, so does this server, with the same body and media type. The one
difference is named in `OURS_ALONE`: what the toolkit cannot read, and this server can.
"""

import io
import json
import pickle
import sys
from pathlib import Path
from types import SimpleNamespace

import contract_cases
import joblib
import numpy as np
import pytest
from sagemaker_inference.transformer import Transformer
from sklearn.linear_model import LogisticRegression

from byoi.server import inference_module
from byoi.server.app import create_app
from byoi.server.settings import Settings

SCRIPTS = Path(__file__).parents[2] / "toys" / "scripts"
JSON = "application/json"
CSV = "text/csv"
NPY = "application/x-npy"


def npy(values):
    stream = io.BytesIO()
    np.save(stream, np.array(values))
    return stream.getvalue()


# Script, body, content type, accept.
REQUESTS = [
    ("pandas_csv", b"1,2\n3,4\n", CSV, JSON),
    ("pandas_csv", b"1,2\n3,4\n", CSV, CSV),
    ("pandas_csv", "é\n".encode(), CSV, CSV),
    ("pandas_csv", b"[1]", JSON, JSON),
    ("joblib_model", b"[[0.1, 0.2], [5, 5]]", JSON, JSON),
    ("joblib_model", b"0.1,0.2\n5,5\n", CSV, CSV),
    ("joblib_model", b"0.1,0.2\n5,5\n", CSV, "*/*"),
    ("joblib_model", npy([[0.1, 0.2]]), NPY, NPY),
    ("joblib_model", b"[[1, 2, 3]]", JSON, JSON),
    ("pickle_model", b"[0.1, 0.2]", JSON, JSON),
    ("pickle_model", b"0.5,0.25", CSV, CSV),
    ("transform_with_context", b'{"inputs": "a"}', JSON, JSON),
    ("transform_alone", b"[1, 2]", JSON, None),
    ("argparse_main", b"[1, 2]", JSON, JSON),
    ("prints_and_logs", b"a,b", CSV, CSV),
    ("prints_and_logs", b"[1]", JSON, None),
    ("dict_output", b"[1, 2]", JSON, JSON),
    ("bytes_or_text", b'"a"', JSON, JSON),
    ("bytes_or_text", "ä".encode(), "text/plain", JSON),
    ("bytes_or_text", b"a", "application/x-own", JSON),
    ("decodes_text", "ä\nbc".encode(), "text/plain", JSON),
    ("decodes_text", b"a", JSON, JSON),
    ("numpy_bytes", npy([1, 2]), NPY, NPY),
    ("partial_functions", b"[[1, 2], [3, 4]]", JSON, JSON),
    ("partial_functions", b"1,2\n3,4", CSV, CSV),
    ("partial_functions", b"[[1, NaN], [Infinity, 4], [-Infinity, Infinity]]", JSON, JSON),
    ("toolkit_parts", b"[NaN]", JSON, JSON),
    ("joblib_model", b"[[NaN, 1]]", JSON, JSON),
    ("warmed_up", b"[1, 2]", JSON, JSON),
    ("warmed_up", b"[1, 2]", JSON, "image/png, application/json"),
    ("warmed_up", b"[1, 2]", JSON, "image/png"),
    ("warmed_up", b"[1, 2]", "image/png", JSON),
    ("echo_accept", b"[1, 2]", JSON, None),
    ("echo_accept", b"[1, 2]", JSON, "*/*"),
    ("echo_accept", b"[1, 2]", JSON, CSV),
    ("folder/inference", b"[1, 2]", JSON, JSON),
    ("toolkit_parts", b"[1, 2]", JSON, JSON),
    ("toolkit_parts", b"1,2\n3,4", CSV, CSV),
    ("toolkit_parts", npy([[0.5]]), NPY, NPY),
    ("toolkit_parts", b"[1]", JSON, "image/png, text/csv"),
    ("toolkit_parts", b"[1]", JSON, "image/png"),
    ("toolkit_parts", b"[1]", "image/png", JSON),
    ("toolkit_parts", b"", "application/x-npz", JSON),
]
# The toolkit fails, for want of parsing the header or of an encoder, and this server does not.
OURS_ALONE = [
    ("joblib_model", b"[[5, 5]]", "application/json; charset=utf-8", JSON),
    ("joblib_model", b"[5, 5]\n[0, 0]", "application/jsonlines", JSON),
    ("joblib_model", b"\xef\xbb\xbf[[5, 5]]", JSON, JSON),
    ("joblib_model", b"[[5, 5]]", JSON, "application/json;q=0.5"),
]


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scripts") / "model"
    folder.mkdir()
    (folder / "slope.txt").write_text("2")
    model = LogisticRegression().fit([[0, 0], [5, 5]], [0, 1])
    joblib.dump(model, folder / "model.joblib")
    (folder / "model.pkl").write_bytes(pickle.dumps(model))
    return folder


@pytest.fixture(autouse=True)
def imports(monkeypatch):
    """Leave `sys.path` and `sys.modules` as they were: many scripts have the same name."""
    monkeypatch.setattr(sys, "path", sys.path[:])
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if str(SCRIPTS) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


class AwsContext:
    """What AWS's model server gives its toolkit with one request."""

    def __init__(self, model_dir, headers):
        self.system_properties = {"model_dir": str(model_dir)}
        self.request_processor = [SimpleNamespace(get_request_properties=lambda: headers)]
        self.headers = headers
        self.status, self.content_type = 200, None

    def get_all_request_header(self, _index):
        return self.headers

    def set_response_content_type(self, _index, value):
        self.content_type = value

    def set_response_status(self, code, phrase):
        self.status = code


def in_the_toolkit(monkeypatch, model_dir, script, body, headers):
    folder = (SCRIPTS / script).parent
    for path in (folder / "lib", folder):
        sys.path.insert(0, str(path))
    monkeypatch.setenv("SAGEMAKER_PROGRAM", f"{Path(script).name}.py")
    context = AwsContext(model_dir, headers)
    (output,) = Transformer().transform([{"body": bytearray(body)}], context)
    # multi-model-server, protocol/otf_message_handler.py.
    if isinstance(output, str):
        output = output.encode()
    elif not isinstance(output, bytes | bytearray):
        output = json.dumps(output, indent=2).encode()
    return context.status, context.content_type, bytes(output)


def in_this_server(model_dir, script, body, headers):
    path = SCRIPTS / f"{script}.py"
    handler = inference_module.find(str(path), path.parent)
    app = create_app(
        Settings(), handler=handler, model=handler.load(str(model_dir)), ready=lambda: True
    )
    return contract_cases.ClientTarget(app).send("POST", "/invocations", body, headers)


def headers_of(content_type, accept):
    return {"Content-Type": content_type} | ({} if accept is None else {"Accept": accept})


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda one: f"{one[0]}-{one[2]}-{one[3]}")
def test_a_script_answers_as_in_the_toolkit(monkeypatch, model_dir, request_):
    script, body, *types = request_
    headers = headers_of(*types)
    status, media_type, expected = in_the_toolkit(monkeypatch, model_dir, script, body, headers)
    for name in [name for name in sys.modules if name == Path(script).name]:
        del sys.modules[name]
    answer = in_this_server(model_dir, script, body, headers)
    if status == 200:
        assert (answer.status, answer.body) == (200, expected)
        assert answer.headers["Content-Type"] == media_type
    else:
        assert answer.status in {400, 406, 415, 422, 500}
        assert set(answer.json) == {"error", "message", "request_id"}


@pytest.mark.parametrize("request_", OURS_ALONE, ids=lambda one: f"{one[0]}-{one[2]}-{one[3]}")
def test_what_the_toolkit_cannot_read_is_answered_here(monkeypatch, model_dir, request_):
    script, body, *types = request_
    headers = headers_of(*types)
    assert in_the_toolkit(monkeypatch, model_dir, script, body, headers)[0] == 500
    assert in_this_server(model_dir, script, body, headers).status == 200


def test_every_script_is_asked():
    scripts = {str(path.relative_to(SCRIPTS))[:-3] for path in SCRIPTS.glob("*.py")}
    assert scripts | {"folder/inference"} == {request[0] for request in REQUESTS}
    assert len(scripts) >= 12
