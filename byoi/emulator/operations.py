"""What a request asks for by the model of its service: an action, and its parameters by name.

Sources: the service models that botocore carries, read and routed by moto; Smithy's HTTP
bindings (labels, query strings, headers).
"""

import functools
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from moto.core.request import Request as MotoRequest
from moto.core.routing import get_service_router
from moto.core.utils import get_service_model
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Request

from byoi.emulator import vouched

_FORM = "application/x-www-form-urlencoded"
_LABEL = re.compile(r"\{(\w+)\+?\}")
# Of a query: the signature's own, and S3's name of the operation.
_SIGNATURE = re.compile(
    r"x-amz-(algorithm|credential|date|expires|signedheaders|signature|security-token"
    r"|content-sha256|user-agent)|awsaccesskeyid|signature|expires|x-id",
    re.IGNORECASE,
)
# Headers of AWS's that are not parameters: of the signature, of the transport, of the caller,
# and of S3's metadata where an action has none.
_TRANSPORT = re.compile(
    r"x-amz-(date|content-sha256|security-token|target|user-agent|decoded-content-length|trailer"
    r"|api-version|sdk-[\w-]*|checksum-[\w-]+|meta[\w-]*)"
    r"|x-amzn-(query-mode|trace-id|request-id|apigateway-[\w-]+)|amz-sdk-[\w-]+",
    re.IGNORECASE,
)
_AWS_HEADER = re.compile(r"x-amzn?-", re.IGNORECASE)


class MalformedError(Exception):
    """A request that no action can be read from.

    Attributes:
        code: AWS's name of the error.
        message: What was received.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Operation:
    """What a request asks for.

    Attributes:
        service: As boto3 names it.
        action: Such as `CreateModel`; for a request that no action of the model fits, its
            method and path.
        parameters: Named as in the API reference, as far as they are not a raw body.
        sent: The parameters as they came; those of a query have a flat name for each value.
        unknown: Names of parameters that the model does not have.
        model: The action's, None where the model has no such action.
    """

    service: str
    action: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    sent: Mapping[str, Any] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    model: Any = None


@functools.cache
def protocol(service: str) -> str | None:
    """Return how requests of a service of the table are written, None for other services."""
    if service not in vouched.services():
        return None
    return str(get_service_model(service).metadata["protocol"])


def read(request: Request, service: str) -> Operation:
    """Return what a request asks for; others can still read its body.

    Args:
        request: One that was let in.
        service: As boto3 names it; one of the table.

    Raises:
        MalformedError: Its body or its target cannot be read.
    """
    model = get_service_model(service)
    protocol = model.metadata["protocol"]
    if protocol == "json":
        return _of_json(request, service, model)
    if protocol == "query":
        return _of_query(request, service, model)
    return _of_rest(request, service, has_json=protocol == "rest-json")


def _of_json(request: Request, service: str, model: Any) -> Operation:
    prefix, _, action = request.headers.get("X-Amz-Target", "").rpartition(".")
    if prefix != model.metadata["targetPrefix"]:
        target = request.headers.get("X-Amz-Target")
        raise MalformedError(
            "UnknownOperationException",
            f"received X-Amz-Target {target!r}, expected {model.metadata['targetPrefix']}.ACTION",
        )
    operation = _find(model, action)
    given = _json(_body(request))
    shape = operation.input_shape if operation else None
    if shape is not None:
        require_types(shape, given)
    unknown = _unknown(shape, given, "")
    return Operation(service, action, given, given, tuple(unknown), operation)


def _of_query(request: Request, service: str, model: Any) -> Operation:
    # A request of its own, because reading the form would use up this one's body.
    body = _body(request) if request.mimetype == _FORM else b""
    copy = Request({**request.environ, "wsgi.input": io.BytesIO(body)})
    flat = {**copy.args.to_dict(), **copy.form.to_dict()}
    action = flat.pop("Action", "")
    if not action:
        raise MalformedError("MissingAction", "received no Action, expected one")
    flat = {
        name: value
        for name, value in flat.items()
        if name != "Version" and not _SIGNATURE.fullmatch(name)
    }
    operation = _find(model, action)
    shape = operation.input_shape if operation else None
    given = _nested(flat)
    members = shape.members if shape else {}
    for name, one in given.items():
        # A list without elements has an empty text on the wire.
        if one == "" and name in members and members[name].type_name == "list":
            given[name] = []
    return Operation(service, action, given, flat, tuple(_unknown(shape, given, "")), operation)


def _of_rest(request: Request, service: str, *, has_json: bool) -> Operation:
    try:
        # moto takes a form for the query protocol; a body for an endpoint may be one.
        plain = {**request.environ, "CONTENT_TYPE": ""}
        operation, labels = get_service_router(service).match(MotoRequest(plain))
    except NotFound:
        return Operation(service, f"{request.method} {request.path}")
    shape = operation.input_shape
    if shape is None:
        return Operation(service, operation.name, model=operation)
    given, unknown = _bound(request, operation, labels)
    if has_json and "payload" not in shape.serialization:
        body = _named(shape, _json(_body(request)))
        given.update(body)
        unknown += _unknown(shape, body, "")
    return Operation(service, operation.name, given, given, tuple(unknown), operation)


def _bound(
    request: Request, operation: Any, labels: Mapping[str, str]
) -> tuple[dict[str, Any], list[str]]:
    """Return the parameters outside the body, and the names that the model does not have."""
    names = {_place(member, name): name for name, member in operation.input_shape.members.items()}
    given: dict[str, Any] = {
        names["uri", label.lower()]: value
        for label, value in labels.items()
        if ("uri", label.lower()) in names
    }
    unknown = []
    for key, value in request.args.items():
        if key not in operation.http_trait.query_args and not _SIGNATURE.fullmatch(key):
            place = next((one for one in _in_query(key) if one in names), None)
            given[names[place] if place else key] = value
            unknown += [] if place else [key]
    for key, value in request.headers.items():
        if name := names.get(("header", key.lower())):
            given[name] = value
        elif prefix := _prefixed(names, key):
            given.setdefault(names["headers", prefix], {})[key[len(prefix) :]] = value
        elif _AWS_HEADER.match(key) and not _TRANSPORT.fullmatch(key):
            given[key] = value
            unknown.append(key)
    return given, unknown


def require_types(shape: Any, value: Any) -> None:
    """Check that a JSON value has the types of a shape.

    Raises:
        MalformedError: It has not; the wording is that of AWS's parser.
    """
    if value is None:
        return
    kind = shape.type_name
    if kind in {"structure", "map"}:
        if not isinstance(value, dict):
            raise _mismatch(value, "a structure or map")
        for name, one in value.items():
            inner = shape.value if kind == "map" else shape.members.get(name)
            if inner is not None:
                require_types(inner, one)
    elif kind == "list":
        if not isinstance(value, list):
            raise _mismatch(value, "a list")
        for one in value:
            require_types(shape.member, one)
    elif isinstance(value, dict | list) or (
        kind in JSON_TYPES and type(value) not in JSON_TYPES[kind]
    ):
        raise _mismatch(value, kind.capitalize())


# What a scalar of a service model is in JSON.
JSON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "blob": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float, str),
}


def _mismatch(value: Any, expected: str) -> MalformedError:
    if isinstance(value, dict | list):
        noun = "list" if isinstance(value, list) else "structure or map"
        return MalformedError(
            "SerializationException", f"Start of {noun} found where not expected."
        )
    if isinstance(value, bool):
        token = f"{str(value).upper()}_VALUE"
    else:
        token = "STRING_VALUE" if isinstance(value, str) else "NUMBER_VALUE"
    return MalformedError("SerializationException", f"{token} can not be converted to {expected}")


def _find(model: Any, action: str) -> Any:
    return model.operation_model(action) if action in model.operation_names else None


def _body(request: Request) -> bytes:
    body = request.get_data()
    # For moto, which reads it again.
    request.environ["wsgi.input"] = io.BytesIO(body)
    return body


def _json(body: bytes) -> dict[str, Any]:
    try:
        given = json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise MalformedError(
            "SerializationException", "received a body that is not JSON"
        ) from error
    if not isinstance(given, dict):
        raise _mismatch(given, "a structure or map")
    return given


def _place(member: Any, name: str) -> tuple[str, str]:
    """Return where a member stands in a request, and under which name."""
    where = member.serialization.get("location", "body")
    return where, str(member.serialization.get("name", "" if where == "headers" else name)).lower()


def _in_query(key: str) -> tuple[tuple[str, str], ...]:
    """Return the places that a name of a query may mean: a signed URL has headers in its query."""
    return ("querystring", key.lower()), ("header", key.lower())


def _prefixed(names: Mapping[tuple[str, str], str], header: str) -> str:
    """Return the prefix of a map's headers that a header has, "" for none."""
    prefixes = [prefix for where, prefix in names if where == "headers"]
    return next((one for one in prefixes if one and header.lower().startswith(one)), "")


