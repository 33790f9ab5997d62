"""The OpenAPI document: valid, and true to the signature and to what the server answers."""

import itertools
import json

import contract_cases
import numpy as np
import onnx
import pytest
from jsonschema import Draft202012Validator
from onnx import TensorProto, helper
from openapi_spec_validator import OpenAPIV31SpecValidator

from byoi import errors, formats
from byoi.formats import tensor_encoder
from byoi.formats.signature import Signature, Tensor
from byoi.formats.tensors import Form, Tensors
from byoi.local.processes import ProcessStack
from byoi.server import openapi, schemas, statuses
from byoi.server.description import Description
from byoi.server.settings import Settings

WIDE = Signature(
    (Tensor("x", "float32", (None, 2)),),
    (Tensor("y", "float32", (None,)),),
)
TABLE = Signature(
    (
        Tensor("age", "int8", (None,)),
        Tensor("name", "str", (None,)),
        Tensor("own", "bool", (None,)),
    ),
    (Tensor("label", "str", (None,)), Tensor("p", "float64", (None, 3))),
)
IMAGES = Signature(
    (Tensor("image", "uint8", (None, 2, None)), Tensor("scale", "object", (None,))),
    (Tensor("boxes", "int64", (None, 2, 2)),),
)
WHOLE = Signature((Tensor("all", "int32", (3,)), Tensor("one", "float64", ())), WIDE.outputs)
PERSON = {"age": 3, "name": "ann", "own": True}
PICTURE = {"image": [[1, 2, 3], [4, 5, 6]], "scale": None}
BODIES = [
    (WIDE, [[1, 2], [3.5, None]]),
    (WIDE, []),
    (WIDE, [[1, 2, 3]]),
    (WIDE, [[1, "2"]]),
    (WIDE, [[1, True]]),
    (WIDE, [1, 2]),
    (WIDE, {}),
    (WIDE, {"instances": [[1, 2]]}),
    (WIDE, {"instances": [{"x": [1, 2]}]}),
    (WIDE, {"instances": [{"z": [1, 2]}]}),
    (WIDE, {"instances": [{"x": [1, 2], "z": 1}]}),
    (WIDE, {"instances": [[1, 2]], "signature_name": "serving_default"}),
    (WIDE, {"instances": [[1, 2]], "signature_name": "other"}),
    (WIDE, {"instances": [[1, 2]], "more": 1}),
    (WIDE, {"instances": [[1, 2]], "inputs": [[1, 2]]}),
    (WIDE, {"instances": []}),
    (WIDE, {"instances": 5}),
    (WIDE, {"inputs": [[1, 2]]}),
    (WIDE, {"inputs": {"x": [[1, 2]]}}),
    (WIDE, {"inputs": {"x": []}}),
    (WIDE, {"inputs": [1, 2]}),
    (WIDE, "text"),
    (WIDE, None),
    (TABLE, [PERSON]),
    (TABLE, [[3, "ann", False]]),
    (TABLE, [[3, "ann"]]),
    (TABLE, [["ann", 3, False]]),
    (TABLE, [{**PERSON, "age": 128}]),
    (TABLE, [{**PERSON, "age": -128}]),
    (TABLE, [{**PERSON, "age": 1.0}]),
    (TABLE, [{**PERSON, "age": 1.5}]),
    (TABLE, [{**PERSON, "age": None}]),
    (TABLE, [{**PERSON, "own": 1}]),
    (TABLE, [{**PERSON, "own": 2}]),
    (TABLE, [{**PERSON, "own": "true"}]),
    (TABLE, [{**PERSON, "name": 1}]),
    (TABLE, [{"age": 3}]),
    (TABLE, {"inputs": {"age": [1], "name": ["a"], "own": [True]}}),
    (TABLE, {"inputs": [[1, "a", True]]}),
    (IMAGES, [PICTURE]),
    (IMAGES, [{**PICTURE, "scale": "large"}]),
    (IMAGES, [{**PICTURE, "scale": [1]}]),
    (IMAGES, [{**PICTURE, "image": [[1, 2]]}]),
    (IMAGES, [{**PICTURE, "image": [[1], [256]]}]),
    (IMAGES, [{**PICTURE, "image": [[1], [-1]]}]),
    (IMAGES, [{**PICTURE, "image": [[], []]}]),
    (IMAGES, [[PICTURE["image"], 1]]),
    (WHOLE, {"inputs": {"all": [1, 2, 3], "one": 0.5}}),
    (WHOLE, {"inputs": {"all": [1, 2], "one": 0.5}}),
    (WHOLE, {"inputs": {"all": [1, 2, 3], "one": [0.5]}}),
    (WHOLE, {"instances": [{"all": 1, "one": 1}]}),
]


def is_taken(body, signature):
    try:
        formats.decode_tensors(json.dumps(body), "application/json", signature)
    except errors.MalformedBody:
        return False
    return True


@pytest.mark.parametrize(("signature", "body"), BODIES, ids=itertools.count())
def test_a_body_fits_the_schema_exactly_where_the_server_takes_it(signature, body):
    schema = schemas.request(signature)
    Draft202012Validator.check_schema(schema)
    assert Draft202012Validator(schema).is_valid(body) == is_taken(body, signature)


def test_the_bodies_above_are_of_both_kinds():
    taken = [is_taken(body, signature) for signature, body in BODIES]
    assert 10 < sum(taken) < len(taken) - 10


@pytest.mark.parametrize("signature", [WIDE, TABLE, IMAGES, WHOLE])
def test_the_example_is_taken(signature):
    assert is_taken(schemas.example(signature), signature)


