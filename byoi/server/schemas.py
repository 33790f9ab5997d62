"""The JSON Schema of the bodies of a model that has a signature.

The forms are those of `byoi.formats.tensors`: rows in a list or under a key, or complete tensors.

Source: JSON Schema 2020-12.
"""

import math
from collections.abc import Sequence
from typing import Any

from byoi.formats.signature import Signature, Tensor

Schema = dict[str, Any]

# A longer example would not be readable.
EXAMPLE_VALUES = 1000

# JSON types for NumPy's kinds of types; null is a missing number.
_FLOAT: list[Schema] = [{"type": "number"}, {"type": "null"}]
_TEXT: list[Schema] = [{"type": "string"}]


def request(signature: Signature) -> Schema:
    """Return the schema of a request's JSON."""
    inputs = signature.inputs
    forms = [_under("inputs", _whole(inputs))]
    if all(one.shape for one in inputs):
        rows = {"type": "array", "items": _row(inputs), "minItems": 1}
        forms = [_under("instances", rows), *forms, rows]
    return {"anyOf": forms}


def response(signature: Signature) -> Schema:
    """Return the schema of a response's JSON, which has the form of its request."""
    outputs = signature.outputs
    whole = _named(outputs, whole=True) if len(outputs) > 1 else _values(outputs[0], whole=True)
    forms: list[Schema] = [_object({"outputs": whole})]
    if all(one.shape for one in outputs):
        row = _named(outputs, whole=False) if len(outputs) > 1 else _values(outputs[0], whole=False)
        rows = {"type": "array", "items": row}
        forms = [_object({"predictions": rows}), *forms, rows]
    return {"anyOf": forms}


def example(signature: Signature) -> Any:
    """Return a request with one row of zeros and empty texts, None if it would be long."""
    inputs = signature.inputs
    if sum(math.prod(size or 1 for size in one.shape) for one in inputs) > EXAMPLE_VALUES:
        return None
    if not all(one.shape for one in inputs):
        return {"inputs": {one.name: _zeros(one.dtype, one.shape) for one in inputs}}
    row = {one.name: _zeros(one.dtype, one.shape[1:]) for one in inputs}
    rows = inputs[0].shape[0] or 1
    return {"instances": [row if len(row) > 1 else row[inputs[0].name]] * rows}


def _zeros(dtype: str, shape: Sequence[int | None]) -> Any:
    value: Any = {"bool": False, "str": ""}.get(dtype, 0)
    for size in reversed(shape):
        value = [value] * (size or 1)
    return value


def _under(key: str, content: Schema) -> Schema:
    """Return the schema of an object with one key and TensorFlow Serving's `signature_name`."""
    schema = _object({key: content})
    schema["properties"]["signature_name"] = {"const": "serving_default"}
    return schema


def _row(tensors: Sequence[Tensor]) -> Schema:
    """Return the schema of a row: an object by name, or its shorter forms."""
    named = _named(tensors, whole=False)
    if len(tensors) == 1:
        return {"anyOf": [_values(tensors[0], whole=False), named]}
    if all(len(one.shape) == 1 for one in tensors):
        values = [_values(one, whole=False) for one in tensors]
        sizes = {"minItems": len(values), "maxItems": len(values)}
        return {"anyOf": [named, {"type": "array", "prefixItems": values, **sizes}]}
    return named


def _whole(tensors: Sequence[Tensor]) -> Schema:
    named = _named(tensors, whole=True)
    return named if len(tensors) > 1 else {"anyOf": [_values(tensors[0], whole=True), named]}


def _named(tensors: Sequence[Tensor], *, whole: bool) -> Schema:
    return _object({one.name: _values(one, whole=whole) for one in tensors})


def _object(properties: dict[str, Schema]) -> Schema:
    return {
        "type": "object",
        "required": list(properties),
        "properties": properties,
        "additionalProperties": False,
    }


def _values(tensor: Tensor, *, whole: bool) -> Schema:
    """Return the schema of a tensor's values as nested lists; without `whole`, of one row."""
    schema = _element(tensor.dtype)
    for size in reversed(tensor.shape if whole else tensor.shape[1:]):
        sizes = {"minItems": 1} if size is None else {"minItems": size, "maxItems": size}
        schema = {"type": "array", "items": schema, **sizes}
    return schema


def _element(dtype: str) -> Schema:
    """Return the schema of one value of a NumPy type, given by name."""
    if dtype == "bool":
        return {"anyOf": [{"type": "boolean"}, {"enum": [0, 1]}]}
    if dtype == "str":
        return {"type": "string"}
    if dtype == "object":
        return {"anyOf": [*_TEXT, *_FLOAT]}
    if dtype.startswith("float"):
        return {"anyOf": _FLOAT}
    bits = int(dtype.removeprefix("u").removeprefix("int"))
    if dtype.startswith("u"):
        return {"type": "integer", "minimum": 0, "maximum": 2**bits - 1}
    return {"type": "integer", "minimum": -(2 ** (bits - 1)), "maximum": 2 ** (bits - 1) - 1}
