"""The tables of docs/formats.md on models without a script, row by row, through ONNX files."""

import ast
import io
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from byoi import errors, formats, models
from byoi.models import inference
from byoi.server import statuses

PAGE = (Path(__file__).parents[3] / "docs" / "formats.md").read_text(encoding="utf-8")


def tables(heading):
    """Return the tables under a heading: lists of rows, rows of cells without their backticks."""
    _, _, after = PAGE.partition(f"\n### {heading}\n")
    section = re.split(r"^##", after, maxsplit=1, flags=re.MULTILINE)[0]
    found = []
    for block in re.findall(r"(?:^\|.*\n?)+", section, re.MULTILINE):
        rows = [
            [cell.strip().removeprefix("`").removesuffix("`") for cell in line[2:-2].split(" | ")]
            for line in block.strip().split("\n")
        ]
        found.append(rows[2:])
    return found


DOUBLES, KEEPS = tables("What goes in and comes out")
(REFUSALS,) = tables("What is refused")
TAKEN = [("1", *row[:4]) for row in DOUBLES] + [("2", *row[:4]) for row in KEEPS]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """Return the two models of the page, by the number that it gives them."""
    folder = tmp_path_factory.mktemp("page")
    shape, one = ["rows", 2], ["rows"]
    value = helper.make_tensor_value_info
    two = helper.make_node("Constant", [], ["two"], value_float=2.0)
    graphs = {
        "1": helper.make_graph(
            [two, helper.make_node("Mul", ["x", "two"], ["double"])],
            "doubles",
            [value("x", TensorProto.FLOAT, shape)],
            [value("double", TensorProto.FLOAT, shape)],
        ),
        "2": helper.make_graph(
            [helper.make_node("Identity", [name], [f"same {name}"]) for name in ("age", "name")],
            "keeps",
            [value("age", TensorProto.INT64, one), value("name", TensorProto.STRING, one)],
            [
                value("same age", TensorProto.INT64, one),
                value("same name", TensorProto.STRING, one),
            ],
        ),
    }
    for name, graph in graphs.items():
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        (folder / name).mkdir()
        onnx.save(model, folder / name / "model.onnx")
    return {name: models.load(folder / name) for name in graphs}


def body_of(cell):
    if cell.startswith("array("):
        stream = io.BytesIO()
        np.save(stream, np.array(ast.literal_eval(cell[6:-1])), allow_pickle=False)
        return stream.getvalue()
    return cell.replace("\\n", "\n")


@pytest.mark.parametrize("row", TAKEN)
def test_what_the_page_says_goes_in_and_comes_out(loaded, row):
    model, content_type, body, accept, response = row
    given, media_type = inference.transform_fn(loaded[model], body_of(body), content_type, accept)
    assert media_type == accept
    if isinstance(given, bytes):
        array = np.load(io.BytesIO(given), allow_pickle=False)
        given = f"array of {array.dtype}, shape {array.shape}"
    assert given == response.replace("\\n", "\n")


@pytest.mark.parametrize("row", REFUSALS)
def test_what_the_page_says_is_refused(loaded, row):
    model, content_type, body, accept, status, message = row
    with pytest.raises(errors.RequestError) as caught:
        inference.transform_fn(loaded[model], body_of(body), content_type, accept)
    assert (str(statuses.of(caught.value)[0]), str(caught.value)) == (status, message)


def test_the_input_fn_of_the_page_is_one_line():
    _, _, after = PAGE.partition("### The same for your own script\n")
    source = re.search(r"```python\n(.*?)```", after, re.DOTALL).group(1)
    module = {}
    exec(source, module)
    assert module["input_fn"]("1,2,3,4", "text/csv").shape == (1, 4)
    with pytest.raises(errors.MalformedBody, match="received 3 columns, expected 4"):
        module["input_fn"]("1,2,3", "text/csv")
    assert module["formats"] is formats
