"""Mappings between method and integration: parameters, and payloads as text or bytes.

Sources: API Gateway Developer Guide, "Parameter mapping examples" with its reference of mapping
expressions, and "Content type conversions in API Gateway", whose two tables the conversions
implement.
"""

import base64
import binascii
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from byoi.emulator.api_gateway import variables
from byoi.emulator.api_gateway.call import Call
from byoi.emulator.api_gateway.gateway_responses import GatewayError, configuration_error
from byoi.emulator.aws.errors import NotEmulatedError

# Developer Guide, "Amazon API Gateway quotas": limit of a request's and of a response's payload.
MAX_PAYLOAD_BYTES = 10 * 1024 * 1024
# Headers that the gateway sets itself; on AWS, a call fails if they are mapped.
_ILLEGAL = frozenset(
    {"authorization", "connection", "content-length", "expect", "proxy-authenticate", "te"}
    | {"transfer-encoding", "x-amzn-apigateway-api-id", "x-amzn-trace-id"}
)
_METHOD_REQUEST = "method.request."
_METHOD_RESPONSE_HEADER = "method.response.header."
_INTEGRATION_REQUEST = "integration.request."
_INTEGRATION_RESPONSE_HEADER = "integration.response.header."
_STAGE_VARIABLES = "stageVariables."
_CONTEXT = "context."
_REQUEST_SOURCES = (
    *(f"{_METHOD_REQUEST}{place}." for place in ("header", "path", "querystring")),
    _STAGE_VARIABLES,
    _CONTEXT,
)
_RESPONSE_SOURCES = (_INTEGRATION_RESPONSE_HEADER, _STAGE_VARIABLES, _CONTEXT)


def check_request_parameters(mapping: Mapping[str, str]) -> None:
    """Check that an integration's requestParameters can be mapped.

    Raises:
        NotEmulatedError: The message names the parameter.
    """
    for target, source in mapping.items():
        _, _, place = target.rpartition(_INTEGRATION_REQUEST)
        kind, _, name = place.partition(".")
        if kind not in {"header", "path"} or name.lower() in _ILLEGAL:
            raise NotEmulatedError(f"requestParameters with {target}")
        if not _is_static(source) and not source.startswith(_REQUEST_SOURCES):
            raise NotEmulatedError(f"requestParameters with the source {source}")


def check_response_parameters(mapping: Mapping[str, str]) -> None:
    """Check that an integration response's responseParameters can be mapped.

    Raises:
        NotEmulatedError: The message names the parameter.
    """
    for target, source in mapping.items():
        is_known = _is_static(source) or source.startswith(_RESPONSE_SOURCES)
        if not target.startswith(_METHOD_RESPONSE_HEADER) or not is_known:
            raise NotEmulatedError(f"responseParameters with {target}: {source}")


def map_request_parameters(call: Call) -> dict[str, dict[str, str]]:
    """Return the integration request's parameters: `header` and `path`, each name to value."""
    found: dict[str, dict[str, str]] = {"header": {}, "path": {}}
    for target, source in (call.integration.get("requestParameters") or {}).items():
        kind, _, name = target.removeprefix(_INTEGRATION_REQUEST).partition(".")
        value = _find_value(source, call)
        if value is None and source.startswith(_METHOD_REQUEST):
            place, _, wanted = source.removeprefix(_METHOD_REQUEST).partition(".")
            value = call.parameter(place, wanted)
        if value:
            found[kind][name] = value
    return found


def map_response_parameters(
    mapping: Mapping[str, str], call: Call, headers: Mapping[str, str]
) -> dict[str, str]:
    """Return the headers of the response.

    Args:
        mapping: The integration response's responseParameters.
        call: The call that is answered.
        headers: Headers of the endpoint's response.
    """
    found = {}
    for target, source in mapping.items():
        value = _find_value(source, call)
        if value is None and source.startswith(_INTEGRATION_RESPONSE_HEADER):
            value = headers.get(source.removeprefix(_INTEGRATION_RESPONSE_HEADER))
        if value:
            found[target.removeprefix(_METHOD_RESPONSE_HEADER)] = value
    return found


