"""docs/formats.md, row by row, through the four functions and a real network."""

import ast
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
import sagemaker.deserializers
import sagemaker.serializers
from tiny_model import write_tiny_model

from byoi import errors
from byoi.formats import content_types
from byoi.server import statuses
from byoi_lib import inference, serializers
from byoi_lib.manifest import Manifest

PAGE = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")
NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e-\d+)?")


def tables(heading):
    """Return the tables under a heading: lists of rows, rows of cells without their backticks."""
    section = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL).group(
        1
    )
    found = []
    for block in re.findall(r"(?:^\|.*\n?)+", section, re.MULTILINE):
        lines = [line.strip().strip("|").split("|") for line in block.strip().split("\n")]
        rows = [[cell.strip() for cell in line] for line in lines]
        assert all(len(row) == len(rows[0]) for row in rows), "a cell holds a bar"
        found.append(
            [[cell.removeprefix("`").removesuffix("`") for cell in row] for row in rows[2:]]
        )
    return found


def named(rows):
    return [pytest.param(row, id=f"{n}-{row[-1]}") for n, row in enumerate(rows, 1)]


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    model_dir = tmp_path_factory.mktemp("formats") / "model"
    write_tiny_model(model_dir)
    return model_dir


@pytest.fixture(scope="module")
def model(model_dir):
    return inference.load(model_dir, "onnx")


def body_of(cell, content_type):
    if match := re.fullmatch(r"array\((.*)\)", cell):
        stream = io.BytesIO()
        np.save(stream, np.array(ast.literal_eval(match.group(1))))
        return stream.getvalue()
    text = cell.replace("\\n", "\n").replace("\\ufeff", "\ufeff")
    return text.encode("iso-8859-1" if "iso-8859-1" in content_type else "utf-8")


def described(body, media_type):
    """Write a response as the page does, after checking its numbers."""
    if media_type == "application/x-npy":
        return described_array(np.load(io.BytesIO(body), allow_pickle=False))
    return described_text(body.decode("ascii"))


def described_text(text):
    numbers = [float(number) for number in NUMBER.findall(text)]
    np.testing.assert_allclose(np.reshape(numbers, (-1, 2)).sum(axis=1), 1, atol=1e-6)
    names = iter(["p_neg", "p_pos"] * len(numbers))
    return NUMBER.sub(lambda _: next(names), text).replace("\n", "\\n")


def described_array(array):
    np.testing.assert_allclose(array.sum(axis=1), 1, atol=1e-6)
    return f"array of {np.float32.__name__}, shape {array.astype(np.float32).shape}"


def invoke(model, body, content_type, accept):
    data = inference.input_fn(body, content_type)
    return inference.output_fn(inference.predict_fn(data, model), accept)


@pytest.mark.parametrize("row", named(tables("Requests")[0] + tables("Responses")[0]))
def test_a_request_gets_the_response_of_its_row(row, model):
    content_type, body, accept, response, _ = row
    received, media_type = invoke(model, body_of(body, content_type), content_type, accept)
    assert described(received, media_type) == response


@pytest.mark.parametrize("row", named(tables("Refusals")[0]))
def test_a_wrong_request_is_refused_as_its_row_says(row, model):
    content_type, body, accept, status, name, message = row
    with pytest.raises(errors.RequestError) as caught:
        invoke(model, body_of(body, content_type), content_type, accept)
    assert str(caught.value) == message
    assert statuses.of(caught.value) == (int(status), name)


def instance_of(name):
    for module in (serializers, sagemaker.serializers, sagemaker.deserializers):
        if hasattr(module, name):
            return getattr(module, name)()
    return pytest.fail(f"{name} is no serializer or deserializer")


@pytest.mark.parametrize("row", named(tables("The SDK's serializers")[0]))
def test_a_serializer_and_deserializer_go_round(row, model):
    serializer, given, deserializer, returned = row
    serializer, deserializer = instance_of(serializer), instance_of(deserializer)
    sent = serializer.serialize(ast.literal_eval(given))
    body = sent if isinstance(sent, bytes) else sent.encode("utf-8")
    # What sagemaker.predictor.Predictor makes of the deserializer's ACCEPT.
    accept = ", ".join(deserializer.ACCEPT)
    received, media_type = invoke(model, body, serializer.CONTENT_TYPE, accept)
    stream = io.BytesIO(received)
    answer = deserializer.deserialize(stream, media_type)
    assert stream.closed
    shown = described_array(answer) if isinstance(answer, np.ndarray) else None
    assert (shown or described_text(json.dumps(answer))) == returned


def test_the_tables_of_the_model_directory_are_complete(model_dir):
    files, keys = tables("The model directory")
    assert sorted(row[0] for row in files) == sorted(path.name for path in model_dir.iterdir())
    content = json.loads((model_dir / "manifest.json").read_text())
    assert sorted(row[0] for row in keys) == sorted(content)
    assert str(content["format_version"]) == dict(keys)["format_version"]
    assert Manifest.read(model_dir)


def test_every_type_is_in_the_tables():
    rows = tables("Requests")[0] + tables("Responses")[0]
    text = " ".join(row[0] + " " + row[2] for row in rows)
    for media_type in (*content_types.REQUEST_TYPES, "*/*"):
        assert media_type in text
