"""What an answer has that the model of its service does not allow.

boto3 passes over most of it in silence; SageMaker SDK 3, which builds objects from answers,
fails. Checked are the names of members, their types, required members, and the form of errors.

Sources: the service models that botocore carries; Smithy's AWS protocols (awsJson1_1, awsQuery,
restJson1, restXml).
"""

import json
from collections.abc import Callable, Iterator
from typing import Any
from xml.etree import ElementTree as ET

from botocore.utils import parse_timestamp
from werkzeug.wrappers import Response

from byoi.emulator import refusals
from byoi.emulator.operations import JSON_TYPES, Operation, protocol

# Seconds in an answer; of API Gateway also a text.
_JSON_TYPES = {**JSON_TYPES, "timestamp": (int, float)}
_JSON_CONTAINERS: dict[str, type] = {"structure": dict, "map": dict, "list": list}


# What moto adds to answers, whatever was asked for.
_ADDED = {
    **dict.fromkeys(["CreateRestApi", "GetRestApi", "GetRestApis"], "version"),
    **dict.fromkeys(["CreateDeployment", "GetDeployment", "GetDeployments"], "stageName"),
}
# API Gateway's lists: entries of a page, and the most that may be asked for (API GetRestApis).
_PAGE, _MOST = 25, 500


def mended(operation: Operation, response: Response) -> Response:
    """Return moto's answer with the status, the content type and the members that AWS's has."""
    refused = (f'"{refusals.CODE}"'.encode(), f"<Code>{refusals.CODE}<".encode())
    if response.status_code >= 400 and any(one in response.get_data() for one in refused):
        response.status_code = refusals.STATUS
    is_json = protocol(operation.service) in {"json", "rest-json"}
    is_page = response.get_data().lstrip().startswith(b"<")
    if is_json and response.mimetype == "text/html" and not is_page:
        # moto does not say that its JSON is JSON.
        response.content_type = "application/json"
    if operation.service == "apigateway" and response.status_code < 400:
        parsed = _parsed(response.get_data())
        if isinstance(parsed, dict):
            response.set_data(json.dumps(_as_api_gateway_answers(operation, parsed)))
    return response


def _as_api_gateway_answers(operation: Operation, parsed: dict[str, Any]) -> dict[str, Any]:
    """Return an answer without what moto adds, and of a list the page that was asked for."""
    found = parsed.get("item")
    if name := _ADDED.get(operation.action):
        for one in found if isinstance(found, list) else [parsed]:
            one.pop(name, None)
    if isinstance(found, list) and "limit" in operation.model.input_shape.members:
        start = int(operation.parameters.get("position", 0))
        end = start + min(int(operation.parameters.get("limit", _PAGE)), _MOST)
        parsed["item"] = found[start:end]
        if end < len(found):
            parsed["position"] = str(end)
    return parsed


def deviations(operation: Operation, response: Response) -> list[str]:
    """Return what an answer has that the model does not allow, each with its path.

    Args:
        operation: What was asked for.
        response: The answer; a stream is not looked into.
    """
    form = protocol(operation.service)
    if form is None or response.is_streamed:
        return []
    body = response.get_data()
    if response.status_code >= 400:
        return list(_in_error(form, response, body))
    if operation.model is None:
        return []
    shape = operation.model.output_shape
    if form in {"json", "rest-json"}:
        return list(_in_json(form, shape, body))
    return list(_in_xml(form, operation.model, shape, body))


def _in_error(form: str, response: Response, body: bytes) -> Iterator[str]:
    if not body and response.content_type is None:
        return  # the answer to HEAD
    if form in {"json", "rest-json"}:
        parsed = _parsed(body)
        if not isinstance(parsed, dict):
            # S3's HEAD, and 404 of an endpoint's path, have no body.
            yield f"an error that is not JSON: {body[:100]!r}"
            return
        if not response.headers.get("x-amzn-errortype") and not parsed.get("__type"):
            yield f"an error without a type: {body[:100]!r}"
        if not {"message", "Message"} & parsed.keys():
            yield f"an error without a message: {body[:100]!r}"
        return
    if not body:
        return
    root = _root(body)
    code = None if root is None else _first(root, "Code")
    if root is None or code is None or not (code.text or "").strip():
        yield f"an error without a Code: {body[:100]!r}"


def _in_json(form: str, shape: Any, body: bytes) -> Iterator[str]:
    if shape is None or "payload" in shape.serialization:
        return
    members = {
        str(one.serialization.get("name", name)): one
        for name, one in shape.members.items()
        if "location" not in one.serialization
    }
    if not body:
        # Of an action without output; "{}" is the same.
        if any(name in members for name in shape.required_members):
            yield "no body"
        return
    parsed = _parsed(body)
    if parsed is None:
        yield f"a body that is not JSON: {body[:100]!r}"
        return
    yield from _json_value(shape, parsed, "", form)


