"""The lines of ONNX Runtime itself."""

import logging
import sys
from types import SimpleNamespace

import pytest
from contract_cases import TEXT, wait_until

from byoi.server import logs

# A graph whose Reshape fails at run time: ONNX Runtime writes a line about the node, and raises.
FAILING = """
import numpy as np
import onnxruntime
from onnx import TensorProto, helper

def model_fn(model_dir):
    graph = helper.make_graph(
        [helper.make_node("Reshape", ["x", "shape"], ["y"], name="the_node")], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None]),
         helper.make_tensor_value_info("shape", TensorProto.INT64, [1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return onnxruntime.InferenceSession(model.SerializeToString())

def transform_fn(model, body, content_type, accept):
    feed = {"x": np.zeros(6, "float32"), "shape": np.array([int(body)])}
    return str(model.run(None, feed)[0].shape), "text/plain"
"""


@pytest.mark.needs("nginx")
def test_they_are_json_lines_of_the_log(start):
    pytest.importorskip("onnx")
    stack = start(FAILING)
    assert stack.target.send("POST", "/invocations", b"6", TEXT).status == 200
    assert stack.target.send("POST", "/invocations", b"5", TEXT).status == 500
    wait_until(lambda: '"logger": "onnxruntime"' in stack.log, 10)
    assert stack.stop() == 0
    assert "\x1b" not in stack.log
    entries = stack.target.entries()
    assert all("level" in entry for entry in entries)
    (line,) = [entry for entry in entries if entry.get("logger") == "onnxruntime"]
    assert line["level"] == "error"
    assert "the_node" in line["message"]


def test_each_severity_has_its_level(caplog):
    caplog.set_level(logging.DEBUG)
    for severity in range(5):
        logs.write_runtime_line(severity, "onnxruntime", "", "a.cc:1 Run", "something happened")
    assert [record.levelname for record in caplog.records] == [
        *("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
    ]
    assert caplog.records[0].getMessage() == "something happened (a.cc:1 Run)"


def test_an_earlier_version_is_told_to_write_none(monkeypatch):
    told = []
    earlier = SimpleNamespace(set_default_logger_severity=told.append)
    monkeypatch.setitem(sys.modules, "onnxruntime", earlier)
    logs.take_over_runtime_lines()
    assert told == [4]


def test_where_it_is_not_imported_nothing_happens(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    logs.take_over_runtime_lines()
