"""Request bodies to instances: the server's half of `serializers`.

Each media type says the same two things in its own way: the reviews, as texts or as
token ids, and how they were wrapped, which the response repeats. docs/formats.md has
the table; its rows are tests.
"""

import csv
import io
import json
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from byoi_lib import content_types, contract, errors, npy
from byoi_lib.instances import Instances, gather, shown

_BYTE_ORDER_MARK = "\ufeff"


def decode(body: bytes, content_type: str) -> Instances:
    """Return the instances of a request.

    Args:
        body: Body of POST /invocations.
        content_type: Value of the Content-Type header, empty where absent.

    Returns:
        n instances, n >= 1, in the order sent.

    Raises:
        UnsupportedContentType: No decoder for `content_type`.
        MalformedBody: Not parseable, no instances, or an instance that is neither text
            nor token ids; the message names its position.
    """
    media_type, charset = content_types.parse(content_type)
    if media_type == content_types.NPY:
        return _from_npy(body)
    try:
        text = body.decode(charset)
    except UnicodeDecodeError as error:
        raise errors.MalformedBody(
            f"the body is not {charset} at byte {error.start}; send utf-8, or say the charset"
        ) from error
    return _DECODERS[media_type](text)


def _from_json(text: str) -> Instances:
    """Take `{"instances": [...]}`, `{"review": text}`, a list, or one text."""
    content = _parse_json(text, "the body")
    if isinstance(content, str):
        return Instances((content,))
    if isinstance(content, list):
        # What a serializer makes of a one-dimensional array: the ids of one review.
        is_one_review = bool(content) and all(type(entry) is int for entry in content)
        return gather([content] if is_one_review else content, "instance")
    if isinstance(content, dict) and content.keys() == {"instances"}:
        if isinstance(content["instances"], list):
            return gather(content["instances"], "instance", has_key=True)
        raise errors.MalformedBody(
            f'"instances" is {shown(content["instances"])}, expected a list of reviews'
        )
    return Instances((_review(content, "the body"),))


def _from_json_lines(text: str) -> Instances:
    """Take one text, `{"review": text}` or list of token ids a line."""
    lines = text.rstrip("\r\n").split("\n") if text.strip() else []
    entries = [_parse_json(line, f"line {number}") for number, line in enumerate(lines, 1)]
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, str | list):
            entries[number - 1] = _review(entry, f"line {number}")
    return gather(entries, "line", first=1)


def _from_csv(text: str) -> Instances:
    """Take one text a row, or the token ids of one review a row."""
    # The module's own limit, 131,072 characters, would refuse a long review.
    csv.field_size_limit(contract.REQUEST_BODY_BYTES)
    # Spreadsheets write a mark that would become part of the first word.
    reader = csv.reader(io.StringIO(text.removeprefix(_BYTE_ORDER_MARK), newline=""), strict=True)
    try:
        rows = list(reader)
    except csv.Error as error:
        raise errors.MalformedBody(
            f'line {reader.line_num} is not CSV ({error}); quote a text, and write " in it as ""'
        ) from error
    while rows and not rows[-1]:
        rows.pop()
    wide = next((number for number, row in enumerate(rows, 1) if len(row) > 1), None)
    if wide is None:
        entries: list[Any] = [row[0] if row else None for row in rows]
    elif all(row and all(map(_is_id, row)) for row in rows):
        entries = [[int(field) for field in row] for row in rows]
    else:
        raise errors.MalformedBody(
            f"row {wide} has {len(rows[wide - 1])} columns, expected one text; "
            'quote a text that holds a comma: "so, so"'
        )
    return gather(entries, "row", first=1)


def _from_text(text: str) -> Instances:
    """Take the whole body as one review."""
    return Instances((text.removeprefix(_BYTE_ORDER_MARK),))


_DECODERS: dict[str, Callable[[str], Instances]] = {
    content_types.JSON: _from_json,
    content_types.JSON_LINES: _from_json_lines,
    content_types.CSV: _from_csv,
    content_types.TEXT: _from_text,
}


def _from_npy(body: bytes) -> Instances:
    """Take an array of texts (n,) or of token ids (n, length) or (length,)."""
    array = npy.read(body)
    is_text = array.dtype.kind == "U"
    return gather(array.tolist() if is_text else list(np.atleast_2d(array)), "row")


def _parse_json(text: str, where: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise errors.MalformedBody(f"{where} is nested too deeply, expected two levels") from error
    except ValueError as error:
        raise errors.MalformedBody(f"{where} is not JSON: {error}") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse what json accepts in silence: of two equal keys the last wins."""
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("an object has a key twice")
    return content


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


def _review(content: Any, where: str) -> str:
    """Return the text of `{"review": text}`."""
    if isinstance(content, dict) and content.keys() == {"review"}:
        review = content["review"]
        if isinstance(review, str):
            return review
    raise errors.MalformedBody(
        f'{where} is {shown(content)}, expected a text, a list, {{"review": text}} or, as a whole '
        'JSON body, {"instances": [...]}'
    )


def _is_id(field: str) -> bool:
    """Tell "12" from "012", which may be the end of an unquoted "10,012"."""
    is_number = field.isascii() and field.isdigit() and len(field) <= 10
    return is_number and (field == "0" or not field.startswith("0"))
