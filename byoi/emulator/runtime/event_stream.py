"""The event stream that a streamed response arrives in.

Sources: Smithy 1.0, application/vnd.amazon.eventstream (prelude of two lengths and their
CRC32, headers, payload, CRC32 of all); API InvokeEndpointWithResponseStream (PayloadPart,
ModelStreamError).
"""

import json
import struct
import zlib

CONTENT_TYPE = "application/vnd.amazon.eventstream"
_PRELUDE_BYTES = 12
_CRC_BYTES = 4
_STRING = 7  # the header type of text


def payload_part(payload: bytes) -> bytes:
    """Return the event that carries a piece of the body."""
    return _message(
        {
            ":message-type": "event",
            ":event-type": "PayloadPart",
            ":content-type": "application/octet-stream",
        },
        payload,
    )


def stream_error(code: str, message: str) -> bytes:
    """Return the event that ends a stream which broke.

    Args:
        code: `ModelInvocationTimeExceeded` or `StreamBroken`.
        message: What happened.
    """
    return _message(
        {
            ":message-type": "exception",
            ":exception-type": "ModelStreamError",
            ":content-type": "application/json",
        },
        json.dumps({"Message": message, "ErrorCode": code}).encode(),
    )


def _message(headers: dict[str, str], payload: bytes) -> bytes:
    encoded = b"".join(
        struct.pack("!B", len(name))
        + name.encode()
        + struct.pack("!BH", _STRING, len(value))
        + value.encode()
        for name, value in headers.items()
    )
    total = _PRELUDE_BYTES + len(encoded) + len(payload) + _CRC_BYTES
    prelude = struct.pack("!II", total, len(encoded))
    head = prelude + struct.pack("!I", zlib.crc32(prelude)) + encoded + payload
    return head + struct.pack("!I", zlib.crc32(head))