def _named(shape: Any, value: Any) -> Any:
    """Return a body with the names of the API reference instead of those on the wire."""
    if shape.type_name == "structure" and isinstance(value, dict):
        by_wire = {
            str(member.serialization.get("name", name)): name
            for name, member in shape.members.items()
            if "location" not in member.serialization
        }
        return {
            by_wire.get(key, key): _named(shape.members[by_wire[key]], one)
            if key in by_wire
            else one
            for key, one in value.items()
        }
    if shape.type_name == "list" and isinstance(value, list):
        return [_named(shape.member, one) for one in value]
    if shape.type_name == "map" and isinstance(value, dict):
        return {key: _named(shape.value, one) for key, one in value.items()}
    return value


def _unknown(shape: Any, value: Any, path: str) -> Iterator[str]:
    """Yield the names that a shape lacks."""
    if shape is None:
        yield from (f"{path}{name}" for name in value)
    elif shape.type_name == "structure" and isinstance(value, Mapping):
        for name, one in value.items():
            if name in shape.members:
                yield from _unknown(shape.members[name], one, f"{path}{name}.")
            else:
                yield f"{path}{name}"
    elif shape.type_name == "list" and isinstance(value, list):
        for one in value:
            yield from _unknown(shape.member, one, path)
    elif shape.type_name == "map" and isinstance(value, Mapping):
        for one in value.values():
            yield from _unknown(shape.value, one, path)


def _nested(flat: Mapping[str, str]) -> dict[str, Any]:
    """Return parameters of the query protocol (`Tags.member.1.Key`) as structures and lists."""
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        *parents, last = [part for part in name.split(".") if part != "member"]
        place = nested
        for part in parents:
            inner = place.setdefault(part, {})
            if not isinstance(inner, dict):
                raise MalformedError(
                    "MalformedInput", f"received {name} beside a parameter of the same name"
                )
            place = inner
        place[last] = value
    return {name: _listed(value) for name, value in nested.items()}


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value and all(key.isdecimal() for key in value):
        return [_listed(value[key]) for key in sorted(value, key=int)]
    return {key: _listed(one) for key, one in value.items()}