def _json_value(shape: Any, value: Any, path: str, form: str) -> Iterator[str]:
    kind = shape.type_name
    if kind in _JSON_CONTAINERS and not isinstance(value, _JSON_CONTAINERS[kind]):
        yield f"{path.rstrip('.') or 'the answer'} is {value!r}, expected a {kind}"
    elif kind == "structure":
        yield from _json_structure(shape, value, path, form)
    elif kind == "list":
        for one in value:
            yield from _json_value(shape.member, one, path, form)
    elif kind == "map":
        for one in value.values():
            yield from _json_value(shape.value, one, path, form)
    elif kind == "timestamp" and form == "rest-json" and isinstance(value, str):
        return
    elif kind in _JSON_TYPES and type(value) not in _JSON_TYPES[kind]:
        yield f"{path.rstrip('.')} is {value!r}, expected {kind}"


def _json_structure(shape: Any, value: Any, path: str, form: str) -> Iterator[str]:
    wire = {name: str(one.serialization.get("name", name)) for name, one in shape.members.items()}
    members = {wire[name]: one for name, one in shape.members.items()}
    for name, one in value.items():
        if name not in members:
            yield f"{path}{name} is not in the model"
        elif one is not None:  # a client takes null for absence
            yield from _json_value(members[name], one, f"{path}{name}.", form)
    for name in shape.required_members:
        in_body = "location" not in shape.members[name].serialization
        if in_body and value.get(wire[name]) is None:
            yield f"{path}{wire[name]} is required and absent"


def _in_xml(form: str, model: Any, shape: Any, body: bytes) -> Iterator[str]:
    if shape is None:
        return
    if payload := shape.serialization.get("payload"):
        inner = shape.members[payload]
        if inner.type_name != "structure":
            return  # an object's bytes, or a policy
        shape = inner
    elif form == "rest-xml" and all(
        "location" in one.serialization for one in shape.members.values()
    ):
        return  # all is in headers
    root = _root(body)
    if root is None:
        yield f"a body that is not XML: {body[:100]!r}"
        return
    if form == "query":
        wrapper = shape.serialization.get("resultWrapper", f"{model.name}Result")
        found = next((one for one in root if _tag(one) == wrapper), None)
        if found is None:
            yield f"no {wrapper}"
            return
        root = found
    yield from _xml_structure(shape, root, "")


def _has_body(shape: Any) -> bool:
    return any("location" not in one.serialization for one in shape.members.values())


def _xml_structure(shape: Any, node: ET.Element, path: str) -> Iterator[str]:
    members: dict[str, Any] = {}
    for name, one in shape.members.items():
        if "location" in one.serialization:
            continue
        wire = str(one.serialization.get("name", name))
        if one.type_name == "list" and one.serialization.get("flattened"):
            wire = str(one.member.serialization.get("name", wire))
        members[wire] = one
    seen = set()
    for child in node:
        tag = _tag(child)
        seen.add(tag)
        if tag not in members:
            yield f"{path}{tag} is not in the model"
            continue
        yield from _xml_value(members[tag], child, f"{path}{tag}.")
    for name in shape.required_members:
        one = shape.members[name]
        wire = str(one.serialization.get("name", name))
        if "location" not in one.serialization and wire not in seen:
            yield f"{path}{wire} is required and absent"


def _xml_value(shape: Any, node: ET.Element, path: str) -> Iterator[str]:
    kind = shape.type_name
    if kind == "structure":
        yield from _xml_structure(shape, node, path)
    elif kind == "list" and shape.serialization.get("flattened"):
        yield from _xml_value(shape.member, node, path)
    elif kind == "list":
        name = shape.member.serialization.get("name", "member")
        for child in node:
            if _tag(child) != name:
                yield f"{path}{_tag(child)} is not in the model, expected {name}"
            else:
                yield from _xml_value(shape.member, child, path)
    elif kind != "map":
        yield from _xml_scalar(kind, (node.text or "").strip(), path.rstrip("."))


def _xml_scalar(kind: str, text: str, path: str) -> Iterator[str]:
    try:
        _READERS.get(kind, str)(text)
    except (ValueError, KeyError):
        yield f"{path} is {text!r}, expected {kind}"


_READERS: dict[str, Callable[[str], Any]] = {
    "integer": int,
    "long": int,
    "float": float,
    "double": float,
    "boolean": {"true": True, "false": False}.__getitem__,
    "timestamp": parse_timestamp,
}


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _root(body: bytes) -> ET.Element | None:
    try:
        return ET.fromstring(body)  # noqa: S314 - the emulator's own answer
    except ET.ParseError:
        return None


def _first(root: ET.Element, tag: str) -> ET.Element | None:
    return next((one for one in root.iter() if _tag(one) == tag), None)


def _tag(node: ET.Element) -> str:
    return node.tag.rpartition("}")[2]
