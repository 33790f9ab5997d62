"""Payloads: text or bytes, and what contentHandling makes of them.

Source: API Gateway Developer Guide, "Content type conversions in API Gateway", whose two tables
this is.
"""

import base64
import binascii
from collections.abc import Iterable

from byoi.emulator.api_gateway.gateway_responses import INTERNAL, GatewayError

# Developer Guide, "Amazon API Gateway quotas": of a request's and of a response's payload.
MAX_BYTES = 10 * 1024 * 1024


def is_binary(media_type: str | None, binary_media_types: Iterable[str]) -> bool:
    """Whether payloads of a media type are bytes for an API.

    Args:
        media_type: A Content-Type or Accept header; of several, the first counts.
        binary_media_types: The API's.
    """
    plain = (media_type or "").partition(",")[0].partition(";")[0].strip().lower()
    family = f"{plain.partition('/')[0]}/*"
    given = {one.replace("~1", "/").lower() for one in binary_media_types}
    return bool(plain) and bool(given & {plain, family, "*/*"})


def of_request(body: bytes, *, binary: bool, handling: str | None) -> bytes | str:
    """Return a request's payload as the integration gets it: bytes, or text for a template."""
    if binary:
        return base64.b64encode(body).decode() if handling == "CONVERT_TO_TEXT" else body
    return _decode(body) if handling == "CONVERT_TO_BINARY" else body.decode("utf-8", "replace")


def of_response(
    body: bytes, *, binary: bool, accepts_binary: bool, handling: str | None
) -> bytes | str:
    """Return a response's payload as the caller gets it, or text for a template.

    Args:
        body: The endpoint's answer.
        binary: Whether its media type is one of bytes.
        accepts_binary: Whether the request's Accept header is.
        handling: The integration response's contentHandling.
    """
    to_text = handling == "CONVERT_TO_TEXT" or (handling is None and not accepts_binary)
    if binary:
        return base64.b64encode(body).decode() if to_text else body
    return body.decode("utf-8", "replace") if to_text else _decode(body)


def _decode(body: bytes) -> bytes:
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error as problem:
        cause = f"CONVERT_TO_BINARY of a payload that is not base64: {problem}"
        raise GatewayError("API_CONFIGURATION_ERROR", INTERNAL, cause=cause) from None
