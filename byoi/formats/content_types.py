"""Media types of requests and responses: their names, parsing and negotiation.

Headers are parsed, never compared as strings: a client may write
`Application/JSON; charset=utf-8`, or several types with preferences.

Source: RFC 9110 section 8.3 (Content-Type) and 12.5.1 (Accept).
"""

import codecs
from typing import NamedTuple

from werkzeug.http import parse_list_header, parse_options_header

from byoi import errors

JSON = "application/json"
JSON_LINES = "application/jsonlines"
CSV = "text/csv"
TEXT = "text/plain"
NPY = "application/x-npy"

REQUEST_TYPES = (JSON, JSON_LINES, CSV, TEXT, NPY)
# In the order of preference where a client has none.
RESPONSE_TYPES = (JSON, JSON_LINES, CSV, NPY)

# By the names Python gives them. Not every codec it knows: some are slow on purpose-made
# input (idna), and some are no character sets at all (zlib).
_CHARSETS = ("utf-8", "ascii", "iso8859-1", "iso8859-15", "cp1252", "utf-16")

# Of a header in a message: SageMaker shows a caller 2,048 characters of an error.
_SHOWN_CHARACTERS = 100


class ContentType(NamedTuple):
    """A parsed Content-Type.

    Attributes:
        media_type: Lower case, without parameters; one of `REQUEST_TYPES`.
        charset: Python's name of the character set of a text.
    """

    media_type: str
    charset: str


def parse(content_type: str) -> ContentType:
    """Parse the value of a Content-Type header.

    Args:
        content_type: As received; empty where the header is absent, which counts as JSON.

    Raises:
        UnsupportedContentType: No request type, or a character set or CSV header
            row that cannot be read.
    """
    media_type, parameters = parse_options_header(content_type.strip() or JSON)
    media_type = media_type.lower()
    if media_type not in REQUEST_TYPES:
        message = (
            f"no decoder for Content-Type {_shown(content_type)}; "
            f"send one of {', '.join(REQUEST_TYPES)}"
        )
        raise errors.UnsupportedContentType(message)
    charset = parameters.get("charset", "utf-8")
    try:
        codec = codecs.lookup(charset).name
    except (LookupError, ValueError):  # ValueError: a name no codec could have
        codec = ""
    if codec not in _CHARSETS:
        message = f"charset {_shown(charset)} cannot be read; send utf-8"
        raise errors.UnsupportedContentType(message)
    # RFC 4180: it says that the first row holds names, and it would be taken for a review.
    if media_type == CSV and parameters.get("header", "absent").lower() != "absent":
        raise errors.UnsupportedContentType("CSV is read without a header row; send rows only")
    return ContentType(media_type, codec)


def negotiate(accept: str) -> str:
    """Choose the response type from the value of an Accept header.

    The highest quality wins; at equal quality an exact type before a range, then
    the client's order, then ours.

    Args:
        accept: As received; empty where the header is absent, which accepts anything.

    Returns:
        One of `RESPONSE_TYPES`.

    Raises:
        NotAcceptable: The client accepts none of them.
    """
    ranges = [_parse_range(entry) for entry in parse_list_header(accept)] or [("*/*", 1.0)]
    best: tuple[float, int, int] | None = None
    chosen = ""
    for offer in RESPONSE_TYPES:
        # What the most specific matching range says of an offer holds, also a refusal.
        for specific, names in enumerate((offer, offer.split("/")[0] + "/*", "*/*")):
            said = [(q, -at) for at, (name, q) in enumerate(ranges) if name == names]
            if said:
                quality, position = max(said)
                rank = (quality, -specific, position)
                if quality > 0 and (best is None or rank > best):
                    best, chosen = rank, offer
                break
    if not chosen:
        message = (
            f"no encoder for Accept {_shown(accept)}; accept one of {', '.join(RESPONSE_TYPES)}"
        )
        raise errors.NotAcceptable(message)
    return chosen


def _parse_range(entry: str) -> tuple[str, float]:
    """Return media range and quality; a quality that is none refuses the range."""
    media_range, parameters = parse_options_header(entry)
    try:
        quality = float(parameters.get("q", "1"))
    except ValueError:
        quality = 0.0
    return media_range.lower(), quality if 0 <= quality <= 1 else 0.0


def _shown(value: str) -> str:
    shown = repr(value[:_SHOWN_CHARACTERS])
    return shown if len(value) <= _SHOWN_CHARACTERS else shown + "..."