def is_binary(media_type: str | None, binary_media_types: Iterable[str]) -> bool:
    """Return whether an API treats payloads of a media type as bytes.

    Args:
        media_type: A Content-Type or Accept header; of several media types, the first counts.
        binary_media_types: The API's.
    """
    plain = (media_type or "").partition(",")[0].partition(";")[0].strip().lower()
    family = f"{plain.partition('/')[0]}/*"
    given = {one.replace("~1", "/").lower() for one in binary_media_types}
    return bool(plain) and bool(given & {plain, family, "*/*"})


def decompress(body: bytes, coding: str | None) -> bytes:
    """Return a request's body without its `Content-Encoding`.

    Source: API Gateway Developer Guide, "Call an API method with a compressed payload": gzip,
    deflate and identity are decompressed before the integration, whether the API compresses
    responses or not; anything else is answered 415.

    Args:
        body: Body of the request.
        coding: The header's value, None if there is none.

    Raises:
        GatewayError: The coding is not supported, the body does not have it, or it is too long.
    """
    name = (coding or "identity").strip().lower()
    if name == "identity":
        return body
    if name not in {"gzip", "deflate"}:
        raise GatewayError("UNSUPPORTED_MEDIA_TYPE", cause=f"Content-Encoding: {coding}")
    unpacking = zlib.decompressobj(zlib.MAX_WBITS | (16 if name == "gzip" else 0))
    try:
        made = unpacking.decompress(body, MAX_PAYLOAD_BYTES + 1)
    except zlib.error as problem:
        raise GatewayError(
            "UNSUPPORTED_MEDIA_TYPE", cause=f"Content-Encoding: {coding}, but {problem}"
        ) from None
    if len(made) > MAX_PAYLOAD_BYTES:
        raise GatewayError("REQUEST_TOO_LARGE")
    if not unpacking.eof or unpacking.unused_data:
        cause = f"Content-Encoding: {coding}, but the body has another end"
        raise GatewayError("UNSUPPORTED_MEDIA_TYPE", cause=cause)
    return made


def convert_request_payload(body: bytes, *, binary: bool, handling: str | None) -> bytes | str:
    """Return a request's payload for the integration: bytes, or text for a template.

    Args:
        body: Body of the request.
        binary: Whether its media type is one of bytes.
        handling: contentHandling of the integration.
    """
    if binary:
        return base64.b64encode(body).decode() if handling == "CONVERT_TO_TEXT" else body
    if handling == "CONVERT_TO_BINARY":
        return _decode_base64(body)
    return body.decode("utf-8", "replace")


def convert_response_payload(
    body: bytes, *, binary: bool, accepts_binary: bool, handling: str | None
) -> bytes | str:
    """Return a response's payload for the caller: bytes, or text for a template.

    Args:
        body: Body of the endpoint's response.
        binary: Whether its media type is one of bytes.
        accepts_binary: Whether the request's Accept header is.
        handling: contentHandling of the integration response.
    """
    to_text = handling == "CONVERT_TO_TEXT" or (handling is None and not accepts_binary)
    if binary:
        return base64.b64encode(body).decode() if to_text else body
    return body.decode("utf-8", "replace") if to_text else _decode_base64(body)


def _is_static(source: str) -> bool:
    return len(source) > 1 and source.startswith("'") and source.endswith("'")


def _find_value(source: str, call: Call) -> str | None:
    """Return the value of a source outside request and response, None for other sources."""
    if _is_static(source):
        return source[1:-1]
    if source.startswith(_STAGE_VARIABLES):
        return call.stage_variables.get(source.removeprefix(_STAGE_VARIABLES))
    if source.startswith(_CONTEXT):
        value: Any = variables.find_path(call.context, source.removeprefix(_CONTEXT))
        if not isinstance(value, str | int):
            raise NotEmulatedError(f"the source {source} of a parameter mapping")
        return str(value)
    return None


def _decode_base64(body: bytes) -> bytes:
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error as problem:
        cause = f"CONVERT_TO_BINARY of a payload that is not base64: {problem}"
        raise configuration_error(cause) from None
