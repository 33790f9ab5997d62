"""Gateway responses: what the gateway answers itself if a call does not reach its integration.

Source: API Gateway Developer Guide, "Gateway response types" (types, statuses, fallback to
DEFAULT_4XX and DEFAULT_5XX); the messages and error types are those of AWS's answers.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from werkzeug.wrappers import Response

from byoi.emulator.api_gateway.call import DeployedApi
from byoi.emulator.aws.errors import NotEmulatedError

_INTERNAL = "Internal server error"
# Type to status, the error type in the header, and the usual message.
_TYPES = {
    "ACCESS_DENIED": (403, "AccessDeniedException", "Forbidden"),
    "API_CONFIGURATION_ERROR": (500, "InternalServerErrorException", _INTERNAL),
    "BAD_REQUEST_BODY": (400, "BadRequestException", "Invalid request body"),
    "BAD_REQUEST_PARAMETERS": (400, "BadRequestException", "Missing required request parameters"),
    "EXPIRED_TOKEN": (
        403,
        "ExpiredTokenException",
        "The security token included in the request is expired",
    ),
    "INTEGRATION_FAILURE": (504, "InternalServerErrorException", _INTERNAL),
    "INTEGRATION_TIMEOUT": (504, "InternalServerErrorException", "Endpoint request timed out"),
    "INVALID_API_KEY": (403, "ForbiddenException", "Forbidden"),
    "INVALID_SIGNATURE": (403, "InvalidSignatureException", "The signature is not valid"),
    "MISSING_AUTHENTICATION_TOKEN": (
        403,
        "MissingAuthenticationTokenException",
        "Missing Authentication Token",
    ),
    "QUOTA_EXCEEDED": (429, "LimitExceededException", "Limit Exceeded"),
    "REQUEST_TOO_LARGE": (413, "RequestTooLargeException", "Request Too Long"),
    "THROTTLED": (429, "TooManyRequestsException", "Too Many Requests"),
    "UNSUPPORTED_MEDIA_TYPE": (415, "UnsupportedMediaTypeException", "Unsupported Media Type"),
}
# The variables that a template of a gateway response may refer to.
_REFERENCE = re.compile(r"\$\{?context\.(error\.messageString|error\.message|[\w.]+)\}?")


class GatewayError(Exception):
    """A call that the gateway answers itself.

    Attributes:
        type: Type of the gateway response.
        message: Message for the caller.
        cause: Message for the execution log.
        code: Error type in the header.
    """

    def __init__(
        self, type_: str, message: str | None = None, *, cause: str = "", code: str | None = None
    ) -> None:
        self.type = type_
        self.code = code or _TYPES[type_][1]
        self.message = message or _TYPES[type_][2]
        self.cause = cause or self.message
        super().__init__(self.cause)


def configuration_error(cause: str) -> GatewayError:
    """Return the error of a call that the API's own configuration makes fail.

    Args:
        cause: Message for the execution log; the caller is not told.
    """
    return GatewayError("API_CONFIGURATION_ERROR", cause=cause)


def make_response(
    error: GatewayError, api: DeployedApi | None, context: Mapping[str, Any]
) -> Response:
    """Return the gateway response to an error.

    Args:
        error: The error.
        api: The API, which may have its own gateway responses; None if none was found.
        context: The members of `$context`.

    Raises:
        NotEmulatedError: The API's own gateway response has something that is not emulated.
    """
    status = _TYPES[error.type][0]
    configured = dict(_configured(api, error.type, status)) if api else {}
    templates = configured.get("responseTemplates") or {}
    # AWS writes this one's with a capital letter.
    body = json.dumps({"Message" if error.type == "ACCESS_DENIED" else "message": error.message})
    if templates:
        body = _render(_json_template(templates), error, context)
    headers = {"x-amzn-errortype": error.code, "x-amzn-requestid": str(context["requestId"])}
    for name, value in (configured.get("responseParameters") or {}).items():
        headers[name.removeprefix("gatewayresponse.header.")] = _static(value)
    return Response(
        body,
        status=int(configured.get("statusCode") or status),
        content_type="application/json",
        headers=headers,
    )


def _configured(api: DeployedApi, type_: str, status: int) -> Mapping[str, Any]:
    fallback = "DEFAULT_5XX" if status >= 500 else "DEFAULT_4XX"
    return api.gateway_responses.get(type_) or api.gateway_responses.get(fallback) or {}


def _json_template(templates: Mapping[str, str]) -> str:
    if list(templates) != ["application/json"]:
        raise NotEmulatedError(f"a gateway response of {', '.join(templates)}")
    return templates["application/json"]


def _render(template: str, error: GatewayError, context: Mapping[str, Any]) -> str:
    def value(match: re.Match[str]) -> str:
        if match[1] == "error.messageString":
            return json.dumps(error.message)
        if match[1] == "error.message":
            return error.message
        if match[1] == "error.responseType":
            return error.type
        found: Any = context
        for name in match[1].split("."):
            found = found.get(name) if isinstance(found, Mapping) else None
        if not isinstance(found, str | int):
            raise NotEmulatedError(f"$context.{match[1]} in a gateway response")
        return str(found)

    # A gateway response has these variables, and neither directives nor functions.
    rendered = _REFERENCE.sub(value, template)
    if "#if" in rendered or "#set" in rendered or "#foreach" in rendered:
        raise NotEmulatedError("directives in a gateway response")
    return rendered


def _static(value: str) -> str:
    if not (value.startswith("'") and value.endswith("'")):
        raise NotEmulatedError(f"{value} as a header of a gateway response")
    return value[1:-1]
