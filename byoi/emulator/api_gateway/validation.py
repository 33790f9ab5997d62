"""Request validation: required parameters, and the body against a JSON schema.

Source: API Gateway Developer Guide, "Request validation for REST APIs", "Data models" (JSON
schema draft 4; application/json where the request names no type).
"""

import json
from collections.abc import Mapping
from typing import Any

import jsonschema

from byoi.emulator.api_gateway.call import Call
from byoi.emulator.api_gateway.gateway_responses import GatewayError
from byoi.emulator.aws.errors import NotEmulatedError

# Every API has these two.
GIVEN = {
    "Empty": {"type": "object"},
    "Error": {"type": "object", "properties": {"message": {"type": "string"}}},
}


def problem_of(schema: str) -> str | None:
    """Return why a model is no JSON schema, None where it is one.

    Raises:
        NotEmulatedError: It refers to something outside itself.
    """
    try:
        parsed = json.loads(schema)
        jsonschema.Draft4Validator.check_schema(parsed)
    except (ValueError, jsonschema.SchemaError) as problem:
        return str(problem).partition("\n")[0]
    if '"$ref": "http' in json.dumps(parsed):
        raise NotEmulatedError("a model that refers to another")
    return None


def validate(call: Call) -> None:
    """Check a call by its method's validator.

    Raises:
        GatewayError: It is not valid.
    """
    validator = call.api.validators.get(call.match.method.get("requestValidatorId") or "")
    if validator is None:
        return
    if validator.get("validateRequestParameters"):
        _validate_parameters(call)
    if validator.get("validateRequestBody"):
        _validate_body(call)


def _validate_parameters(call: Call) -> None:
    wanted: Mapping[str, Any] = call.match.method.get("requestParameters") or {}
    missing = []
    for parameter, is_required in sorted(wanted.items()):
        place, _, name = parameter.removeprefix("method.request.").partition(".")
        value = call.header(name) if place == "header" else call.parameters[place].get(name)
        if is_required in (True, "true") and not value:
            missing.append(name)
    if missing:
        message = f"Missing required request parameters: [{', '.join(missing)}]"
        raise GatewayError("BAD_REQUEST_PARAMETERS", message)


def _validate_body(call: Call) -> None:
    models: Mapping[str, str] = call.match.method.get("requestModels") or {}
    name = models.get(call.content_type) or models.get("$default")
    if name is None:  # what has no model is not looked at
        return
    schema = json.loads(call.api.models[name]) if name in call.api.models else GIVEN[name]
    try:
        jsonschema.Draft4Validator(schema).validate(json.loads(call.body or b"{}"))
    except (ValueError, jsonschema.ValidationError) as problem:
        words = str(problem).partition("\n")[0]
        raise GatewayError("BAD_REQUEST_BODY", cause=f"Invalid request body: {words}") from None
