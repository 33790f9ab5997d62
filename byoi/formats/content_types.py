"""Media types of requests and responses: their names, parsing and negotiation.

Headers are parsed, never compared as strings: a client may send
`Application/JSON; charset=utf-8`, or several types with preferences.

Source: RFC 9110 section 8.3 (Content-Type) and 12.5.1 (Accept).
"""

import codecs
import functools
import json
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import NamedTuple, TypeVar

from werkzeug.http import parse_list_header, parse_options_header

from byoi import errors

JSON = "application/json"
JSON_LINES = "application/jsonlines"
CSV = "text/csv"
TEXT = "text/plain"
NPY = "application/x-npy"
BYTES = "application/octet-stream"

REQUEST_TYPES = (JSON, JSON_LINES, CSV, TEXT, NPY)
# In the order of preference for a client that states none.
RESPONSE_TYPES = (JSON, JSON_LINES, CSV, NPY)

# No standard has registered a name for JSON Lines: jsonlines.org recommends application/jsonl,
# SageMaker writes application/jsonlines, and NDJSON, the same format, application/x-ndjson.
OTHER_NAMES = {
    JSON_LINES: (
        "application/jsonl",
        "application/x-jsonlines",
        "application/x-jsonl",
        "application/x-ndjson",
        "application/ndjson",
    )
}
_MEANT = {other: name for name, others in OTHER_NAMES.items() for other in others}

# By Python's names. Not every codec of Python: some are slow on malicious input (idna), and
# some are not character sets at all (zlib).
_CHARSETS = ("utf-8", "ascii", "iso8859-1", "iso8859-15", "cp1252", "utf-16")

# By the ending of a file's name.
ENDINGS = {
    ".json": JSON,
    ".jsonl": JSON_LINES,
    ".ndjson": JSON_LINES,
    ".csv": CSV,
    ".txt": TEXT,
    ".npy": NPY,
}

BYTE_ORDER_MARK = "\ufeff"

# Of a header in a message, of which SageMaker shows the caller 2,048 characters.
_SHOWN_CHARACTERS = 100
# Clients send the same few headers again and again, and parsing one takes 20 us. A longer one is
# parsed each time, so that what is kept stays small whoever sends.
_KEPT_HEADERS, _KEPT_CHARACTERS = 64, 200

_Parsed = TypeVar("_Parsed")


def _keep(function: Callable[[str], _Parsed]) -> Callable[[str], _Parsed]:
    """Remember what a function makes of short headers; an error is made anew each time."""
    kept = functools.lru_cache(_KEPT_HEADERS)(function)

    @functools.wraps(function)
    def call(header: str) -> _Parsed:
        return kept(header) if len(header) <= _KEPT_CHARACTERS else function(header)

    return call


class ContentType(NamedTuple):
    """A parsed Content-Type.

    Attributes:
        media_type: One of `REQUEST_TYPES`, also where the header has another name of it.
        charset: Python's name of the character set of a text.
    """

    media_type: str
    charset: str


@_keep
def parse(content_type: str) -> ContentType:
    """Parse the value of a Content-Type header.

    Args:
        content_type: As received; empty if the header is absent, which counts as JSON.

    Raises:
        UnsupportedContentType: The type is not one of `REQUEST_TYPES`, or its character set
            or CSV header row cannot be read.
    """
    media_type, parameters = parse_options_header(content_type.strip() or JSON)
    media_type = usual_name(media_type.lower())
    if media_type not in REQUEST_TYPES:
        message = (
            f"no decoder for Content-Type {_shown(content_type)}; "
            f"send one of {', '.join(REQUEST_TYPES)}"
        )
        raise errors.UnsupportedContentType(message)
    codec = _codec(parameters)
    # RFC 4180: the first row would hold names, and would be taken for data.
    if media_type == CSV and parameters.get("header", "absent").lower() != "absent":
        raise errors.UnsupportedContentType("CSV is read without a header row; send rows only")
    return ContentType(media_type, codec)


@_keep
def text_charset(content_type: str) -> str | None:
    """Return Python's name of a text's character set, None where the type is not one of texts.

    Texts are JSON, JSON Lines under each of its names, and `text/*`.

    Args:
        content_type: As received; empty if the header is absent, which counts as JSON.

    Raises:
        UnsupportedContentType: The character set cannot be read.
    """
    media_type, parameters = parse_options_header(content_type.strip() or JSON)
    name = usual_name(media_type.lower())
    if name in {JSON, JSON_LINES} or name.startswith("text/"):
        return _codec(parameters)
    return None