def test_a_long_example_is_left_out():
    assert schemas.example(Signature((Tensor("x", "float32", (None, 32, 32)),), ())) is None


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize(
    ("signature", "arrays"),
    [
        (WIDE, {"y": np.array([0.1, np.nan], np.float32)}),
        (
            TABLE,
            {"label": np.array(["a", "b"], object), "p": np.array([[0.1, 0.2, np.inf]] * 2)},
        ),
        (IMAGES, {"boxes": np.arange(8).reshape(2, 2, 2)}),
    ],
)
def test_an_answer_fits_the_schema_and_another_models_does_not(signature, arrays, form):
    body, _ = tensor_encoder.encode(Tensors(arrays, form), "application/json")
    answer = json.loads(body)
    assert Draft202012Validator(schemas.response(signature)).is_valid(answer)
    for other in (WIDE, TABLE, IMAGES):
        if other is not signature:
            assert not Draft202012Validator(schemas.response(other)).is_valid(answer)


@pytest.mark.parametrize("signature", [None, WIDE, TABLE, IMAGES, WHOLE])
@pytest.mark.parametrize("types", [(), ("application/json", "text/csv")])
def test_the_document_is_valid_openapi(signature, types):
    description = Description("module.py", ("model_fn",), types, types, signature)
    OpenAPIV31SpecValidator(openapi.document(description, Settings())).validate()


def test_a_module_that_reads_bodies_itself_has_no_schema_of_them():
    model = type("Model", (), {"signature": WIDE})()
    own = Settings(inference_module="own.py")
    described = Description.of(own, ("model_fn", "input_fn"), model)
    content = openapi.document(described, own)["paths"]["/invocations"]["post"]
    assert content["requestBody"]["content"] == {"*/*": {}}
    assert content["responses"]["200"]["content"]["application/json"] != {}
    described = Description.of(own, ("model_fn", "transform_fn"), model)
    assert (described.request_types, described.response_types) == ((), ())
    without_script = Description.of(Settings(), ("model_fn", "transform_fn"), model)
    assert "text/csv" in without_script.request_types
    assert without_script.functions == ()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """An ONNX model without a script, and the document that its server gives."""
    folder = tmp_path_factory.mktemp("model")
    graph = helper.make_graph(
        [helper.make_node("ReduceSum", ["x", "axes"], ["y"], keepdims=0)],
        "sum",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows"])],
        [helper.make_tensor("axes", TensorProto.INT64, [1], [1])],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, ir_version=9, opset_imports=opset), folder / "model.onnx")
    environ = {"BYOI_PAGE": "on", "BYOI_BODY_LIMIT_BYTES": "1000"}
    with ProcessStack(folder, environ=environ) as stack:
        target = contract_cases.PortTarget("127.0.0.1", stack.port, lambda: stack.log)
        yield target, json.loads(target.send("GET", "/openapi.json").body)


def schema_of(document, content):
    """A schema that finds the document's components."""
    return Draft202012Validator({**content["schema"], "components": document["components"]})


@pytest.mark.needs("nginx")
def test_the_paths_and_methods_are_those_that_the_server_has(served):
    target, document = served
    assert {
        path: tuple(method.upper() for method in operations)
        for path, operations in document["paths"].items()
    } == statuses.ROUTES
    for path, operations in document["paths"].items():
        for method in operations:
            assert target.send(method.upper(), path, b"[[1, 2]]").status == 200
    assert document["servers"] == [{"url": f"http://127.0.0.1:{target.port}"}]


@pytest.mark.needs("nginx")
def test_answers_are_those_of_the_document(served):
    target, document = served
    operation = document["paths"]["/invocations"]["post"]
    answered = operation["responses"]["200"]["content"]
    for body in ([[1, 2], [3, 4]], {"instances": [[1, 2]]}, {"inputs": {"x": [[1, 2]]}}):
        sent = operation["requestBody"]["content"]["application/json"]
        schema_of(document, sent).validate(body)
        answer = target.send("POST", "/invocations", json.dumps(body).encode(), JSON)
        schema_of(document, answered["application/json"]).validate(answer.json)
    for accept in answered:
        answer = target.send("POST", "/invocations", b"[[1, 2]]", {**JSON, "Accept": accept})
        assert (answer.status, answer.headers["Content-Type"]) == (200, accept)
    bodies = {
        "application/jsonlines": b"[1, 2]",
        "text/csv": b"1,2",
        "application/json": b"[[1,2]]",
    }
    assert bodies.keys() | {"application/x-npy"} == operation["requestBody"]["content"].keys()
    for content_type, body in bodies.items():
        assert (
            target.send("POST", "/invocations", body, {"Content-Type": content_type}).status == 200
        )


JSON = {"Content-Type": "application/json"}


@pytest.mark.needs("nginx")
@pytest.mark.parametrize(
    ("sent", "headers", "status"),
    [
        (("POST", "/invocations", b"[[1]]"), JSON, 400),
        (("POST", "/invocations", b"[[1, 2]]"), {**JSON, "Host": "evil.test"}, 403),
        (("GET", "/invocations", b""), {}, 405),
        (("POST", "/invocations", b"[[1, 2]]"), {**JSON, "Accept": "image/png"}, 406),
        (("POST", "/invocations", b"1" * 1001), JSON, 413),
        (("POST", "/invocations", b"x"), {"Content-Type": "image/png"}, 415),
        (("DELETE", "/ping", b""), {}, 405),
    ],
)
def test_errors_are_those_of_the_document(served, sent, headers, status):
    target, document = served
    answer = target.send(*sent, headers)
    assert answer.status == status
    operation = document["paths"][sent[1]]["post"]
    reference = operation["responses"][str(status)]["$ref"].rpartition("/")[2]
    response = document["components"]["responses"][reference]
    schema_of(document, response["content"]["application/json"]).validate(answer.json)
    # A deliberate error has the name of its class.
    assert answer.json["error"] in {reference, "MalformedBody"}
