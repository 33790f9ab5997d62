"""The access log of a stage: a line for each call, in the format that the stage names.

Source: API Gateway Developer Guide, "Access logging for REST APIs" (what a format must have) and
"Variables for access logging" (names; one without a value is a hyphen).
"""

import contextlib
import hashlib
import re
import time
from collections.abc import Mapping
from typing import Any

from moto.apigateway.exceptions import BadRequestException
from moto.logs.exceptions import ResourceAlreadyExistsException, ResourceNotFoundException
from moto.logs.models import logs_backends

from byoi.emulator.aws import account
from byoi.emulator.aws.errors import NotEmulatedError

DESTINATION, FORMAT = "destinationArn", "format"
_VARIABLE = re.compile(r"\$(?:context\.([\w.]*\w)|\{context\.([\w.]+)\})")
_GROUP = re.compile(
    rf"arn:aws:logs:([a-z0-9-]+):{account.NUMBER}:log-group:([\w./#-]{{1,512}})(?::\*)?"
)
_IDENTITY = (
    "accountId",
    "apiKey",
    "apiKeyId",
    "caller",
    "sourceIp",
    "user",
    "userAgent",
    "userArn",
)
# What a call has a value of here wherever it has one on AWS.
VARIABLES = frozenset(
    {"accountId", "apiId", "domainName", "httpMethod", "path", "protocol", "requestId"}
    | {"requestTime", "requestTimeEpoch", "resourceId", "resourcePath", "stage"}
    | {"responseLatency", "responseLength", "status"}
    | {"error.message", "error.messageString", "error.responseType"}
    | {f"identity.{name}" for name in _IDENTITY}
)
_NONE = "-"


def check(settings: Mapping[str, Any]) -> None:
    """Check where a stage's access log goes, and its format; either may be absent.

    Args:
        settings: `destinationArn` and `format`, as the API reference names them.

    Raises:
        BadRequestException: The format does not identify a call, or is not one line.
        NotEmulatedError: The destination is none of this account's log groups, or the format
            has a variable that is not emulated.
    """
    destination, template = settings.get(DESTINATION), settings.get(FORMAT)
    if destination and not _GROUP.fullmatch(str(destination)):
        raise NotEmulatedError(
            f"an access log that goes to {destination} (only to a log group of this account: "
            f"arn:aws:logs:REGION:{account.NUMBER}:log-group:NAME)"
        )
    if template is None:
        return
    names = {match[1] or match[2] for match in _VARIABLE.finditer(str(template))}
    if "\n" in str(template) or "requestId" not in names:
        raise BadRequestException(
            "Invalid access log format: expected one line that has $context.requestId"
        )
    if others := sorted(names - VARIABLES):
        raise NotEmulatedError(
            f"an access log format with {', '.join(f'$context.{name}' for name in others)}"
        )


def write(settings: Mapping[str, Any] | None, context: Mapping[str, Any]) -> str:
    """Write the line of one call, where a stage has an access log.

    Args:
        settings: The stage's.
        context: The members of `$context`, with those of the response.

    Returns:
        Why nothing was written though the stage asks for it, otherwise "".
    """
    if not settings or not settings.get(DESTINATION) or not settings.get(FORMAT):
        return ""
    match = _GROUP.fullmatch(settings[DESTINATION])
    if match is None:
        return f"there is no access log at {settings[DESTINATION]}"
    region, group = match[1], match[2]
    backend: Any = logs_backends[account.NUMBER][region]
    # On AWS the streams have names of this form, which say nothing.
    place = f"{context['apiId']}/{context['stage']}".encode()
    stream = hashlib.md5(place, usedforsecurity=False).hexdigest()
    event = {"timestamp": int(time.time() * 1000), "message": render(settings[FORMAT], context)}
    try:
        with contextlib.suppress(ResourceAlreadyExistsException):
            backend.create_log_stream(group, stream)
        backend.put_log_events(group, stream, [event])
    except ResourceNotFoundException:
        return f"the access log was not written, there is no log group {group}"
    return ""


def render(template: str, context: Mapping[str, Any]) -> str:
    """Return a format with the values of a call.

    Args:
        template: The format.
        context: The members of `$context`.
    """

    def value(match: re.Match[str]) -> str:
        found: Any = context
        for name in (match[1] or match[2]).split("."):
            found = found.get(name) if isinstance(found, Mapping) else None
        return _NONE if found is None or found == "" else str(found)

    return _VARIABLE.sub(value, template)