def read_text(body: bytes, charset: str) -> str:
    """Decode a body to text.

    Args:
        body: Request body.
        charset: Python's name of its character set, as `content_types.parse` returns it.

    Raises:
        MalformedBody: The body is not in this character set.
    """
    try:
        return body.decode(charset)
    except UnicodeDecodeError as error:
        raise errors.MalformedBody(
            f"the body is not {charset} at byte {error.start}; send utf-8, or say the charset"
        ) from error


def without_mark(text: str) -> str:
    """Remove the byte order mark that some programs write at the start of a text.

    It is part of the encoding and not of the text (Unicode 16, 23.8; RFC 8259 section 8.1 allows
    to ignore it); every reader of a text here removes it.
    """
    return text.removeprefix(BYTE_ORDER_MARK)


def usual_name(media_type: str) -> str:
    """Return the name that a format has here, of which `media_type` may be another name."""
    return _MEANT.get(media_type, media_type)


@_keep
def negotiate(accept: str) -> str:
    """Choose the response type from the value of an Accept header.

    The highest quality wins; at equal quality an exact type before a range, then the
    client's order, then the order of `RESPONSE_TYPES`.

    Args:
        accept: As received; empty if the header is absent, which accepts anything.

    Returns:
        One of `RESPONSE_TYPES`, or the other name of one that the client asked for.

    Raises:
        NotAcceptable: The client accepts none of them.
    """
    ranges = [_parse_range(entry) for entry in parse_list_header(accept)] or [("*/*", 1.0)]
    best: tuple[float, int, int] | None = None
    chosen = ""
    for offer in RESPONSE_TYPES:
        # The most specific range that matches an offer decides, also to refuse it.
        exact = (offer, *OTHER_NAMES.get(offer, ()))
        for breadth, names in enumerate((exact, (offer.split("/")[0] + "/*",), ("*/*",))):
            found = [(q, -at, name) for at, (name, q) in enumerate(ranges) if name in names]
            if found:
                quality, position, name = max(found)
                rank = (quality, -breadth, position)
                if quality > 0 and (best is None or rank > best):
                    best, chosen = rank, offer if breadth else name
                break
    if not chosen:
        message = (
            f"no encoder for Accept {_shown(accept)}; accept one of {', '.join(RESPONSE_TYPES)}"
        )
        raise errors.NotAcceptable(message)
    return chosen


def of_file(name: str) -> str:
    """Return the media type of a file by the ending of its name; `BYTES` of an unknown one."""
    return ENDINGS.get(PurePath(name).suffix.lower(), BYTES)


def of_body(body: bytes) -> str:
    """Return the media type of a body by its content: JSON, another text, or `BYTES`."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return BYTES
    try:
        json.loads(text)
    except ValueError:
        return TEXT
    except RecursionError:
        # Nested too deeply to be read here: it began as JSON, and the server says the same.
        return JSON
    return JSON


@_keep
def is_any(accept: str) -> bool:
    """Whether an Accept header leaves the choice to the server: it is empty, or takes anything."""
    ranges = [_parse_range(entry) for entry in parse_list_header(accept)]
    return all(name == "*/*" and quality > 0 for name, quality in ranges)


def _codec(parameters: Mapping[str, str]) -> str:
    """Return Python's name of the character set that a header's parameters name."""
    charset = parameters.get("charset", "utf-8")
    try:
        codec = codecs.lookup(charset).name
    except (LookupError, ValueError):  # ValueError: not a possible name
        codec = ""
    if codec not in _CHARSETS:
        message = f"charset {_shown(charset)} cannot be read; send utf-8"
        raise errors.UnsupportedContentType(message)
    return codec


def _parse_range(entry: str) -> tuple[str, float]:
    """Return media range and quality; an invalid quality refuses the range."""
    media_range, parameters = parse_options_header(entry)
    try:
        quality = float(parameters.get("q", "1"))
    except ValueError:
        quality = 0.0
    return media_range.lower(), quality if 0 <= quality <= 1 else 0.0


def _shown(value: str) -> str:
    shown = repr(value[:_SHOWN_CHARACTERS])
    return shown if len(value) <= _SHOWN_CHARACTERS else shown + "..."
