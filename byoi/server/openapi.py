"""The OpenAPI document of a served model: its paths, bodies, errors and limits.

Source: OpenAPI Specification 3.1.1; its schemas are JSON Schema 2020-12.
"""

from typing import Any

from byoi import contract
from byoi.server import schemas, statuses
from byoi.server.description import Description
from byoi.server.settings import Settings

VERSION = "3.1.1"
_JSON = "application/json"
# Statuses of /invocations besides 200; other statuses do not depend on the path.
_INVOCATION_ERRORS = (400, 403, 405, 406, 408, 413, 415, 500, 502, 503, 504)
_PING_ERRORS = (405, 503)


def document(description: Description, settings: Settings) -> dict[str, Any]:
    """Return the document of one model.

    Args:
        description: The inputs and outputs of the model.
        settings: The server's settings, for its limits and port.
    """
    return {
        "openapi": VERSION,
        "info": {
            "title": description.name.rpartition("/")[2],
            "version": "1",
            "description": "SageMaker's container contract: a body is sent to /invocations, and "
            f"its answer comes back. A body has at most {settings.body_limit_bytes} bytes, an "
            f"answer takes at most {settings.invocation_timeout_s:g} s.",
        },
        "servers": [{"url": f"http://127.0.0.1:{settings.port}"}],
        "paths": {
            contract.PING_PATH: {
                method.lower(): {
                    "operationId": f"{method.lower()}_ping",
                    "summary": "Whether the model is loaded and answers",
                    "responses": {
                        "200": {"description": "A worker has loaded the model"},
                        **_failures(_PING_ERRORS, has_body=method != "HEAD"),
                    },
                }
                for method in statuses.ROUTES[contract.PING_PATH]
            },
            contract.INVOCATIONS_PATH: {"post": _invocation(description)},
        },
        "components": {
            "schemas": {"Error": _ERROR},
            "responses": {
                name: {
                    "description": message.format_map(vars(settings)),
                    "content": {_JSON: {"schema": {"$ref": "#/components/schemas/Error"}}},
                }
                for name, message in statuses.ERRORS.values()
            },
        },
    }


_ERROR = {
    "type": "object",
    "required": ["error", "message", "request_id"],
    "additionalProperties": False,
    "properties": {
        "error": {"type": "string", "description": "Stable name of the error, one word"},
        "message": {"type": "string", "description": "What came, and what was expected"},
        "request_id": {"type": "string", "description": "The request's id in the log"},
    },
}


def _failures(numbers: tuple[int, ...], *, has_body: bool = True) -> dict[str, Any]:
    return {
        str(number): {"$ref": f"#/components/responses/{statuses.ERRORS[number][0]}"}
        if has_body
        else {"description": statuses.ERRORS[number][0]}
        for number in numbers
    }


def _invocation(description: Description) -> dict[str, Any]:
    # If the module decodes bodies itself, the model's signature does not describe them.
    request = response = None
    if description.signature is not None and description.request_types:
        request = schemas.request(description.signature)
    if description.signature is not None and description.response_types:
        response = schemas.response(description.signature)
    taken = _body(description.request_types, request)
    if request is not None and (example := description.example()) is not None:
        taken[_JSON]["example"] = example
    given = _body(description.response_types, response)
    return {
        "operationId": "invoke",
        "summary": "Ask the model",
        "requestBody": {"required": True, "content": taken},
        "responses": {
            "200": {"description": "The answer of the model", "content": given},
            **_failures(_INVOCATION_ERRORS),
        },
    }


def _body(media_types: tuple[str, ...], schema: dict[str, Any] | None) -> dict[str, Any]:
    """Return the content of a body; without media types, it is any type."""
    return {
        media_type: {"schema": schema} if schema and media_type == _JSON else {}
        for media_type in media_types or ("*/*",)
    }
